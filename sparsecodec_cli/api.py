"""What `sic` does, as functions of arrays, event tables and file objects.

Each command reads its arguments, opens its files and calls one of these functions; the defaults here are the commands'
defaults. Heavy packages are imported within the functions, so that `sic --help` can read the signatures quickly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from .coding import AUTO, codec_for, decode, decode_blocks, encode, load_codec, resolve_device

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sparsecodec_formats.table import EventTable
    from sparsecodec_models import Codec, ModelInfo

    from .inspect.inspection import Inspection
    from .io.progress import Progress
    from .io.sounds import InputSound
    from .report.write import PageFacts
    from .stems import Stem

__all__ = [
    "EDITS",
    "codec_for",
    "compare",
    "decode",
    "decode_blocks",
    "encode",
    "export",
    "inspect",
    "list_models",
    "load_codec",
    "randomize",
    "read",
    "render_report",
    "render_stems",
    "resolve_device",
    "transform",
    "verify",
    "write",
]


def render_stems(
    table: EventTable,
    *,
    top: int | None = None,
    seed: int | None = None,
    model: str | Codec | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Iterator[Stem]:
    """Render each event by itself, in the table's order, at the source's rate; all stems together are the recording.

    top: only so many events, those with most energy; None: all. The other options: as for `decode`.
    Raises SicError as `decode` does. An event that is nowhere louder than 1e-6 has no stem.
    """
    from .stems import stems

    return stems(codec_for(table, model, device=device), table, top=top, seed=seed, progress=progress)


def read(file: BinaryIO) -> EventTable:
    """All events of a .sic file; FormatError when any of it is damaged or missing, or something follows it."""
    from sparsecodec_formats import container

    return container.read(file)


def write(table: EventTable, file: BinaryIO) -> None:
    """Write a .sic file. The numbers are rounded to the steps in the table's header."""
    from sparsecodec_formats import container

    container.write(table, file)


def inspect(file: BinaryIO) -> Inspection:
    """The events of a seekable .sic file, and what its bytes are spent on; FormatError when it is damaged."""
    from .inspect.inspection import Inspection

    return Inspection.of_file(file)


def verify(
    file: BinaryIO, *, decode: bool = False, device: str = "cpu", weights_beside: str | None = None
) -> list[str]:
    """Every problem of a seekable .sic file, one line each; an empty list when it is sound.

    decode: render it too, which needs its model; then SicError when that is not there. device, weights_beside: as for
    `codec_for`.
    """
    from sparsecodec_formats import container

    problems = container.verify(file)
    if problems or not decode:
        return problems
    file.seek(0)
    table = container.read(file)
    return _rendering_problems(table, codec_for(table, device=device, weights_beside=weights_beside))


def _rendering_problems(table: EventTable, codec: Codec) -> list[str]:
    import numpy as np

    n_samples = 0
    for block in decode_blocks(table, model=codec):
        if not np.isfinite(block).all():
            return ["decodes to NaN or infinite samples"]
        n_samples += len(block)
    if n_samples != table.header.n_samples:
        return [f"decodes to {n_samples} samples, not {table.header.n_samples}"]
    return []


EDITS = ("stretch", "transpose", "gain", "shift", "crop", "keep", "keep_percent")


def transform(table: EventTable, edits: Iterable[tuple[str, Sequence[Any]]]) -> EventTable:
    """Apply edits one after the other.

    edits: of each its name, one of EDITS, and its arguments, such as ("crop", (0.5, 2.0)); see the functions of these
    names in `sparsecodec_formats.edit`. Raises SicError when an edit does not suit the table.
    """
    from sparsecodec_formats import edit

    for name, arguments in edits:
        if name not in EDITS:
            raise ValueError(f"there is no edit {name!r}; there are {', '.join(EDITS)}")
        table = getattr(edit, name)(table, *arguments)
    return table


def randomize(table: EventTable, *, times: bool = False, vectors: bool = False, seed: int = 0) -> EventTable:
    """Draw the times of all events anew, their vectors, or both; the same seed gives the same result.

    Times are uniform over the recording, and each number of a vector is uniform between its smallest and largest value
    in the table.
    """
    from sparsecodec_formats import edit

    if times:
        table = edit.randomize_times(table, seed)
    if vectors:
        table = edit.randomize_vectors(table, seed)
    return table


def export(table: EventTable, file: BinaryIO, *, tempo_bpm: float = 120.0) -> int:
    """Write the notes of a table as a Standard MIDI File, and return how many these are.

    tempo_bpm: beats a minute, 4 to 1000; it sets the length of a tick, a 480th of a beat.
    Raises SicError for a preset whose vectors tell no pitch, and for a recording that is too long for MIDI.
    """
    from sparsecodec_formats.interchange.midi import write_midi

    return write_midi(table, file, tempo_bpm=tempo_bpm)


def compare(
    reference: NDArray[np.floating],
    sample_rate: int,
    other: NDArray[np.floating],
    other_rate: int | None = None,
    *,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Measure how near `other` is to `reference`.

    Args:
        reference: [n] or [n, channels], full scale 1; channels are mixed.
        sample_rate: Hz.
        other: [m] or [m, channels], of any length; it is shifted by up to half a second to where it fits best, then
            cut or filled up with silence to the length of `reference`. Its level stays.
        other_rate: Hz; None: `sample_rate`.
        progress: as for `encode`.

    The result has `lag_ms` (above 0: `other` is late), `mel`, `estoi`, `pesq_wb`, `pesq_nb`, `visqol` and
    `distillmos`, which `metrics.mel_distance` and `metrics.scores` define. A score that cannot be computed is None,
    and `left_out` holds the reason under its name.
    Raises SicError when one of the two has no samples, or has NaN.
    """
    from .metrics.measure import measure

    return measure(reference, sample_rate, other, other_rate or sample_rate, progress=progress)


def render_report(
    file: BinaryIO,
    sounds: Sequence[InputSound],
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
        file: takes the page, UTF-8.
        sounds: recordings, which are encoded first, and tables of events; all of one model.
        examples: how many parts to show in detail, of all sounds together; None: one of each.
        max_seconds: length of such a part, at most; a longer sound is also shown as a whole.
        effort, bitrate_kbps: of encoding the recordings, as for `encode`.
        seed: of the times and vectors that are drawn anew, and of the map of events.
        model: to encode the recordings with, as for `encode`; for tables, as for `decode`. "auto" is for recordings the
            model of the first sound, for tables the shipped weights.
        device, progress: as for `encode`.

    Raises SicError when a sound cannot be used, or a package of the extra `report` is missing.
    """
    from .report.inputs import ReportOptions
    from .report.write import write_page

    options = ReportOptions(effort, bitrate_kbps, max_seconds, seed, model, device)
    return write_page(file, sounds, len(sounds) if examples is None else examples, options, progress)


def list_models() -> list[ModelInfo]:
    """Every model of this version."""
    from sparsecodec_models import list_models

    return list_models()
