"""Writes the golden files beside this script: FILE.sic, and FILE.json with the exact table it must give.

    python formats/golden/make_golden.py

Run it when the format changes, which after version 1 is out means: for a new version, under new names.
"""

from __future__ import annotations

import io
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from sparsecodec_formats import LAYOUTS, EventTable, Header, Writer, dumps, loads, nearest_gain, nearest_step
from sparsecodec_formats.interchange.rows import PLACE, event_rows, header_fields

HERE = Path(__file__).parent
HASH = bytes.fromhex("01234567")


def tables() -> dict[str, EventTable]:
    """The table of each golden file, by the file's name."""
    speech = Header(44_100, 1, 0, "speech", HASH, Fraction(64, 22_050), (1.0,) * 32, statistics=1)
    uncoded = _with(speech, statistics=0)  # blocks of codec 0
    return {
        "empty": EventTable.empty(speech),
        "silent": EventTable.empty(_with(speech, n_samples=44_100, channels=2)),
        "example": _example(_with(uncoded, n_samples=22_050)),
        "tags": _numbered(
            _with(uncoded, n_samples=130_977, seed=2**32 - 1, tags={"title": "Grüße, 世界", "note": ""}), 40
        ),
        "stereo": _numbered(_with(uncoded, sample_rate=48_000, channels=2, n_samples=25 * 48_000), 300),
        "steps": _extremes(
            Header(
                sample_rate=8000,
                channels=1,
                n_samples=8000,
                model="reference",
                weights_hash=bytes(4),
                time_unit=Fraction(1, 22_050),
                step=tuple(nearest_step(0.02 * 1.3**dim) for dim in range(32)),
            )
        ),
        "header": EventTable.empty(_everything()),
        "coded": _voices(_with(speech, n_samples=11 * 44_100, step=(nearest_step(1.5),) * 32), 70),
        "coded-stereo": _voices(_with(speech, channels=2, n_samples=44_100, step=(nearest_step(0.4),) * 32), 30),
        "shared": _voices(_with(speech, channels=2, n_samples=44_100, gains=[[1.0], [-1.0]]), 12),
        "gains": _voices(_with(speech, channels=4, n_samples=44_100, gains=_gains()), 20),
        "streams": _voices(_with(speech, n_samples=44_100, gains=[[1.0, 1.0, -1.0]], noise=[0, 2**32 - 1, 0]), 18),
        "coded-edges": _extremes(
            _with(speech, n_samples=8000, step=tuple(nearest_step(2.0 ** (dim - 16)) for dim in range(32)))
        ),
        "coded-music": _notes(
            _with(speech, model="music", statistics=2, n_samples=5 * 44_100, step=(nearest_step(1.4),) * 32), 90
        ),
    }


def as_json(table: EventTable) -> dict[str, Any]:
    """The header's fields, and the rows of the events as far as a file holds them: every number exact, doubles in their
    shortest form that reads back the same."""
    rows = [{key: row[key] for key in (*PLACE, "vector")} for row in event_rows(table)]
    return {"header": header_fields(table.header), "events": rows}


def _with(header: Header, **changes: Any) -> Header:
    return Header(**{**vars(header), **changes})


def _everything() -> Header:
    """A header with all flags but the last two, a rate without a code, a preset without a number."""
    return Header(
        sample_rate=37_800,
        channels=3,
        n_samples=2**48 - 1,
        model="an-experiment_0.1",
        weights_hash=bytes.fromhex("89abcdef"),
        time_unit=Fraction(1, 1000),
        step=tuple(nearest_step(1.2**dim) for dim in range(32)),
        seed=1,
        tags={"title": "all of it"},
        statistics=255,
        gains=((1.0,), (nearest_gain(-0.1),), (0.0,)),
    )


def _gains() -> list[list[float]]:
    """Of two streams in four channels: one alone, none, both at levels of their own, the softest."""
    return [[1.0, 0.0], [0.0, 0.0], [nearest_gain(0.5), nearest_gain(-0.99)], [0.0, nearest_gain(-1e-9)]]


def _example(header: Header) -> EventTable:
    """Two events whose bytes count up, for docs/format.md."""
    dims = np.arange(32)
    return EventTable(header, [0.25, 0.5], [dims, -1 - dims])


def _numbered(header: Header, n: int) -> EventTable:
    """n events all over the source, whose numbers follow from their index alone."""
    i, dim = np.arange(n)[:, None], np.arange(32)
    vector = (i * i + 7 * i * dim + 3 * dim) % 9 - 4 + 40 * (dim == 0)
    first = np.arange(n) // header.streams * header.streams  # in stereo, both channels at the same time
    return EventTable(header, header.duration_s * first / n, vector, np.arange(n) % header.streams)


