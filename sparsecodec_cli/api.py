"""What `sic` does, as functions of arrays, event tables and file objects.

Each command reads its arguments, opens its files and calls one of these functions; the defaults here are the commands'
defaults. Heavy packages are imported within the functions, so that `sic --help` can read the signatures quickly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .decoding import decode, decode_blocks, decode_within_full_scale
from .editing import (
    EDITS,
    ENDS_SELECTION,
    SELECT,
    cat,
    mix,
    morph,
    randomize,
    replace,
    similar,
    takes_selection,
    transform,
)
from .encoding import encode, encode_live, encode_parts, samples_of
from .models import AUTO, codec_for, kept_codecs, least_bitrate_kbps, load_codec, resolve_device
from .selecting import chosen, selected

if TYPE_CHECKING:
    import os

    from sparsecodec_formats import Reader, Salvage, Segments
    from sparsecodec_formats.container import Written
    from sparsecodec_formats.edit.nearest import By
    from sparsecodec_formats.table import EventTable
    from sparsecodec_models import AudioSource, ModelInfo, Renderer

    from .coded_share import CodedShare
    from .decoding import Events
    from .encoding import Sound
    from .inspect.inspection import Inspection
    from .io.progress import Progress
    from .io.python_files import AnyFile
    from .io.sounds import InputSound
    from .models import Model
    from .report.write import PageFacts
    from .stems import Stem

__all__ = [
    "EDITS",
    "ENDS_SELECTION",
    "SELECT",
    "cat",
    "codec_for",
    "coded_share",
    "compare",
    "decode",
    "decode_blocks",
    "decode_within_full_scale",
    "encode",
    "encode_live",
    "encode_parts",
    "export",
    "import_",
    "inspect",
    "kept_codecs",
    "least_bitrate_kbps",
    "list_models",
    "load_codec",
    "mix",
    "morph",
    "randomize",
    "read",
    "read_tags",
    "render_report",
    "render_stems",
    "replace",
    "resolve_device",
    "retag",
    "salvage",
    "segments_of",
    "selected",
    "similar",
    "takes_selection",
    "transform",
    "verify",
    "write",
    "write_parts",
]


def render_stems(
    table: EventTable | AnyFile,
    *,
    by: By = "event",
    top: int | None = None,
    select: str | None = None,
    seed: int | None = None,
    model: Model | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Iterator[Stem]:
    """Render each event by itself, in the table's order, at the source's rate; all stems together are the recording.

    by: "segment" for a stem of all events of each of `segments_of`, when the last of them has come. top: only so many
    events or segments, those with most energy; None: all. select: of which events, as for `decode`; of a segment only
    these are heard. The other options: as for `decode`.
    Raises SicError as `decode` does, and for segments as `segments_of`. What is nowhere louder than 1e-6 has no stem.
    """
    import numpy as np

    from sparsecodec_formats import edit
    from sparsecodec_formats.edit.nearest import check_by

    from .io.python_files import as_table
    from .stems import stems

    check_by(by)
    table = as_table(table)
    codec = codec_for(table, model, device=device)
    segments = segments_of(table, model=codec) if by == "segment" else None
    if select is not None:
        table = edit.solo(table, np.flatnonzero(chosen(table, select, model=codec)).tolist())
    return stems(codec, table, segments=segments, top=top, seed=seed, progress=progress)


def segments_of(table: EventTable | AnyFile, *, model: Model | None = None) -> Segments:
    """What a listener would name in events of `speech` or `music`: notes, syllables, bursts.

    model: as for `decode`. Where the weights of a table of `speech` are not there, all its events are taken to have a
    pitch, from the first that was found on. SicError for a preset that tells no links.
    """
    from .io.python_files import as_table
    from .segmenting import segments_of

    return segments_of(as_table(table), model)


def read(file: AnyFile) -> EventTable:
    """All events of a .sic file, a path or a file object of bytes.

    SicError when any of it is damaged or missing, or something follows it.
    """
    from sparsecodec_formats import container
    from sparsecodec_formats.container.header_bytes import MAGIC

    from .io.python_files import open_to_read

    with open_to_read(file, MAGIC) as opened:
        return container.read(opened)


def salvage(file: AnyFile) -> Salvage:
    """The events of every block of a damaged .sic file that is whole, and a list of what is missing. file: a path, or
    a file object of bytes.

    SicError when there is nothing to be had: its header is damaged, or it is no .sic file.
    """
    from sparsecodec_formats import container
    from sparsecodec_formats.container.header_bytes import MAGIC

    from .io.python_files import open_to_read

    with open_to_read(file, MAGIC) as opened:
        return container.salvage(opened)


def write(table: EventTable, file: AnyFile) -> None:
    """Write a .sic file, to a path or a file object of bytes. The numbers are rounded to the steps in its header.

    A path appears when all is written, in the place of a file that was there. SicError when it cannot be written.
    """
    from .io.python_files import check_table, open_to_write
    from .io.sic_files import write_table

    check_table(table)
    with open_to_write(file) as opened:
        write_table(table, opened)


def write_parts(parts: Iterable[EventTable], file: AnyFile, *, live: bool = False) -> Written:
    """Write a .sic file of tables that follow each other in time, as `encode_parts` gives them, so that memory does not
    grow with its length; what was written: `header`, `n_events`, `n_bytes`.

    file: as for `write`. live: of `encode_live`: a file object gets each part as soon as it is there, and what it has
    if writing breaks off is readable but for its end.
    """
    from sparsecodec_formats import container

    from .io.python_files import open_to_write

    with open_to_write(file) as opened:
        return container.write_parts(parts, opened, live=live)


def read_tags(file: AnyFile) -> dict[str, str]:
    """The tags of a .sic file, a path or a file object of bytes, of which no more than its header is read.

    SicError when that is damaged.
    """
    from sparsecodec_formats import container
    from sparsecodec_formats.container.header_bytes import MAGIC

    from .io.python_files import open_to_read

    with open_to_read(file, MAGIC) as opened:
        return dict(container.Reader(opened).header.tags)


def retag(source: AnyFile, target: AnyFile, tags: Mapping[str, str]) -> None:
    """Copy a .sic file with other tags; its blocks stay byte for byte. source, target: paths or file objects of bytes.

    SicError when the file is damaged, or cannot hold the tags.
    """
    from sparsecodec_formats import container
    from sparsecodec_formats.container.header_bytes import MAGIC

    from .io.python_files import open_to_read, open_to_write

    with open_to_read(source, MAGIC) as opened, open_to_write(target) as out:
        container.retag(opened, out, tags)


def inspect(file: AnyFile) -> Inspection:
    """The events of a .sic file, a path or a file object of bytes, and what its bytes are spent on.

    SicError when it is damaged.
    """
    from sparsecodec_formats.container.header_bytes import MAGIC

    from .inspect.inspection import Inspection
    from .io.python_files import open_to_read

    with open_to_read(file, MAGIC) as opened:
        return Inspection.of_file(opened)


def verify(
    file: AnyFile,
    *,
    decode: bool = False,
    model: Model | None = None,
    device: str = "cpu",
) -> list[str]:
    """Every problem of a .sic file, one line each; an empty list when it is sound. file: a path, or a file object.

    decode: render it too, with `model` and `device` as for `codec_for`; then SicError when its model
    is not there or is another one, as for a file that cannot be opened.
    """
    from sparsecodec_formats import container
    from sparsecodec_formats.container.header_bytes import MAGIC

    from .io.python_files import open_to_read

    with open_to_read(file, MAGIC) as opened:
        problems = container.verify(opened)
        if problems or not decode:
            return problems
        opened.seek(0)
        source = container.Reader(opened)
        return _rendering_problems(source, codec_for(source, model, device=device))


def _rendering_problems(source: Reader, codec: Renderer) -> list[str]:
    import numpy as np

    n_samples = 0
    for block in decode_blocks(source, model=codec):
        if not np.isfinite(block).all():
            return ["decodes to NaN or infinite samples"]
        n_samples += len(block)
    if n_samples != source.header.n_samples:
        return [f"decodes to {n_samples} samples, not {source.header.n_samples}"]
    return []


def export(table: EventTable | AnyFile, file: AnyFile, *, format: str | None = None, tempo_bpm: float = 120.0) -> int:
    """Write the events of a table, or of a .sic file, for other programs, and return how many events, notes
    or segments these are.

    file: a path, or a file object of bytes.
    format: "json", "csv", "npz" or "parquet", which lose nothing: `import_` gives the same .sic file back, to the byte;
        "midi": the notes as a Standard MIDI File; "labels", "textgrid": the segments as a label track of Audacity, or
        for Praat. None: as the path's extension says; of a file object "midi".
    tempo_bpm: of MIDI, beats a minute, 4 to 1000; it sets the length of a tick, a 480th of a beat.
    Raises SicError for a path whose extension tells no format; as MIDI or labels for a preset
    whose vectors tell no pitch, and as MIDI for a recording that is too long.
    """
    from .exchange import events_of, named_format, write_events
    from .io.python_files import is_path, open_to_write

    events = events_of(table)
    with open_to_write(file) as opened:
        kind = named_format(file, format if format or is_path(file) else "midi")
        return write_events(events, opened, kind, tempo_bpm=tempo_bpm)


def import_(
    file: AnyFile,
    target: AnyFile | None = None,
    *,
    format: str | None = None,
    like: EventTable | AnyFile | None = None,
    by_name: bool = False,
    instrument: EventTable | AnyFile | None = None,
    contour: float = 1.0,
) -> EventTable:
    """Read what `export` has written as "json", "csv", "npz" or "parquet", or what others have: the events; and write
    them as a .sic file to `target`, if there is one. Columns and rows may be in any order. Or play a MIDI file.

    file, target: paths, or file objects of bytes. format: None: as the path's extension says.
    like: a table or .sic file whose header says what the file does not: rates, length, quantiser's steps, tags.
    by_name: where a named quantity says something else than the vector beside it, it is what counts.
    instrument: of "midi", a table or .sic file whose segments play the notes: each that which is nearest in pitch,
        transposed, at the level that its velocity tells, held or cut to its length. Drums (channel 10) are left out.
    contour: how far the pitch of a played segment goes from the note's, -10..10: 1 as in the instrument, 0 not at all.
    Raises SicError, which names the row, for what no event can be, and for an instrument without pitch.
    """
    from .errors import CliError
    from .exchange import named_format, notes_of_midi, play, read_events, write_sic
    from .io.exchange_names import READABLE
    from .io.python_files import as_table, open_to_read, open_to_write

    kind = named_format(file, format)
    if kind not in READABLE:
        raise CliError(f"{kind} files have no events; {', '.join(READABLE)} do")
    if (kind == "midi") != (instrument is not None):
        raise CliError("MIDI needs an instrument, and nothing else takes one")
    if kind != "midi" and contour != 1:
        raise CliError("contour goes with MIDI")
    played_by = None if instrument is None else as_table(instrument)
    header = None if like is None else as_table(like).header
    with open_to_read(file) as opened:
        if played_by is not None:
            events = play(notes_of_midi(opened)[0], played_by, contour=contour)
        else:
            events = read_events(opened, kind, like=header, by_name=by_name)
    if target is not None:
        with open_to_write(target) as out:
            write_sic(events, out)
    return events.table


def coded_share(
    source: AudioSource, events: Events, *, model: Model | None = None, device: str = "cpu"
) -> CodedShare | None:
    """How much of a recording's energy comes back when its events are decoded, in its loudest seconds.

    source: what was encoded; it is read once, from its start. events: its, as for `decode`; of a file that can seek.
    model: that they were encoded with, as for `encode`. None for what is too short or too soft to tell.
    """
    from .coded_share import coded_share
    from .io.python_files import open_events

    with open_events(events) as opened:
        path_or_codec = None if model == AUTO or (isinstance(model, str) and model == opened.header.model) else model
        return coded_share(source, opened, model=codec_for(opened, path_or_codec, device=device))


def compare(
    reference: Sound,
    sample_rate: int | None,
    other: Sound,
    other_rate: int | None = None,
    *,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Measure how near `other` is to `reference`.

    Args:
        reference: whatever `encode` takes; channels are mixed.
        sample_rate: Hz; None: the recording's own.
        other: the same, of any length; it is shifted by up to half a second to where it fits best, then cut or filled
            up with silence to the length of `reference`. Its level stays.
        other_rate: Hz; None: the recording's own, of samples that of `reference`.
        progress: as for `encode`.

    The result has `lag_ms` (above 0: `other` is late), `mel`, `estoi`, `pesq_wb`, `pesq_nb`, `visqol` and
    `distillmos`, which `metrics.mel_distance` and `metrics.scores` define. A score that cannot be computed is None,
    and `left_out` holds the reason under its name.
    Raises SicError when one of the two has no samples, or has NaN.
    """
    from .io.python_files import is_file
    from .metrics.measure import measure

    samples, rate = samples_of(reference, sample_rate)
    own_rate = other_rate if other_rate is not None or is_file(other) else rate
    return measure(samples, rate, *samples_of(other, own_rate), progress=progress)


