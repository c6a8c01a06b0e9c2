"""Training of the `speech` preset: the teacher on sounds whose truth is known, windows, the loop."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from memory_store import MemoryStore

from sparsecodec_formats.errors import SicError
from sparsecodec_models.dsp.sound_distance import SoundDistance
from sparsecodec_models.speech.analysis.proposals import track_pitch
from sparsecodec_models.speech.config import SpeechConfig
from sparsecodec_models.speech.model import SpeechModel
from sparsecodec_models.speech.network.decoder import SpeechDecoder
from sparsecodec_models.speech.network.encoder import Proposals, SpeechEncoder
from sparsecodec_models.speech.network.features import pitch_candidates_hz
from sparsecodec_models.speech.network.prior import EventPrior
from sparsecodec_models.speech.synthesis.samples import render
from sparsecodec_models.training import teacher
from sparsecodec_models.training.data import Windows, find_recordings
from sparsecodec_models.training.klt import fit_klt
from sparsecodec_models.training.loop import Schedule, train
from sparsecodec_models.training.speech_task import SpeechTask, first_map, teach

DATA = Path(__file__).parents[1] / "data"
RATE = 22050
SPEECH = [r for r in find_recordings([DATA]) if r.path.parent == DATA]
CONFIG = SpeechConfig()
SMALL = replace(CONFIG, channels=16, dilations=(1, 2))


def pulses(f0_hz: float, seconds: float) -> np.ndarray:
    """A voice-like sound: harmonics that fall off by 6 dB an octave, up to 5 kHz."""
    t = np.arange(int(seconds * RATE)) / RATE
    orders = np.arange(1, int(5000 / f0_hz))
    return (0.1 * (np.sin(2 * np.pi * f0_hz * orders[:, None] * t) / orders[:, None]).sum(0)).astype(np.float32)


# the teacher


@pytest.mark.parametrize("f0_hz", [80.0, 131.0, 220.0, 400.0])
def test_teacher_hears_the_pitch(f0_hz: float) -> None:
    heard = teacher.analyse(pulses(f0_hz, 1.0), CONFIG)
    inner = slice(5, -5)
    assert heard.voiced[inner].all()
    assert np.abs(12 * np.log2(heard.f0_hz[inner] / f0_hz)).max() < 0.2
    assert (heard.voicing[inner, 0] > 0.8).all()


def test_teacher_hears_no_pitch_in_noise() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    heard = teacher.analyse(noise, CONFIG)
    assert heard.voiced.mean() < 0.1
    assert np.abs(heard.level_db.mean() - -20.0) < 0.5


def test_teacher_puts_knots_where_the_sound_changes_and_none_in_silence() -> None:
    silence = np.zeros(RATE // 2, np.float32)
    audio = np.concatenate([silence, pulses(120.0, 0.15), 0.3 * pulses(300.0, 0.15), silence, pulses(120.0, 0.2)])
    knots = teacher.segment(teacher.analyse(audio, CONFIG), 20.0)
    times = np.array([k.frame for k in knots]) * CONFIG.hop / RATE
    assert (np.diff(times) > 0).all()
    assert 0.48 < times[0] < 0.55 and times[-1] < 1.5
    assert not ((times > 0.82) & (times < 1.27)).any()
    assert np.abs(times - 0.65).min() < 0.025
    # a voice for either side of the silence; the last of the first dies away before the second comes in
    begins = [i for i, k in enumerate(knots) if k.begins]
    assert begins == [0, int((times < 1.0).sum())]
    end, start = knots[begins[1] - 1], knots[begins[1]]
    assert (end.frame + end.decay) * CONFIG.hop / RATE < 0.87
    assert (start.frame - start.attack) * CONFIG.hop / RATE > 1.25
    for before, knot in pairwise(knots):
        assert knot.begins or 0 < knot.attack <= knot.frame - before.frame


def test_a_steady_sound_needs_few_events() -> None:
    knots = teacher.segment(teacher.analyse(pulses(120.0, 1.0), CONFIG), 9.0)
    assert [k.begins for k in knots] == [True] + [False] * (len(knots) - 1)
    assert 4 <= len(knots) <= 7  # they are never further apart than 0.28 s


def test_a_dearer_event_means_fewer_events() -> None:
    windows = Windows(SPEECH, 3 * RATE, RATE).batch(0, 1)
    analysis = teacher.analyse(windows[0], CONFIG)
    counts = [len(teacher.segment(analysis, cost)) for cost in (5.0, 20.0, 80.0)]
    assert counts[0] > counts[1] > counts[2] > 0


def test_the_map_gives_back_what_the_teacher_read() -> None:
    windows = Windows(SPEECH, 2 * RATE, RATE).batch(0, 6)
    decoder = SpeechDecoder(CONFIG)
    found = []
    for audio in windows:
        analysis = teacher.analyse(audio, CONFIG)
        found.append(teacher.targets(analysis, teacher.segment(analysis, 20.0), CONFIG))
    levels = np.concatenate([t.levels for t in found])
    klt = fit_klt(levels, np.concatenate([t.named[:, 0] for t in found]), decoder)
    vector = np.concatenate([np.zeros((len(levels), 8)), klt.coefficients(levels, decoder)], 1)
    controls = decoder.controls(torch.tensor(vector, dtype=torch.float32))
    bands = levels[:, : CONFIG.bands]
    difference = controls.shape_db.detach().numpy() - bands
    difference -= difference.mean(1, keepdims=True)  # level is told apart
    loud = bands > bands.max(1, keepdims=True) - 30
    assert np.sqrt((difference[loud] ** 2).mean()) < 2.5  # dB, of a spread of 15


def vowel(f0_hz: float, formants_hz: tuple[float, ...], seconds: float) -> np.ndarray:
    """Harmonics up to 9 kHz with peaks at the formants."""
    t = np.arange(int(seconds * RATE)) / RATE
    hz = f0_hz * np.arange(1, int(9000 / f0_hz))
    gain = 0.01 + np.sum([1 / (1 + ((hz - f) / 120.0) ** 2) for f in formants_hz], axis=0)
    return (0.05 * (gain[:, None] * np.sin(2 * np.pi * hz[:, None] * t)).sum(0)).astype(np.float32)


def test_targets_sound_like_what_they_were_read_off() -> None:
    # a decoder that takes levels and voicing as they are
    outputs = CONFIG.bands + CONFIG.voice_bands
    config = replace(CONFIG, vector_dims=CONFIG.named_dims + outputs)
    decoder = SpeechDecoder(config).requires_grad_(False)
    decoder.shape_basis.copy_(torch.eye(outputs))
    silence = np.zeros(RATE // 4, np.float32)
    first, second = vowel(120.0, (700.0, 1200.0, 2600.0), 0.4), 0.5 * vowel(120.0, (300.0, 2200.0, 3000.0), 0.4)
    audio = np.concatenate([silence, first, second, silence])
    heard = teacher.analyse(audio, CONFIG)
    target = teacher.targets(heard, teacher.segment(heard, 9.0), CONFIG)
    named = (target.named - decoder.offset.numpy()) / decoder.scale.numpy()
    vector = torch.tensor(np.concatenate([named, target.levels], 1), dtype=torch.float32)
    again = render(decoder.tables, vector, torch.tensor(target.frame) * CONFIG.hop, 0, len(audio)).numpy()
    told = teacher.analyse(again, CONFIG)
    frame = CONFIG.hop / RATE
    for start, stop in ((0.3, 0.6), (0.7, 1.0)):
        inner = slice(int(start / frame), int(stop / frame))
        assert np.abs(told.level_db[inner] - heard.level_db[inner]).max() < 2.0
        assert np.abs(12 * np.log2(told.f0_hz[inner] / 120.0)).max() < 0.2
        truth, found = heard.envelope_db[inner].mean(0), told.envelope_db[inner].mean(0)
        loud = truth > truth.max() - 30
        difference = np.abs(found - truth)[loud]
        assert loud.sum() > 5 and difference.mean() < 1.5 and difference.max() < 4.0
    assert told.level_db[: int(0.2 / frame)].max() < told.level_db.max() - 50
    assert told.level_db[int(1.15 / frame) :].max() < told.level_db.max() - 50


# data


def test_no_recordings_are_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.wav").write_text("not audio")
    with pytest.raises(ValueError, match="no recordings"):
        Windows(find_recordings([tmp_path]), 1000, RATE)


def test_windows_depend_on_the_step_alone() -> None:
    recordings = SPEECH
    assert len(recordings) == 3
    windows, again = (Windows(recordings, RATE, RATE, seed=3) for _ in range(2))
    again.batch(0, 2)
    assert np.array_equal(windows.batch(7, 2), again.batch(7, 2))
    assert not np.array_equal(windows.batch(7, 2), windows.batch(8, 2))
    assert 0 < np.abs(windows.batch(0, 4)).max() <= 1.0


# losses


def test_distance_is_zero_for_the_same_and_grows_with_the_difference() -> None:
    target = torch.tensor(pulses(150.0, 1.0))[None]
    distance = SoundDistance(target, RATE)
    noise = torch.randn(target.shape, generator=torch.Generator().manual_seed(0))
    near, far = distance(target + 0.01 * noise), distance(target + 0.1 * noise)
    assert distance(target) == pytest.approx(0.0, abs=2e-3)
    assert 0 < near < far


def test_distance_ignores_samples_without_weight() -> None:
    target = torch.tensor(pulses(150.0, 1.0))[None]
    weight = torch.ones_like(target)
    weight[:, RATE // 2 :] = 0.0
    other = target.clone()
    other[:, RATE // 2 :] = 0.5
    assert SoundDistance(target, RATE, weight=weight)(other) == pytest.approx(0.0, abs=2e-3)
    assert SoundDistance(target, RATE)(other) > 0.5


# the encoder and the loop


def salience(path: list[int], strength: list[float]) -> Proposals:
    """Proposals whose pitch logits point at the candidates of a path, more or less clearly."""
    logits = torch.zeros(1, CONFIG.pitch_bins, len(path))
    logits[0, path, torch.arange(len(path))] = torch.tensor(strength)
    nothing = torch.zeros(1, 1, len(path))
    return Proposals(nothing[0], nothing, logits, nothing)


def test_pitch_keeps_its_octave_through_a_doubtful_frame_and_leaps_where_the_sound_does() -> None:
    octave = CONFIG.pitch_bins_per_octave
    doubtful = salience([20] * 5 + [20 + octave] * 2 + [20] * 5, [9.0] * 5 + [6.0] * 2 + [9.0] * 5)
    path = track_pitch(doubtful).pitch_logits[0].argmax(0)
    assert (path - 20).abs().max() <= 2
    leap = salience([20] * 8 + [20 + octave] * 8, [9.0] * 16)
    assert track_pitch(leap).pitch_logits[0].argmax(0).tolist() == [20] * 8 + [20 + octave] * 8
    assert doubtful.pitch_logits.isfinite().all()


def test_the_encoder_sees_no_further_than_it_says() -> None:
    encoder = SpeechEncoder(SMALL)
    torch.manual_seed(0)
    torch.nn.init.normal_(encoder.leave.weight)
    magnitude = torch.rand(1, encoder.features.fft_size // 2 + 1, 60)
    changed = magnitude.clone()
    changed[..., 30] *= 0.5
    magnitude[..., 50] = changed[..., 50] = 100.0  # the loudest frame, the reference of levels, stays
    moved = (encoder(magnitude).shape - encoder(changed).shape).abs().sum((0, 1)) > 1e-7
    first, last = moved.nonzero()[[0, -1], 0]
    assert 30 - encoder.reach_frames <= first <= 30 <= last <= 30 + encoder.reach_frames


def make_task(imitation_steps: int) -> SpeechTask:
    recordings = SPEECH
    torch.manual_seed(1)
    valid = Windows(recordings, RATE, RATE, 1).batch(0, 1)
    windows = Windows(recordings, RATE, RATE)
    return SpeechTask(SpeechModel(SMALL), windows, valid, batch_size=2, imitation_steps=imitation_steps, map_windows=8)


def test_loss_falls_and_a_resumed_run_is_the_same() -> None:
    schedule = Schedule(12, learning_rate=5e-3, warmup=1, validate_every=12, save_every=6)
    whole, store = make_task(8), MemoryStore()
    train(whole, schedule, store, workers=0)
    broken, parts = make_task(8), MemoryStore()
    train(broken, replace(schedule, steps=12, max_steps=6), parts, workers=0)
    resumed = make_task(8)
    train(resumed, schedule, parts, workers=0, checkpoint=parts.loaded())
    assert whole.export() == resumed.export()
    assert store.weights == whole.export()
    batch = whole.batch(0)
    before, after = make_task(8).loss(batch, 0), whole.loss(batch, 0)
    assert after["total"].item() < 0.95 * before["total"].item()
    last = store.log[-1]
    assert last["step"] == 12 and "sound" in last and "sound_own" in last["valid"]


def test_the_sound_reaches_encoder_and_decoder() -> None:
    task = make_task(0)
    task.loss(task.batch(0), 0)["sound"].backward()
    for parameter in (task.model.encoder.leave.weight, task.model.decoder.shape_basis):
        assert parameter.grad is not None and parameter.grad.abs().max() > 0


def test_a_lesson_lists_events_in_order() -> None:
    task = make_task(1)
    windows, lesson = task.batch(3)
    assert len(lesson.row) == len(lesson.vector) == int(lesson.placed.sum())
    key = lesson.row * 10_000 + lesson.frame
    assert (key.diff() > 0).all()
    again = teach(windows, task.klt, SpeechDecoder(SMALL))
    assert torch.equal(again.vector, lesson.vector)


def test_the_map_learns_steps_from_bits_and_sound() -> None:
    task = make_task(0)
    losses = task.loss(task.batch(0), 0)
    losses["bits"].backward()
    for parameter in (*task.model.prior.parameters(), task.model.encoder.leave.weight):
        assert parameter.grad is not None and parameter.grad.abs().max() > 0


def test_imitation_asks_for_the_teachers_levels_whatever_the_map_became() -> None:
    task = make_task(1)
    batch = task.batch(0)
    with torch.no_grad():
        before = task.loss(batch, 0)
        task.model.decoder.shape_basis *= 2.0  # the same levels from half the coefficients
        shape = slice(-24, None)
        task.model.encoder.leave.weight[shape] /= 2.0
        task.model.encoder.leave.bias[shape] /= 2.0  # type: ignore[index]
        after = task.loss(batch, 0)
    assert after["shape"].item() == pytest.approx(before["shape"].item(), rel=1e-4)
    assert after["voicing"].item() == pytest.approx(before["voicing"].item(), rel=1e-4)


# candidates of pitch


def test_candidates_of_pitch_end_where_the_config_says() -> None:
    candidates = pitch_candidates_hz(CONFIG)
    assert len(candidates) == CONFIG.pitch_bins and candidates[0] == CONFIG.pitch_min_hz
    assert candidates[-1] == pytest.approx(CONFIG.pitch_max_hz) == pytest.approx(1002.50, abs=0.01)
    np.testing.assert_allclose(np.diff(np.log2(candidates)), 1 / CONFIG.pitch_bins_per_octave)


# the prior


def test_probabilities_of_a_number_sum_to_one_and_what_is_not_heard_costs_nothing() -> None:
    prior = EventPrior(1).requires_grad_(False)
    grid = torch.arange(-60.0, 61.0)[:, None]
    heard = torch.ones(1, 1, dtype=torch.bool)
    bits = torch.cat([prior.bits(value[None], heard[:, 0], heard, 1.0) for value in grid])
    assert float(torch.exp2(-bits).sum()) == pytest.approx(1.0, abs=1e-3)
    assert float(prior.bits(grid, heard[:, 0].expand(121), ~heard.expand(121, 1), 1.0).abs().sum()) == 0


def test_a_linked_number_is_cheap_where_it_carries_on_the_one_heard_last() -> None:
    prior = EventPrior(1).requires_grad_(False)
    prior.carry[1] = 1.0 / prior.RATE  # a linked event says what the last one said
    prior.carry[0] = 0.0
    vector = torch.tensor([[20.0], [0.0], [20.0], [20.0]])
    heard = torch.tensor([[True], [False], [True], [True]])
    begins = torch.tensor([True, False, False, True])
    first, unheard, linked, again = prior.bits(vector, begins, heard, 1.0)[:, 0].tolist()
    assert unheard == 0.0 and linked < 4.0 < first == again
    coarse = prior.bits(vector, begins, heard, 4.0)[:, 0].tolist()
    assert coarse[2] < linked and coarse[0] < first


def test_recordings_without_a_sound_to_tell_are_refused() -> None:
    short = np.zeros((2, CONFIG.hop - 1), np.float32)  # a single frame is no event
    task = make_task(1)
    with pytest.raises(SicError, match="no sound that events could tell"):
        teach(short, task.klt, SpeechDecoder(SMALL))
    with pytest.raises(SicError, match="no sound that events could tell"):
        first_map(short, SpeechDecoder(SMALL))