def _voices(header: Header, n: int) -> EventTable:
    """n events that look like speech: each carries on from the one before, and every twelfth begins by itself."""
    dims, i = LAYOUTS["speech"].dims, np.arange(n)
    time_index = np.cumsum(4 + 4 * (i * i % 5)) + np.where(i > n // 2, 3, 0)  # a voice off the usual grid
    vector = np.zeros((n, 32))
    vector[:, 8:] = np.cumsum((i[:, None] * i[:, None] * 5 + 3 * i[:, None] * np.arange(24)) % 7 - 3, axis=0) % 9 - 4.0
    vector[:, dims["level_db"].index] = (i * 7) % 11
    vector[:, dims["f0_semitones"].index] = np.where(i % 8 < 5, 12 + i % 5, 16)
    vector[:, dims["attack_log2_s"].index] = np.where(i % 6, 1, -1)
    vector[:, dims["begins"].index] = i % 12 == 0
    vector[-3:] *= 40  # as no speech has
    amplitude = np.where(i < n // 4, 1.0, 0.5)
    time = time_index * float(header.time_unit)
    return EventTable(header, time, vector * header.step[0], i % header.streams, amplitude)


def _notes(header: Header, n: int) -> EventTable:
    """n events that look like music: chords of three notes, every fifth event a drum, every seventh a tone, the last
    ones linked."""
    dims, i = LAYOUTS["music"].dims, np.arange(n)
    drum, tone = i % 5 == 4, i % 7 == 3
    vector = np.zeros((n, 32))
    pitch = np.where(drum, 3 * (i % 2), np.array([40, 80, 110, 45, 75, 120])[i * i % 6] + i % 3)
    vector[:, 16:] = (pitch[:, None] * np.arange(16) + i[:, None] ** 2) % 7 - 3
    vector[tone, 16:] = 0
    vector[:, dims["f0_semitones"].index] = pitch
    vector[:, dims["level_db"].index] = pitch % 5 - 3 * drum + i % 3
    vector[:, dims["kind"].index] = np.where(tone, -1, ~drum)
    vector[:, dims["phase_cycles"].index] = tone * (i % 5 - 2)
    vector[:, dims["begins"].index] = i < n - 6
    vector[:, dims["vibrato_hz"].index] = 3 * (i % 11 == 0)
    vector[n // 2] *= 40  # as no music has
    time = (20 * (i // 3) + i % 3 // 2) * float(header.time_unit)
    return EventTable(header, time, vector * header.step[0], amplitude=np.where(i < n // 4, 1.0, 0.5))


def _extremes(header: Header) -> EventTable:
    """Per-dim steps, amplitudes from none to loud, codes of every length in bytes."""
    codes = np.array([0, 63, -64, 64, -8192, 8192, 2**20, -(2**20)])
    vector = codes[:, None] * np.array(header.step)
    time = np.array([0, 1, 128, 16_384, 16_384, 220_499, 220_500, 10_000_000]) / 22_050
    return EventTable(header, time, vector, amplitude=[0.0, 1.0, 0.5, 2.0, 1e-3, 1e12, 1e-12, 0.9])


def _live() -> bytes:
    """Written in parts of 2.5 s, when its length was not known yet."""
    header = Header(44_100, 2, 0, "speech", HASH, Fraction(64, 22_050), (nearest_step(1.5),) * 32, statistics=1)
    table = _voices(header, 25)
    table = table.replace(time=table.time * 6)
    file = io.BytesIO()
    with Writer(file, header, length_at_end=True) as writer:
        for end_s in (2.5, 5.0, 7.5, 10.0, 12.5):
            part = table.select((table.time >= end_s - 2.5) & (table.time < end_s))
            writer.write(part.replace(header=_with(header, n_samples=round(min(end_s, 11.25) * header.sample_rate))))
            writer.flush()
    return file.getvalue()


def files() -> dict[str, bytes]:
    """The bytes of each golden file, by its name."""
    return {name: dumps(table) for name, table in tables().items()} | {"live": _live()}


def main() -> None:
    """Write all golden files."""
    for name, data in files().items():
        (HERE / f"{name}.sic").write_bytes(data)
        found = as_json(loads(data))
        lines = ",\n".join(json.dumps(row) for row in found["events"])
        head = json.dumps(found["header"], ensure_ascii=False)
        text = f'{{"header": {head},\n"events": [\n{lines}\n]}}\n'
        (HERE / f"{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
