"""Sound beyond full scale is made softer for files of whole numbers; everything else stays as it is."""

from __future__ import annotations

import itertools
from pathlib import Path

import fake_codec
import numpy as np
import pytest
import soundfile
from cli_support import make_table, ok, write_sic
from pystoi import stoi

from sparsecodec_cli import api
from sparsecodec_cli.io.soft_limit import SoftLimited, margin
from sparsecodec_formats import edit

RATE = 8000
SPEECH = Path(__file__).parents[1] / "data" / "only-person-en.flac"


def tone(peak: float, seconds: float = 1.0) -> np.ndarray:
    audio = peak * np.sin(np.arange(round(seconds * RATE)) / 3)
    return np.stack([audio, audio / 2], axis=1).astype(np.float32)


def limited(
    audio: np.ndarray, start: int = 0, stop: int | None = None, sizes: int = 700
) -> tuple[np.ndarray, SoftLimited]:
    stop = len(audio) if stop is None else stop
    first, last = max(0, start - margin(RATE)), min(len(audio), stop + margin(RATE))
    blocks = (audio[at : min(at + sizes, last)] for at in range(first, last, sizes))
    sound = SoftLimited(blocks, RATE, first, start, stop)
    return np.concatenate([audio[:0], *sound]), sound


def test_what_stays_within_full_scale_is_not_changed_in_a_bit() -> None:
    audio = tone(1.0, 2.0)
    out, sound = limited(audio)
    np.testing.assert_array_equal(out, audio)
    assert (sound.n_over, sound.least_gain) == (0, 1.0)


def test_a_loud_place_is_made_softer_and_what_is_far_from_it_stays() -> None:
    audio = np.concatenate([tone(0.9, 1.0), tone(2.5, 0.1), tone(0.9, 1.0)])
    out, sound = limited(audio)
    changed = np.flatnonzero((out != audio).any(axis=1))
    assert changed[0] > RATE - margin(RATE) and changed[-1] < 1.1 * RATE + margin(RATE)
    assert np.abs(out).max() <= 1.0 and np.abs(out).max() > 0.99
    assert sound.n_over == np.count_nonzero(np.abs(audio) > 1)
    assert sound.least_gain == pytest.approx(1 / 2.5, rel=0.01)
    # one gain for all channels, which moves slowly: no sample is clipped
    gain = out[:, 0] / audio[:, 0].clip(1e-9, None)
    inside = (audio[:, 0] > 0.1) & (audio[:, 0] < 3)
    np.testing.assert_allclose(out[inside, 1], audio[inside, 1] * gain[inside], rtol=1e-4)
    assert np.abs(np.diff(gain[inside])).max() < 0.02


@pytest.mark.parametrize("shape", [(1, 1), (39, 1), (4001, 3)])
@pytest.mark.parametrize("sizes", [1, 64, 5000])
def test_blocks_and_parts_come_out_as_in_the_whole(shape: tuple[int, int], sizes: int) -> None:
    audio = np.random.default_rng(0).normal(0, 0.5, shape).astype(np.float32)
    whole, _ = limited(audio)
    assert np.abs(whole).max() <= 1.0 and whole.dtype == np.float32
    np.testing.assert_array_equal(limited(audio, sizes=sizes)[0], whole)
    edges = sorted({0, len(audio) // 3, len(audio) // 2, len(audio)})
    for start, stop in itertools.pairwise(edges):
        np.testing.assert_array_equal(limited(audio, start, stop, sizes)[0], whole[start:stop])


def test_decode_of_a_part_is_that_part_of_the_whole(tmp_path: Path, fake: fake_codec.FakeCodec) -> None:
    path = write_sic(tmp_path / "loud.sic", edit.gain(make_table(seconds=3), 24))
    ok("decode", path, tmp_path / "whole.wav")
    ok("decode", path, tmp_path / "part.wav", "--start", "0.7", "--end", "1.4")
    whole, rate = soundfile.read(tmp_path / "whole.wav", dtype="int16")
    part, _ = soundfile.read(tmp_path / "part.wav", dtype="int16")
    np.testing.assert_array_equal(part, whole[round(0.7 * rate) : round(1.4 * rate)])
    assert np.abs(whole).max() >= 32767 - 33


def test_a_clipped_recording_does_not_come_out_clipped() -> None:
    base, rate = soundfile.read(SPEECH, dtype="float32")
    hot = np.clip(4 * base, -1, 1)
    table = api.encode(hot, rate, model="speech", effort=1)
    sound = api.decode_within_full_scale(table)
    heard = np.concatenate(list(sound))[:, 0]
    free = np.concatenate(list(api.decode_blocks(table)))[:, 0]
    assert sound.n_over == np.count_nonzero(np.abs(free) > 1) > 0.05 * len(free)
    assert np.mean(np.abs(heard) > 0.999) < 1e-3

    def estoi(audio: np.ndarray) -> float:
        return float(stoi(hot, audio, rate, extended=True))

    assert estoi(heard) > estoi(free) - 0.02
    assert estoi(heard) > estoi(np.clip(free, -1, 1)) + 0.08
