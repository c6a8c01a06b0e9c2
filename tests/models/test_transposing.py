"""What transposed recordings sound like: as high as asked, as loud as before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

import sparsecodec_cli as sic
from sparsecodec_formats import EventTable, dumps, edit, layout_of, loads

DATA = Path(__file__).parents[1] / "data"
FLUTE = DATA / "melodies" / "frere-jacques-flute.flac"
RATE = 22_050


@pytest.fixture(scope="module", params=["speech", "music"])
def flute(request: pytest.FixtureRequest) -> EventTable:
    audio, rate = soundfile.read(FLUTE, dtype="float32")
    return sic.encode(audio[: 4 * rate], rate, model=request.param, effort=0)


@pytest.fixture(scope="module")
def talk() -> EventTable:
    return sic.read(DATA / "only-person-en.sic")


def rendered(table: EventTable) -> np.ndarray:
    return sic.decode(loads(dumps(table)), sample_rate=RATE)[0].mean(1)


def level_db(sound: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(np.square(sound))))


def pitch_cents(sound: np.ndarray, near_hz: float) -> float:
    """Of the harmonics about the middle, in cents re a pitch that is no further away than a semitone."""
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 2**18)) ** 2
    cents = np.arange(-100, 101)
    hz = near_hz * 2 ** (cents / 1200)
    orders = np.arange(1, max(2, int(4000 / near_hz)))[:, None]
    return float(cents[power[np.rint(hz * orders * 2**18 / RATE).astype(int)].sum(0).argmax()])


@pytest.mark.parametrize("semitones", [-12, -7, 7, 12])
def test_a_flute_is_as_loud_as_before_and_as_high_as_asked(flute: EventTable, semitones: int) -> None:
    before, after = rendered(flute), rendered(edit.transpose(flute, semitones))
    assert level_db(after) == pytest.approx(level_db(before), abs=1)
    # the middle of the longest time between two events of nearly the same pitch, or of a note
    pitch = layout_of(flute.header).physical(flute, "f0_semitones")
    steady = (np.abs(np.diff(pitch)) < 0.05) | (flute.header.model == "music")
    longest = int(np.argmax(np.where(steady, np.diff(flute.time), 0)))
    middle = int(RATE * (flute.time[longest] + np.diff(flute.time)[longest] / 2))
    part = slice(middle - 1500, middle + 1500)
    own_hz = 110 * 2 ** (pitch[longest] / 12)
    own = pitch_cents(before[part], own_hz)
    assert pitch_cents(after[part], own_hz * 2 ** (semitones / 12)) == pytest.approx(own, abs=10)


@pytest.mark.parametrize("timbre", ["fixed", "follows"])
@pytest.mark.parametrize("semitones", [-12, 12])
def test_speech_is_as_loud_as_before(talk: EventTable, semitones: int, timbre: edit.Timbre) -> None:
    assert level_db(rendered(edit.transpose(talk, semitones, timbre=timbre))) == pytest.approx(
        level_db(rendered(talk)), abs=1
    )


def test_transposing_back_gives_the_first_table_within_a_step(flute: EventTable, talk: EventTable) -> None:
    for table in (flute, talk):
        back = loads(dumps(edit.transpose(loads(dumps(edit.transpose(table, 7))), -7)))
        assert (np.abs(back.vector - table.vector) <= np.array(table.header.step) * 1.001).all()
        assert np.array_equal(back.time, loads(dumps(table)).time)


def test_a_whisper_has_no_pitch_and_nearly_the_level_of_the_voice(talk: EventTable) -> None:
    hoarse = edit.whisper(talk)
    voiced = sic.api.codec_for(talk).has_pitch
    assert voiced(talk).any() and not voiced(hoarse).any() and not voiced(loads(dumps(hoarse))).any()
    assert level_db(rendered(hoarse)) == pytest.approx(level_db(rendered(talk)), abs=3)


def test_spectra_follow_the_tilt(talk: EventTable) -> None:
    hz = np.fft.rfftfreq(2048, 1 / RATE)

    def power(sound: np.ndarray) -> np.ndarray:
        frames = sound[: len(sound) // 2048 * 2048].reshape(-1, 2048) * np.hanning(2048)
        return np.abs(np.fft.rfft(frames)) ** 2

    def slope_db(power: np.ndarray) -> np.ndarray:
        """Of frames: the octave from 2 kHz on re that from 250 Hz on."""
        low, high = (power[:, (hz > f) & (hz < 2 * f)].sum(1) for f in (250, 2000))
        return 10 * np.log10(high / low)

    before, after = (power(rendered(t)) for t in (talk, edit.tilt(talk, 3)))
    heard = before.sum(1) > 1e-3 * before.sum(1).max()
    asked = before[heard] * np.maximum(hz, 1) ** (0.3 / np.log10(2))  # 3 dB an octave
    error = slope_db(after[heard]) - slope_db(asked)
    assert np.median(error) == pytest.approx(0, abs=0.7) and np.median(np.abs(error)) < 1.5
    assert np.median(slope_db(after[heard]) - slope_db(before[heard])) > 5


def test_a_sentence_backwards_twice_sounds_as_before(talk: EventTable) -> None:
    once, twice = edit.reverse(talk), edit.reverse(edit.reverse(talk))
    assert level_db(rendered(once)) == pytest.approx(level_db(rendered(talk)), abs=0.5)
    assert np.abs(rendered(twice) - rendered(talk)).max() < 1e-3
    flow = [np.convolve(np.square(s), np.ones(2205), "same") for s in (rendered(once)[::-1], rendered(talk))]
    assert np.corrcoef(*flow)[0, 1] > 0.95
