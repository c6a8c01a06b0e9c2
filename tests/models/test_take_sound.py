"""What is taken out of its voices sounds as it does in the whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sparsecodec_formats import EventTable, Voices, dumps, edit, layout_of, loads, weights_source
from sparsecodec_formats.segments import Segments
from sparsecodec_formats.selection import selected
from sparsecodec_models import codec_for

ROOT = Path(__file__).parents[2]
SENTENCE = ROOT / "tests" / "data" / "only-person-en.sic"
MOVING = ROOT / "models" / "golden" / "music" / "moving.sic"


def sound(table: EventTable) -> NDArray[np.float64]:
    """float64 [n], of one channel, from a file of the table."""
    table = loads(dumps(table))
    return np.concatenate(list(codec_for(table.header).decode(table)))[:, 0].astype(np.float64)


def magnitudes(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(samples, 512), 512)[::128]
    return np.abs(np.fft.rfft(frames * np.hanning(512)))


def snr_db(of: NDArray[np.float64], found: NDArray[np.float64]) -> float:
    return 10 * np.log10(np.square(of).sum() / max(np.square(found - of).sum(), 1e-30))


def in_the_whole(table: EventTable, where: NDArray[np.bool_]) -> NDArray[np.float64]:
    return sound(edit.solo(table, np.flatnonzero(where).tolist()))


@pytest.mark.parametrize(
    ("expression", "least_db"),
    [("pitch > 200 and level > -30", 18.0), ("not voiced", 18.0), ("20 < index < 40", 18.0)],
)
def test_things_of_speech_sound_as_in_the_whole(expression: str, least_db: float) -> None:
    table = loads(SENTENCE.read_bytes())
    where = selected(table, expression, codec_for(table.header).has_pitch)
    for some, taken in ((where, edit.take(table, where)), (~where, edit.drop(table, where))):
        whole = magnitudes(in_the_whole(table, some))
        assert snr_db(whole, magnitudes(sound(taken))) > least_db
        assert snr_db(whole, magnitudes(sound(edit.only(table, some)))) < snr_db(whole, magnitudes(sound(taken)))


def test_segments_go_on_in_the_phase_that_they_had(monkeypatch: pytest.MonkeyPatch) -> None:
    table = loads(SENTENCE.read_bytes())
    renderer = codec_for(table.header)
    segments = Segments.of(table, renderer.has_pitch(table))
    first = np.array([segments.rows(i)[0] for i in range(len(segments))])
    linked = ~Voices.of(table).begins[first]
    middle = np.flatnonzero((segments.kind == "pitched") & linked & (segments.end_s - segments.start_s > 0.1))
    assert len(middle) > 3
    found = {}
    for asked in (None, renderer.phase_cycles):
        monkeypatch.setattr(weights_source, "find_phase_cycles", asked)
        taken = [(in_the_whole(table, segments.number == i), edit.take(table, segments.number == i)) for i in middle]
        found[asked is not None] = float(np.median([snr_db(whole, sound(part)) for whole, part in taken]))
    assert found[False] < 3 and found[True] > 15, found


def test_phases_are_those_of_the_voice() -> None:
    """Of a voice of a steady pitch, by hand."""
    table = loads(SENTENCE.read_bytes())
    pitch = layout_of(table.header).dim("f0_semitones").index
    vector = table.vector[:3].copy()
    vector[:, pitch], vector[:, 5], vector[:, 6] = (
        0.0,
        [3.0, 0.0, 0.0],
        [1.0, 0.0, 0.0],
    )  # 110 Hz, from a quarter of a turn
    vector[:, 8:] = table.vector[codec_for(table.header).has_pitch(table)][0, 8:]
    steady = EventTable(table.header, np.array([0.5, 0.75, 1.1]), vector)
    cycles = codec_for(table.header).phase_cycles(steady)
    samples = np.round(steady.time * 22_050)
    assert cycles == pytest.approx((0.25 + 110 * (samples - samples[0]) / 22_050) % 1, abs=2e-3)
    flat = EventTable.empty(loads(MOVING.read_bytes()).header)
    assert len(codec_for(flat.header).phase_cycles(flat)) == 0


def test_noise_is_the_same_noise() -> None:
    table = loads(SENTENCE.read_bytes())
    where = selected(table, "not voiced", codec_for(table.header).has_pitch)
    assert snr_db(in_the_whole(table, where), sound(edit.take(table, where))) > 16


def test_parts_of_notes_sound_as_in_the_whole() -> None:
    table = loads(MOVING.read_bytes())
    chains = [chain.tolist() for chain in Voices.of(table).chains]
    assert max(map(len, chains)) >= 3  # or there is nothing to take out
    for chain in chains:
        for row in chain:
            where = np.isin(np.arange(len(table)), [row])
            whole = magnitudes(in_the_whole(table, where))
            assert snr_db(whole, magnitudes(sound(edit.take(table, where)))) > 18
