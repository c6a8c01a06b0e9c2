"""The note finder by sounds whose notes are known: what it sees, what it is taught, what it finds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch

import sparsecodec_models
from sparsecodec_models.music.model import MusicModel
from sparsecodec_models.music.network.features import (
    FLOOR_DB,
    HOP_SAMPLES,
    SAMPLE_RATE_HZ,
    FeatureStream,
    NoteFeatures,
    frame_count,
)
from sparsecodec_models.music.network.finder import (
    LOWEST_MIDI,
    MARGIN_FRAMES,
    PITCHES,
    FinderConfig,
    Heads,
    NoteFinder,
    load_finder,
    parameter_count,
    save_finder,
)
from sparsecodec_models.music.network.picking import FRAME_S, PickingRule, peaks, pick_notes
from sparsecodec_models.music.training import (
    FRAMES_PER_SECOND,
    Examples,
    Trainer,
    TrainingPlan,
    losses,
    matched,
    score,
    targets_of,
)

WEIGHTS = Path(sparsecodec_models.__file__).parent / "weights" / "music.safetensors"


def sinusoid(midi: float, seconds: float) -> np.ndarray:
    t = np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return np.sin(2 * np.pi * 440 * 2 ** ((midi - 69) / 12) * t)


def plucked(notes: list[tuple[float, int]], seconds: float) -> np.ndarray:
    """Decaying harmonic tones of 12 partials, (onset_s, midi) each; peak 0.5."""
    out = np.zeros(round(seconds * SAMPLE_RATE_HZ))
    for onset_s, midi in notes:
        first = round(onset_s * SAMPLE_RATE_HZ)
        t = np.arange(len(out) - first) / SAMPLE_RATE_HZ
        f0 = 440 * 2 ** ((midi - 69) / 12)
        for k in range(1, 13):
            if k * f0 < 9000:
                out[first:] += np.sin(2 * np.pi * k * f0 * t + k) * k**-1.2 * np.exp(-t * (1.5 + 0.3 * k))
    return 0.5 * out / np.abs(out).max()


# ---------------------------------------------------------------- features


@pytest.mark.parametrize("midi", [33, 45, 57, 69, 81, 93, 105])
def test_full_scale_sinusoid_is_0_db_in_its_bin(midi: int) -> None:
    pitch, attack = NoteFeatures().of(sinusoid(midi, 1.0))
    row, frame = midi - LOWEST_MIDI, 43
    assert int(pitch[:, frame].argmax()) == 3 * row
    assert int(attack[:, frame].argmax()) == row
    assert float(pitch[3 * row, frame]) == pytest.approx(0.0, abs=0.1)
    assert float(attack[row, frame]) == pytest.approx(0.0, abs=0.1)


def test_neighbouring_semitones_are_apart_from_the_a_of_110_hz() -> None:
    for midi in (45, 57, 81):
        pitch, _ = NoteFeatures().of(sinusoid(midi, 1.0))
        row = 3 * (midi - LOWEST_MIDI)
        assert float(pitch[[row - 3, row + 3], 43].max()) < -25


def test_attack_picture_tells_onsets_within_a_frame() -> None:
    samples = np.zeros(SAMPLE_RATE_HZ)
    onset = 40 * HOP_SAMPLES
    samples[onset:] = sinusoid(81, 1.0)[: len(samples) - onset]
    _, attack = NoteFeatures().of(samples)
    half = int((attack[60] > -6.1).nonzero()[0])  # half of the window is in the tone
    assert abs(half - 40) <= 1


def test_features_have_a_frame_each_256_samples_and_silence_is_the_floor() -> None:
    pitch, attack = NoteFeatures().of(np.zeros(5000))
    assert pitch.shape == (288, frame_count(5000)) == (288, 20)
    assert attack.shape == (96, 20)
    assert float(pitch.max()) == FLOOR_DB == float(attack.max())


def test_streamed_features_equal_those_of_the_whole() -> None:
    dice = np.random.default_rng(3)
    samples = dice.standard_normal(2 * SAMPLE_RATE_HZ + 17) * 0.1
    features = NoteFeatures()
    stream, got, at = FeatureStream(features), [], 0
    while at < len(samples):
        step = int(dice.integers(1, 6000))
        got.append(stream.push(samples[at : at + step]))
        at += step
    got.append(stream.finish())
    for streamed, whole in zip(
        (torch.cat(parts, 1) for parts in zip(*got, strict=True)), features.of(samples), strict=True
    ):
        assert streamed.shape == whole.shape
        assert float((streamed - whole).abs().max()) < 1e-2


# ---------------------------------------------------------------- network


def test_heads_have_the_shapes_that_they_say() -> None:
    heads = NoteFinder()(torch.full((2, 288, 40), -60.0), torch.full((2, 96, 40), -60.0))
    for name, tensor in vars(heads).items():
        assert tensor.shape == (2, 4 if name.startswith("drum") else PITCHES, 20), name


def test_network_is_small() -> None:
    assert parameter_count(NoteFinder()) <= 300_000


def test_pieces_give_the_same_as_the_whole() -> None:
    torch.manual_seed(0)
    finder = NoteFinder()
    pitch, attack = torch.rand(288, 500) * 80 - 100, torch.rand(96, 500) * 80 - 100
    whole, pieces = finder.heads(pitch, attack), finder.heads(pitch, attack, piece_frames=70)
    assert MARGIN_FRAMES < 70
    for name in vars(whole):
        assert torch.allclose(getattr(whole, name), getattr(pieces, name), atol=1e-5), name


def test_weights_survive_saving(tmp_path: Path) -> None:
    torch.manual_seed(1)
    finder = NoteFinder(FinderConfig(channels=24, dilations=(1, 2)))
    save_finder(finder, tmp_path / "x.safetensors", dict(steps="0"))
    again = load_finder(tmp_path / "x.safetensors")
    assert again.config == finder.config
    pitch, attack = torch.rand(288, 60) * 80 - 100, torch.rand(96, 60) * 80 - 100
    assert torch.equal(finder.heads(pitch, attack).onset, again.heads(pitch, attack).onset)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(1)}, tmp_path / "x.safetensors", {"config": '{"dilations": [1]}'})
    with pytest.raises(ValueError, match="train it anew"):
        load_finder(tmp_path / "x.safetensors")


# ---------------------------------------------------------------- targets, picking, score


def note(onset_s: float, midi: int, offset_s: float | None = None, drum: bool = False, velocity: int = 64) -> dict:
    end = onset_s + 0.3 if offset_s is None else offset_s
    return dict(onset_s=onset_s, offset_s=end, midi=midi, velocity=velocity, drum=drum)


def heads_that_say(notes: list[dict], frames: int) -> Heads:
    t = targets_of(notes, frames)
    return Heads(*map(torch.from_numpy, (t.onset, t.shift, t.sounding, t.velocity, t.drums, t.drum_shift)))


def test_targets_picked_give_the_notes_back() -> None:
    truth = [
        note(0.503, 60),
        note(0.507, 64, 1.4),
        note(0.61, 60, 0.9),
        note(1.0, 21),
        note(1.1, 108),
        note(1.0, 38, drum=True),
    ]
    found = pick_notes(heads_that_say(truth, 100))
    assert [(n.midi, n.drum) for n in found] == [
        (60, False),
        (64, False),
        (60, False),
        (21, False),
        (38, True),
        (108, False),
    ]
    for n, t in zip(found, sorted(truth, key=lambda t: (t["onset_s"], t["midi"])), strict=True):
        assert n.onset_s == pytest.approx(t["onset_s"], abs=1e-4)
        if not t["drum"]:
            assert n.offset_s == pytest.approx(
                min(t["offset_s"], 0.61 if t["onset_s"] == 0.503 else 9), abs=1.1 * FRAME_S
            )
            assert n.velocity == pytest.approx(64 / 127, abs=1e-3)


def test_onset_target_is_one_at_the_frame_and_falls_with_distance() -> None:
    targets = targets_of([note(10.25 / FRAMES_PER_SECOND, 60)], 30)
    row = targets.onset[60 - LOWEST_MIDI]
    assert row[9:13] == pytest.approx([0.25, 1.0, 0.75, 0.0], abs=1e-5)
    assert targets.shift[60 - LOWEST_MIDI, 10] == pytest.approx(0.25, abs=1e-5)


def test_pitches_out_of_range_are_left_out() -> None:
    assert targets_of([note(0.5, 20), note(0.5, 109)], 50).onset.sum() == 0


def test_the_surer_of_two_close_peaks_is_kept() -> None:
    probability = np.zeros((1, 20))
    probability[0, 5], probability[0, 7], probability[0, 12] = 0.6, 0.9, 0.7
    found = peaks(probability, np.zeros((1, 20)), 0.5, apart_s=0.05)
    assert [frame for _, _, frame in found] == [7, 12]


def test_perfect_heads_have_a_small_loss_and_wrong_ones_a_large() -> None:
    truth = heads_that_say([note(0.5, 60), note(0.8, 72), note(0.6, 36, drum=True)], 64)
    targets = [t[None] for t in vars(truth).values()]

    def loss(sign: float) -> float:
        said = Heads(*(t.clone() for t in targets))
        said.onset, said.sounding, said.drums = (sign * 16 * (t - 0.5) for t in (said.onset, said.sounding, said.drums))
        return float(sum(losses(said, targets).values()))

    assert loss(1.0) < 0.05
    assert loss(-1.0) > 10


def test_each_note_is_matched_once() -> None:
    assert matched([(60, 1.0), (60, 1.06)], [(60, 1.03)]) == 1
    assert matched([(60, 1.0), (60, 1.06)], [(60, 1.03), (60, 1.08)]) == 2
    assert matched([(60, 1.0)], [(61, 1.0), (60, 1.051)]) == 0


def test_score_counts_drums_apart() -> None:
    truth = [note(0.5, 60), note(1.0, 62), note(1.0, 36, drum=True)]
    figures = score(truth, pick_notes(heads_that_say(truth[:1] + truth[2:], 80)))
    assert figures["recall"] == 0.5 and figures["precision"] == 1.0 and figures["drum_f1"] == 1.0


# ---------------------------------------------------------------- training


def test_training_is_resumed_where_it_ended(tmp_path: Path) -> None:
    truth = [(0.4, 57), (0.9, 64), (1.4, 69)]
    sf.write(tmp_path / "a.flac", plucked(truth, 2.5), SAMPLE_RATE_HZ)
    notes = [note(onset_s, midi, 2.5) for onset_s, midi in truth]
    (tmp_path / "a.json").write_text(json.dumps(dict(notes=notes)))
    clips, rows = Examples(tmp_path), []
    torch.manual_seed(0)
    config = FinderConfig(channels=24, pitch_channels=8, attack_channels=8, dilations=(1,))
    plan = TrainingPlan(minutes=0.03, batch=2, frames=48, warm_up_steps=1)
    first = Trainer(NoteFinder(config), plan, tmp_path)
    first.run(clips, {"a": clips}, rows.append)
    assert first.progress.step >= 1 and "f1" in rows[-1]
    assert load_finder(tmp_path / "best.safetensors").config == config

    again = Trainer(NoteFinder(config), replace(plan, minutes=0.05), tmp_path)
    assert again.progress.step == first.progress.step
    for a, b in zip(again.finder.parameters(), first.finder.parameters(), strict=True):
        assert torch.equal(a, b)
    again.run(clips, {"a": clips}, rows.append)
    assert again.progress.step > first.progress.step


# ---------------------------------------------------------------- the weights that come with the package


@pytest.fixture(scope="module")
def finder() -> NoteFinder:
    return MusicModel.from_bytes(WEIGHTS.read_bytes()).encoder


def found_in(finder: NoteFinder, samples: np.ndarray, rule: PickingRule | None = None) -> list[tuple[float, int]]:
    notes = pick_notes(finder.listen(samples, NoteFeatures()), rule)
    return [(n.onset_s, round(n.midi)) for n in notes if not n.drum]


def test_silence_has_no_notes(finder: NoteFinder) -> None:
    assert pick_notes(finder.listen(np.zeros(2 * SAMPLE_RATE_HZ), NoteFeatures())) == []


def test_plucked_notes_are_found_at_their_pitch_within_20_ms(finder: NoteFinder) -> None:
    truth = [(0.3, 57), (0.71, 64), (1.13, 69), (1.52, 60), (1.94, 72)]
    found = found_in(finder, plucked(truth, 2.8))
    for onset_s, midi in truth:
        near = [t for t, m in found if m == midi and abs(t - onset_s) < 0.02]
        assert len(near) == 1, (onset_s, midi, found)
    assert len(found) <= len(truth) + 1


def test_a_chord_and_its_repetition_are_found(finder: NoteFinder) -> None:
    truth = [(t, m) for t in (0.4, 1.0) for m in (48, 60, 64, 67)]
    found = found_in(finder, plucked(truth, 2.0))
    hits = matched([(m, t) for t, m in truth], [(m, t) for t, m in found])
    assert hits >= 6 and len(found) <= 10, found
