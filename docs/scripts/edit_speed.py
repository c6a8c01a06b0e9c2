"""How long edits of 100,000 events take: the table in docs/results.md.

    python docs/scripts/edit_speed.py [--events N] [--times N] [--only NAME]

CPU seconds, median, of the functions that commands call, in this process and warm. The events are those of recordings
in tests/data, again and again, each time with another pitch, level and spectrum. "refused": there is no such edit of
that preset.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import sparsecodec_cli as sic
from sparsecodec_cli import api
from sparsecodec_formats import EventTable, layout_of

DATA = Path(__file__).resolve().parents[2] / "tests" / "data"
RECORDINGS = {
    "speech": ("only-person-en.flac", "privacy-prompt-ru.flac", "you-are-next-it.flac"),
    "music": ("music/duet.flac", "melodies/frere-jacques-flute.flac", "melodies/ode-to-joy-plucked.flac"),
}
SELECTION = ("select", ("pitch > 150 and level > -40",))
EDITS: dict[str, tuple[tuple[str, tuple[Any, ...]], ...]] = {
    "--select": (SELECTION, ("gain", (-3.0,))),
    "--select, by segment": (("select", ("segment < 1000",)), ("gain", (-3.0,))),
    "--take": (SELECTION, ("take", ())),
    "--drop": (SELECTION, ("drop", ())),
    "--stretch": (("stretch", (1.5,)),),
    "--transpose": (("transpose", (3.0,)),),
    "--glide": (("glide", (2.0,)),),
    "--contour": (("contour", (0.5,)),),
    "--gain": (("gain", (-3.0,)),),
    "--shift": (("shift", (1.0,)),),
    "--reverse": (("reverse", ()),),
    "--start, --end": (("crop", (0.5, None)),),
    "--keep": (("keep", (1000,)),),
    "--keep, percent": (("keep_percent", (50.0,)),),
    "--drop-below": (("drop_below", (-40.0,)),),
    "--attack": (("attack", (2.0,)),),
    "--decay": (("decay", (2.0,)),),
    "--whisper": (("whisper", ()),),
    "--tilt": (("tilt", (-2.0,)),),
    "--room": (("room", (-20.0,)),),
    "--move-to": (("move_to", (1.0,)),),
    "--repeat": (("repeat", (2,)),),
    "--echo": (("echo", (0.3, -6.0, 2)),),
    "--quantize-times": (("quantise_times", (0.125,)),),
    "--jitter": (("jitter", (0.05,)),),
    "--unlink": (("unlink", ()),),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--only", default="", help="of the rows, those whose name holds this")
    options = parser.parse_args()
    recorded = {preset: [_encoded(preset, name) for name in names] for preset, names in RECORDINGS.items()}
    columns = {
        preset: rows(many(tables, options.events, 1), many(tables, options.events, 2))
        for preset, tables in recorded.items()
    }
    warm = {preset: rows(tables[0], tables[0]) for preset, tables in recorded.items()}
    print("| CPU s | " + " | ".join(columns) + " |\n|---|" + "---|" * len(columns))
    for name in columns["speech"]:
        if options.only in name:
            told = [_told(warm[preset][name], columns[preset][name], options.times) for preset in columns]
            print(f"| {name} | " + " | ".join(told) + " |", flush=True)


def rows(table: EventTable, other: EventTable) -> dict[str, Callable[[], object]]:
    """What is measured, by name. other: as many events of the same preset."""

    def transformed(edits: Iterable[tuple[str, tuple[Any, ...]]]) -> Callable[[], object]:
        return lambda: api.transform(table, edits)

    return {
        **{f"transform {name}": transformed(edits) for name, edits in EDITS.items()},
        "randomize --times": lambda: api.randomize(table, times=True),
        "randomize --times --keep-order": lambda: api.randomize(table, times=True, keep_order=True),
        "randomize --vectors": lambda: api.randomize(table, vectors=True),
        "randomize --vectors --within own": lambda: api.randomize(table, vectors=True, within="own"),
        "randomize --vectors --within normal": lambda: api.randomize(table, vectors=True, within="normal"),
        "cat": lambda: api.cat([table, other]),
        "mix": lambda: api.mix([table, other]),
        "morph": lambda: api.morph(table, other, 0.5),
        "replace": lambda: api.replace(table, other),
        "replace --keep-pitch --keep-level": lambda: api.replace(table, other, keep_pitch=True, keep_level=True),
        "similar": lambda: api.similar([table, other], 0),
        "similar --by segment": lambda: api.similar([table, other], 0, by="segment"),
        "segments_of": lambda: sic.segments_of(table),
        "segments_of, and repeats": lambda: sic.segments_of(table).repeats,
    }


def many(tables: list[EventTable], n: int, seed: int) -> EventTable:
    """n events, those of some tables in turn."""
    random = np.random.default_rng(seed)
    parts: list[EventTable] = []
    so_far = 0
    while so_far < n:
        parts.append(_varied(tables[len(parts) % len(tables)], random))
        so_far += len(parts[-1])
    joined = api.cat(parts)
    return joined.select(np.arange(n))


def _varied(table: EventTable, random: np.random.Generator) -> EventTable:
    """At another pitch and level, and with other spectra. A pitch of 0, which stands for none, stays."""
    layout, vector = layout_of(table.header), table.vector.astype(np.float64)
    pitch, level, shape = (layout.dim(name) for name in ("f0_semitones", "level_db", "shape_0"))
    vector[:, pitch.index] += np.where(vector[:, pitch.index] != 0, random.uniform(-3, 3) / pitch.scale, 0.0)
    vector[:, level.index] += random.normal(0, 2, len(table)) / level.scale
    vector[:, shape.index :] += random.normal(0, 0.3, vector[:, shape.index :].shape)
    return table.replace(vector=vector)


def _encoded(preset: str, name: str) -> EventTable:
    table = sic.encode(DATA / name, model=preset, effort=0)
    return table.replace(header=replace(table.header, tags={}))


def _told(warm: Callable[[], object], measured: Callable[[], object], n_times: int) -> str:
    try:
        warm()
    except sic.SicError:
        return "refused"
    seconds = []
    for _ in range(n_times):
        begun_s = time.process_time()
        measured()
        seconds.append(time.process_time() - begun_s)
    return f"{statistics.median(seconds):.2f}"


if __name__ == "__main__":
    main()
