"""What events take out of a sound: known answers on tones."""

from __future__ import annotations

import numpy as np
import pytest

from sparsecodec_models.events.decomposition import Stft, decompose, magnitudes
from sparsecodec_models.events.sounds import EventSound

RATE = 22050
STFT = Stft(RATE)


def tone(hz: float, seconds: float = 0.5, level: float = 0.5) -> np.ndarray:
    n = round(seconds * RATE)
    return (level * np.hanning(n) * np.sin(2 * np.pi * hz * np.arange(n) / RATE)).astype(np.float32)


def sound(row: int, samples: np.ndarray, start: int = 0, channel: int = 0) -> EventSound:
    return EventSound(row, channel, start, samples)


def within(n: int, *placed: tuple[int, np.ndarray]) -> np.ndarray:
    audio = np.zeros((n, 1), np.float32)
    for start, samples in placed:
        audio[start : start + len(samples), 0] += samples
    return audio


def test_a_sine_at_full_scale_has_magnitude_one_at_its_frequency() -> None:
    hz = 40 * RATE / STFT.window
    audio = np.sin(2 * np.pi * hz * np.arange(RATE) / RATE).astype(np.float32)[:, None]
    middle = magnitudes(STFT, audio)[20]
    assert middle.argmax() == 80  # bins are half as wide as those of the window
    assert middle.max() == pytest.approx(1, abs=1e-3)


def test_what_is_in_the_sound_takes_all_of_it_away() -> None:
    event = tone(440)
    (removal,) = decompose(STFT, within(2 * RATE, (3000, event)), [sound(0, event, 3000)])
    assert removal.energy_removed == pytest.approx(1, abs=1e-6)
    assert np.abs(removal.residual).max() < 1e-5


def test_events_go_from_loud_to_soft_and_their_shares_are_those_of_the_energy() -> None:
    soft, loud = tone(300, level=0.1), tone(3000, level=0.2)
    audio = within(2 * RATE, (1000, soft), (RATE, loud))
    removals = list(decompose(STFT, audio, [sound(4, soft, 1000), sound(7, loud, RATE)]))
    assert [removal.row for removal in removals] == [7, 4]
    assert [removal.energy_removed for removal in removals] == pytest.approx([0.8, 0.2], abs=0.01)


def test_what_is_not_in_the_sound_adds_energy() -> None:
    (removal,) = decompose(STFT, within(RATE, (0, tone(300))), [sound(0, tone(5000, level=0.25))])
    assert removal.energy_removed == pytest.approx(-0.25, abs=0.01)


def test_only_frames_that_hear_the_event_change() -> None:
    event = tone(800, 0.1)
    audio = within(2 * RATE, (RATE, event), (0, tone(200, 2.0)))
    residual = magnitudes(STFT, audio)
    (removal,) = decompose(STFT, audio, [sound(0, event, RATE)])
    first, last = STFT.frames_of(RATE, len(event))
    assert first <= removal.first and removal.first + len(removal.residual) <= last
    assert len(removal.residual) >= len(event) / STFT.hop
    # the tone below it is as it was
    bin_200 = round(200 * 2 * STFT.window / RATE)
    was = residual[removal.first : removal.first + len(removal.residual), bin_200]
    assert removal.residual[:, bin_200] == pytest.approx(was, rel=0.02)


def test_starts_count_from_where_the_excerpt_begins() -> None:
    event = tone(440)
    (removal,) = decompose(STFT, within(RATE, (500, event)), [sound(0, event, 10_500)], start=10_000)
    assert removal.energy_removed == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("start", [-5000, RATE - 3000])
def test_an_event_beyond_the_edge_is_taken_out_as_far_as_it_is_there(start: int) -> None:
    event = tone(440)
    inside = event[max(0, -start) : RATE - start]
    (removal,) = decompose(STFT, within(RATE, (max(0, start), inside)), [sound(0, inside, max(0, start))])
    assert removal.energy_removed == pytest.approx(1, abs=1e-6)


def test_silence_and_silent_events_remove_nothing() -> None:
    quiet = sound(0, np.zeros(0, np.float32))
    assert [s.energy_removed for s in decompose(STFT, np.zeros((RATE, 1), np.float32), [quiet])] == [0.0]
    assert [s.energy_removed for s in decompose(STFT, np.zeros((0, 1), np.float32), [sound(0, tone(440))])] == [0.0]
    assert list(decompose(STFT, within(RATE, (0, tone(440))), [])) == []


def test_of_two_channels_an_event_takes_its_own() -> None:
    left, right = tone(300), tone(3000)
    audio = np.stack([left, right], axis=1)
    removals = list(decompose(STFT, audio, [sound(0, left, channel=0), sound(1, right, channel=1)]))
    assert [removal.energy_removed for removal in removals] == pytest.approx([0.5, 0.5], abs=0.01)
    assert np.abs(removals[-1].residual).max() < 1e-4
