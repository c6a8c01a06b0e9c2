"""The page's text, from what was measured: one HTML document that asks for nothing beyond itself."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray

from sparsecodec_cli import __version__
from sparsecodec_cli.inspect.event_map import event_map, normalised
from sparsecodec_formats.header import N_DIMS, Header
from sparsecodec_formats.interchange.notes import Note, event_notes
from sparsecodec_formats.presets import layout_of

from .inputs import MeasuredSound
from .media import colours, data_uri, png
from .note_map import NoteMap, note_map

BIBTEX = """\
@misc{vinyard2025toward,
  title         = {Toward a Sparse Interpretable Audio Codec},
  author        = {John Vinyard},
  year          = {2025},
  eprint        = {2505.05654},
  archivePrefix = {arXiv}
}"""


def page(recordings: Sequence[MeasuredSound], seed: int) -> str:
    """HTML of one or several recordings, all of one preset; seed: of the map of events."""
    pictures, roll = _place(recordings, seed)
    room = files("sparsecodec_cli.report")
    css, script = (room.joinpath(name).read_text("utf-8") for name in ("page.css", "page.js"))
    environment = Environment(
        loader=PackageLoader("sparsecodec_cli.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    return (
        environment.get_template("page.html.j2")
        .render(
            recordings=recordings,
            title=_title(recordings),
            n_examples=sum(len(recording.examples) for recording in recordings),
            pictures=pictures,
            roll=roll,
            **_dims(recordings[0].table.header),
            parameters=recordings[0].parameters,
            data=_data(recordings, roll),
            css=css,
            script=script,
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
            bibtex=BIBTEX,
            version=__version__,
        )
        .lstrip()
    )


def _dims(header: Header) -> dict[str, Any]:
    """Groups of a vector's rows as (label, how many), and the names of those that have one."""
    named = [dim.label for dim in layout_of(header).dims.values() if not dim.name.startswith("shape_")]
    groups = [("named", len(named)), ("shape", N_DIMS - len(named))] if named else [("dims", N_DIMS)]
    return {"named_dims": named, "dim_groups": groups}


def _title(recordings: Sequence[MeasuredSound]) -> str:
    if len(recordings) == 1:
        return recordings[0].name
    return f"{len(recordings)} recordings"


def _place(recordings: Sequence[MeasuredSound], seed: int) -> tuple[dict[str, str], NoteMap | None]:
    """Give all events their places and colours, in one map; the pictures of the examples' vectors, by key, and the map
    if it is one of notes."""
    shown = [_rows_shown(recording) for recording in recordings]
    vectors = [recording.table.vector[rows] for recording, rows in zip(recordings, shown, strict=True)]
    together = np.concatenate([np.zeros((0, N_DIMS), np.float32), *vectors])
    roll = None
    if layout_of(recordings[0].table.header).events_are_notes:
        notes = [note for i, rows in enumerate(shown) for note in _notes(recordings[i], rows)]
        roll = note_map(notes, layout_of(recordings[0].table.header).tones(together).tolist())
    placed = event_map(together, seed) if roll is None else roll.events
    shades = normalised(together)
    pictures, begin = {}, 0
    for i, (recording, rows) in enumerate(zip(recordings, shown, strict=True)):
        for key, columns, mine in _events_of(i, recording):
            at = begin + np.searchsorted(rows, mine)
            columns["place"] = np.round(placed.place[at], 4).tolist()
            columns["rgb"] = ["".join(f"{v:02x}" for v in rgb) for rgb in placed.rgb[at].tolist()]
            pictures[key] = _vectors_image(shades[at])
        begin += len(rows)
    return pictures, roll


def _notes(recording: MeasuredSound, rows: NDArray[np.int64]) -> list[Note | None]:
    notes = event_notes(recording.table)
    return [notes[row] for row in rows.tolist()]


def _rows_shown(recording: MeasuredSound) -> NDArray[np.int64]:
    """Of its table, ascending."""
    if recording.overview is not None:
        return np.arange(len(recording.table))
    return np.concatenate([np.zeros(0, np.int64), *(example.rows for example in recording.examples)])


def _events_of(i: int, recording: MeasuredSound) -> Iterator[tuple[str, dict[str, Any], NDArray[np.int64]]]:
    """(Key on the page, columns, rows of the table) of all that shows events of the i-th recording."""
    for j, example in enumerate(recording.examples):
        yield f"example-{i}-{j}", example.columns, example.rows
    if recording.overview is not None:
        yield f"whole-{i}", recording.overview.columns, np.arange(len(recording.table))


def _vectors_image(shades: NDArray[np.float64]) -> str:
    """Normalised vectors [n, 32] as a picture of n × 32 pixels, the first dim on top."""
    pixels = np.round(255 * (shades if len(shades) else np.zeros((1, N_DIMS)))).astype(np.uint8).T
    return data_uri("image/png", png(np.ascontiguousarray(pixels), colours("viridis")))


def _data(recordings: Sequence[MeasuredSound], roll: NoteMap | None) -> dict[str, Any]:
    """What the script draws and plays; of a roll the ticks of its upward axis, and the height of a semitone on it."""
    examples, wholes = {}, {}
    for i, recording in enumerate(recordings):
        for j, example in enumerate(recording.examples):
            examples[f"example-{i}-{j}"] = {
                "name": recording.name,
                "start_s": example.start_s,
                "duration_s": example.duration_s,
                "events": example.columns,
                "lanes": example.lanes,
                "film": example.film,
            }
        if recording.overview is not None:
            wholes[f"whole-{i}"] = {
                "name": recording.name,
                "start_s": 0.0,
                "duration_s": recording.table.duration_s,
                "events": recording.overview.columns,
            }
    palette = base64.b64encode(colours("magma").tobytes()).decode()
    keys = None if roll is None else {"ticks": roll.ticks, "row": round(roll.row, 5)}
    return {"palette": palette, "roll": keys, "examples": examples, "wholes": wholes}
