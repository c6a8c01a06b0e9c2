"""Tables from tables: edits, joins, what lies between, mosaics; and what sounds alike.

The defaults here are the commands' defaults. What weights tell is asked for by the tables (`let_tables_ask`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .selecting import chosen

if TYPE_CHECKING:
    from sparsecodec_formats.edit import Gap, Timbre
    from sparsecodec_formats.edit.nearest import By, Similar
    from sparsecodec_formats.edit.randomize import Within
    from sparsecodec_formats.table import EventTable

    from .io.python_files import AnyFile

EDITS = (
    *("stretch", "transpose", "glide", "contour", "gain", "shift", "reverse", "crop", "keep", "keep_percent"),
    *("attack", "decay", "whisper", "tilt", "room", "unlink", "drop_below", "take", "drop"),
    *("repeat", "echo", "move_to", "quantise_times", "jitter", "shorten_pauses"),
)
SELECT = "select"
ENDS_SELECTION = (
    *("take", "drop", "keep", "keep_percent", "drop_below"),
    *("repeat", "echo", "move_to", "shift", "quantise_times", "jitter"),
)
"""Edits after which there are other events than those among which was selected, or they are in another order."""


def transform(
    table: EventTable,
    edits: Iterable[tuple[str, Sequence[Any]]],
    *,
    timbre: Timbre | None = None,
    stretch_events: bool = True,
    every_s: float | None = None,
    seed: int = 0,
    gap: Gap = "keep",
) -> EventTable:
    """Apply edits one after the other.

    edits: of each its name, one of EDITS, and its arguments, such as ("crop", (0.5, 2.0)); see the functions of these
    names in `sparsecodec_formats.edit`. ("select", ("pitch > 200",)) selects among the events as they then are; edits
    after it are of these events, until another selects, or one of ENDS_SELECTION has been done.
    timbre: of "transpose"; None: as suits the preset. stretch_events: whether "stretch" makes the events longer, too.
    every_s: of "repeat"; seed: of "jitter".
    gap: that "take" and "drop" leave.
    Raises SicError when an edit does not suit the table, or cannot be of a selection.
    """
    from sparsecodec_formats import SicError, edit

    from .models import shape_map_for

    options: Mapping[str, dict[str, Any]] = {
        "transpose": {"timbre": timbre, "shape_map": shape_map_for},
        "contour": {"shape_map": shape_map_for},
        "stretch": {"events": stretch_events},
        "repeat": {"every_s": every_s},
        "jitter": {"seed": seed},
        "tilt": {"shape_map": shape_map_for},
        "whisper": {"shape_map": shape_map_for},
        "take": {"gap": gap},
        "drop": {"gap": gap},
    }
    where = None
    for name, arguments in edits:
        if name == SELECT:
            where = chosen(table, *arguments)
            continue
        if name not in EDITS:
            raise ValueError(f"there is no edit {name!r}; there are {', '.join((SELECT, *EDITS))}")
        if name in ("take", "drop") and where is None:
            raise SicError(f"{name} needs a selection of the events that it is of")
        if where is not None and not takes_selection(name):
            raise SicError(f"{name} is of the whole recording; do it before events are selected")
        of = {} if where is None else {"where": where}
        table = getattr(edit, name)(table, *arguments, **options.get(name, {}), **of)
        if name in ENDS_SELECTION:
            where = None
    return table


def takes_selection(name: str) -> bool:
    """Whether the edit of this name can be of some of the events."""
    from inspect import signature

    from sparsecodec_formats import edit

    return "where" in signature(getattr(edit, name)).parameters


def cat(tables: Sequence[EventTable | AnyFile], *, gap_s: float = 0.0, carry_on: bool = False) -> EventTable:
    """Join tables, or .sic files, one after the other, with gap_s of silence between.

    Voices of different tables never link, unless with carry_on: then one that begins in the middle of a voice, as a cut
    leaves it, goes on with the voice before it. Mono is heard in all channels of the others; the sample rate is the
    highest. A tag stays unless two tables differ in it. Raises SicError for tables of different models.
    """
    from sparsecodec_formats import edit

    from .io.python_files import as_tables

    return edit.cat(as_tables(tables), gap_s=gap_s, carry_on=carry_on)


def mix(
    tables: Sequence[EventTable | AnyFile],
    *,
    offsets_s: Sequence[float] | None = None,
    gains_db: Sequence[float] | None = None,
    pans: Sequence[float] | None = None,
) -> EventTable:
    """Mix tables, or .sic files: what sounds as the sum of their sounds, in whatever order they come.

    offsets_s: when each begins, >= 0; None: all at 0. gains_db: how much louder each is; None: 0 for all. pans: where
    each is in a stereo mix, from -1 (left) to 1 (right); None: channels as for `cat`. Rates and tags as for `cat`.
    Raises SicError for tables of different models, and for pans of more than two channels.
    """
    from sparsecodec_formats import edit

    from .io.python_files import as_tables

    return edit.mix(as_tables(tables), offsets_s=offsets_s, gains_db=gains_db, pans=pans)


def randomize(
    table: EventTable,
    *,
    times: bool = False,
    vectors: bool = False,
    within: Within = "range",
    keep_order: bool = False,
    seed: int = 0,
) -> EventTable:
    """Draw the times of all events anew, their vectors, or both; the same seed gives the same result.

    Args:
        times: drawn uniformly over the recording.
        vectors: drawn as `within` says.
        within: "range", each number of a vector uniformly between its smallest and largest value in the table; "own",
            the table's own vectors, in another order; "normal", a normal distribution fitted to them.
        keep_order: events take the drawn times in the order that they are in.
    """
    from sparsecodec_formats import edit

    if times:
        table = edit.randomize_times(table, seed, keep_order=keep_order)
    if vectors:
        table = edit.randomize_vectors(table, seed, within=within)
    return table


def morph(table: EventTable | AnyFile, other: EventTable | AnyFile, amount: float) -> EventTable:
    """Between two recordings: at amount 0 the first, at 1 the other, exactly. What is alike in both and at about the
    same place moves from one to the other, the rest fades.

    SicError unless both are of the same model and have as many channels.
    """
    from sparsecodec_formats import edit

    from .io.python_files import as_table

    return edit.morph(as_table(table), as_table(other), amount)


def replace(
    table: EventTable | AnyFile, other: EventTable | AnyFile, *, keep_pitch: bool = False, keep_level: bool = False
) -> EventTable:
    """A mosaic: each segment of a table by the most similar segment of another.

    keep_pitch, keep_level: each segment keeps the pitch, or the level, that is heard there now.
    SicError unless both are of the same model, `speech` or `music`.
    """
    from sparsecodec_formats import edit

    from .io.python_files import as_table

    return edit.mosaic(as_table(table), as_table(other), keep_pitch=keep_pitch, keep_level=keep_level)


def similar(
    tables: Sequence[EventTable | AnyFile] | EventTable | AnyFile, to: int, *, by: By = "event", top: int = 10
) -> tuple[Similar, list[Similar]]:
    """Event `to` of the first table, and the `top` events of all tables that sound most like it, the nearest first.

    by: "segment" for segments in place of events. SicError unless all tables are of the same model, and the first has
    such an event.
    """
    from sparsecodec_formats import edit

    from .io.python_files import as_tables

    return edit.similar(as_tables(tables), to, by=by, top=top)