def render_report(
    file: AnyFile,
    sounds: Sequence[InputSound | str | os.PathLike[str]],
    *,
    examples: int | None = None,
    max_seconds: float = 30.0,
    effort: int | None = None,
    bitrate_kbps: float | None = None,
    seed: int = 0,
    model: str = AUTO,
    device: str = "cpu",
    progress: Progress | None = None,
) -> PageFacts:
    """Write an HTML page on which the events of sounds are seen and heard.

    Args:
        file: takes the page, UTF-8: a path, or a file object of bytes.
        sounds: paths of recordings, which are encoded first, and of .sic files; or `InputSound`s. All of one model.
        examples: how many parts to show in detail, of all sounds together; None: one of each.
        max_seconds: length of such a part, at most; a longer sound is also shown as a whole.
        effort, bitrate_kbps: of encoding the recordings, as for `encode`.
        seed: of the times and vectors that are drawn anew, and of the map of events.
        model: to encode the recordings with, as for `encode`; for tables, as for `decode`. "auto" is for recordings the
            model of the first sound, for tables the shipped weights.
        device, progress: as for `encode`.

    Raises SicError when a sound cannot be used, or a package of the extra `report` is missing.
    """
    from .io import python_files
    from .report.inputs import ReportOptions
    from .report.write import write_page

    options = ReportOptions(effort, bitrate_kbps, max_seconds, seed, model, device)
    with python_files.open_sounds(sounds) as opened, python_files.open_to_write(file) as page:
        return write_page(page, opened, len(opened) if examples is None else examples, options, progress)


def list_models() -> list[ModelInfo]:
    """Every model of this version."""
    from sparsecodec_models import list_models

    return list_models()
