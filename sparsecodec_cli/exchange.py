"""Events in files of other programs: which formats there are, and how each is written and read."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from sparsecodec_formats.container.form import Form, read_with_form, write_in_form
from sparsecodec_formats.header import Header
from sparsecodec_formats.table import EventTable

from .errors import CliError, shown
from .extras import check_installed
from .io.exchange_names import EXTENSIONS, format_of
from .io.python_files import AnyFile, check_table, is_file, open_to_read
from .segmenting import segments_of

if TYPE_CHECKING:
    from sparsecodec_formats.interchange.midi_notes import MidiNote
    from sparsecodec_formats.interchange.notes import Note


class FromFile(NamedTuple):
    """Events, and how the .sic file is cut that they come from; None for the usual form, and where there is no file."""

    table: EventTable
    form: Form | None


def named_format(file: AnyFile, given: str | None) -> str:
    """As `format_of`; CliError where nothing tells."""
    found = format_of(file, given)
    if found is None:
        name = shown(os.fsdecode(file)) if isinstance(file, str | os.PathLike) else "the file object"
        raise CliError(f"{name}: its name tells no format; end it in {', '.join(EXTENSIONS)}, or name the format")
    return found


def events_of(given: EventTable | AnyFile) -> FromFile:
    """A table itself, or what a .sic file holds; CliError when it is neither, or the file is damaged."""
    if not is_file(given):
        check_table(given)
        assert isinstance(given, EventTable)
        return FromFile(given, None)
    from sparsecodec_formats.container.header_bytes import MAGIC

    with open_to_read(given, MAGIC) as file:  # type: ignore[arg-type]  # no table
        return FromFile(*read_with_form(file))


def write_events(events: FromFile, file: BinaryIO, kind: str, *, tempo_bpm: float) -> int:
    """Write a file of this format, and return how many notes, labels or events it tells of."""
    if kind == "midi":
        from sparsecodec_formats.interchange.midi import write_midi

        return write_midi(events.table, file, tempo_bpm=tempo_bpm, notes=_sung(events.table))
    if kind in ("labels", "textgrid"):
        from sparsecodec_formats.interchange.labels import write_labels, write_textgrid

        write = write_labels if kind == "labels" else write_textgrid
        return write(events.table, segments_of(events.table), file)
    from sparsecodec_formats.interchange.table_files import WRITERS

    check_format(kind)
    WRITERS[kind](events.table, file, events.form)
    return len(events.table)


def _sung(table: EventTable) -> list[Note] | None:
    """Of speech a note for each segment with a pitch: a voice goes on from syllable to syllable. None: notes are what
    the events say."""
    from sparsecodec_formats.interchange.notes import segment_notes
    from sparsecodec_formats.presets import layout_of

    return segment_notes(table, segments_of(table)) if layout_of(table.header).links == "channel" else None


def read_events(file: BinaryIO, kind: str, *, like: Header | None, by_name: bool) -> FromFile:
    """The events of a file of this format, which is one of TABLES."""
    from sparsecodec_formats.interchange.table_files import READERS

    check_format(kind)
    return FromFile(*READERS[kind](file).table(like=like, by_name=by_name))


def notes_of_midi(file: BinaryIO) -> tuple[list[MidiNote], int]:
    """The notes of a MIDI file, and how many strokes of drums are left out, as they have no pitch."""
    from sparsecodec_formats.interchange.midi_notes import read_midi

    return read_midi(file)


def play(notes: Iterable[MidiNote], instrument: EventTable, *, contour: float) -> FromFile:
    """Notes played on the segments of a table, whose pitches go so many times as far from those of the notes."""
    from sparsecodec_formats.edit.playing import Stroke, played

    strokes = [Stroke(note.onset_s, note.offset_s - note.onset_s, note.midi, note.level_db) for note in notes]
    return FromFile(played(instrument, segments_of(instrument), strokes, contour=contour), None)


def write_sic(events: FromFile, file: BinaryIO) -> int:
    """Write a .sic file, and return how many bytes it has."""
    return write_in_form(events.table, file, events.form)


def check_format(kind: str) -> None:
    """CliError where a package is missing that this format needs."""
    if kind == "parquet":
        check_installed("Parquet", "parquet")
