"""What lies between two recordings sounds as it should: near an end nearly as that end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import sparsecodec_cli as sic
from sparsecodec_formats import EventTable, edit

SENTENCE = Path(__file__).parents[1] / "data" / "only-person-en.sic"


def spectra_db(table: EventTable) -> np.ndarray:
    """[frames, bins], no lower than 80 dB below full scale."""
    audio = sic.decode(table)[0].ravel()
    frames = np.lib.stride_tricks.sliding_window_view(audio, 1024)[::256] * np.hanning(1024)
    return 20 * np.log10(1e-4 * 512 + np.abs(np.fft.rfft(frames)))


def apart_db(one: EventTable, two: EventTable) -> float:
    """Mean difference of spectra."""
    a, b = spectra_db(one), spectra_db(two)
    n = min(len(a), len(b))
    return float(np.abs(a[:n] - b[:n]).mean())


@pytest.fixture(scope="module")
def ends() -> tuple[EventTable, EventTable]:
    table = sic.read(SENTENCE)
    return table, edit.transpose(edit.shift(table, 0.1), 4)


@pytest.mark.parametrize("near", [0, 1])
def test_a_morph_comes_near_to_its_ends(ends: tuple[EventTable, EventTable], near: int) -> None:
    amounts = [0.002, 0.2, 0.6] if near == 0 else [0.998, 0.8, 0.4]
    away = [apart_db(ends[near], sic.morph(*ends, amount)) for amount in amounts]
    assert away == sorted(away)
    assert away[0] < 0.25 * apart_db(*ends)


def test_parts_of_a_voice_sound_together_as_the_voice(ends: tuple[EventTable, EventTable]) -> None:
    table, other = ends
    assert apart_db(table, sic.replace(table, table)) < 0.25 * apart_db(table, other)


@pytest.mark.parametrize("keep_level", [False, True])
def test_a_mosaic_at_other_pitches_is_as_loud(keep_level: bool) -> None:
    """By itself, moved by a fifth and back, though harmonics lie elsewhere under the spectrum meanwhile."""
    table = sic.read(SENTENCE)
    other = edit.transpose(table, 7)
    if keep_level:
        other = edit.gain(other, -9)
    made = sic.replace(table, other, keep_pitch=True, keep_level=keep_level)
    of_itself = sic.replace(table, table, keep_pitch=True, keep_level=keep_level)
    power = [np.square(sic.decode(one)[0]).mean() for one in (made, of_itself)]
    assert 10 * np.log10(power[0] / power[1]) == pytest.approx(0, abs=1)
