"""`sic transform`: edits of events, one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from sparsecodec_cli import api

from .edited import write_edited
from .options import (
    FINITE,
    NOT_NEGATIVE,
    POSITIVE,
    SECONDS,
    FiniteFloat,
    default_of,
    input_argument,
    output_options,
    seed_option,
    select_option,
    sic_output_argument,
)

if TYPE_CHECKING:
    from sparsecodec_formats.edit import Gap, Timbre

F = TypeVar("F", bound=Callable[..., Any])

Edit = tuple[str, Any]
"""An edit's name and value: a number; for "crop" (start_s | None, end_s | None); for "keep" what `Keep` gives; for
"select" an expression; True for an edit that takes none."""

EDITS_KEY = "sic.edits"
PERCENT = FiniteFloat(min=0, max=100)
COUNT = click.IntRange(min=0)
AT_LEAST_ONE: click.ParamType = click.IntRange(min=1)
OPTIONS_OF = {
    "timbre": ("transpose",),
    "stretch_events": ("stretch",),
    "every_s": ("repeat",),
    "seed": ("jitter",),
    "gap": ("take", "drop"),
}
"""Options that say how edits are done, and which edits these are."""


class Keep(click.ParamType):
    """N or P%, as ("count", n) or ("percent", p)."""

    name = "N|P%"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, float]:
        if isinstance(value, tuple):
            return value
        if value.endswith("%"):
            return "percent", PERCENT.convert(value[:-1], param, ctx)
        return "count", COUNT.convert(value, param, ctx)


class Echo(click.ParamType):
    """S,DB,N as (delay_s, db, n)."""

    name = "S,DB,N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, float, int]:
        if isinstance(value, tuple):
            return value
        parts = value.split(",")
        if len(parts) != 3:
            self.fail(f"{value!r} is not of the form S,DB,N, such as 0.3,-6,4.", param, ctx)
        delay_s, db = NOT_NEGATIVE.convert(parts[0], param, ctx), FINITE.convert(parts[1], param, ctx)
        return delay_s, db, AT_LEAST_ONE.convert(parts[2], param, ctx)


class Grid(click.ParamType):
    """Seconds, or beats a minute, such as 120bpm, or parts of a beat, such as 120bpm/4, as seconds."""

    name = "SECONDS|BPM"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if not isinstance(value, str) or "bpm" not in value:
            return float(POSITIVE.convert(value, param, ctx))
        tempo, _, parts = value.partition("bpm")
        if parts and not parts.startswith("/"):
            self.fail(f"{value!r} is neither seconds, nor a tempo such as 120bpm or 120bpm/4.", param, ctx)
        beats = AT_LEAST_ONE.convert(parts[1:], param, ctx) if parts else 1
        return 60.0 / float(POSITIVE.convert(tempo, param, ctx)) / beats


class InOrder(click.Command):
    """Notes the edits in the order of the command line; click itself gathers them by option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        _, _, order = self.make_parser(ctx).parse_args(list(args))
        rest = super().parse_args(ctx, args)
        values = {name: iter(given) for name, given in ctx.params.items() if isinstance(given, tuple)}
        names = [param.name for param in order if param.name in values]
        ctx.meta[EDITS_KEY] = [(name, next(values[name])) for name in names if name is not None]
        return rest


def merge_crops(edits: Iterable[Edit]) -> list[Edit]:
    """--start and --end become crops; one of each, next to each other, become one."""
    merged: list[Edit] = []
    for name, value in edits:
        if name not in ("start", "end"):
            merged.append((name, value))
            continue
        start_s, end_s = (value, None) if name == "start" else (None, value)
        if merged and merged[-1][0] == "crop":
            last_start_s, last_end_s = merged[-1][1]
            if (last_start_s if name == "start" else last_end_s) is None:
                merged.pop()
                start_s, end_s = (start_s, last_end_s) if name == "start" else (last_start_s, end_s)
        if start_s is not None and end_s is not None and end_s <= start_s:
            raise click.UsageError("--end must be after --start.")
        merged.append(("crop", (start_s, end_s)))
    return merged


def calls(edits: Iterable[Edit]) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Edits as `api.transform` takes them: names and arguments."""
    for name, value in edits:
        if name == "crop":
            start_s, end_s = value
            yield "crop", (start_s or 0.0, end_s)
        elif name == "keep":
            kind, amount = value
            yield "keep" if kind == "count" else "keep_percent", (amount,)
        elif name == "echo":
            yield name, value
        elif value is True:
            yield name, ()
        else:
            yield name, (value,)


def edit_flag(option: str, help_text: str) -> Callable[[F], F]:
    """An edit without a value, which may be given several times."""
    return click.option(option, flag_value=True, is_flag=True, type=bool, multiple=True, help=help_text)


def check_options(ctx: click.Context) -> None:
    """UsageError for an option of an edit that is not asked for."""
    for param in ctx.command.params:
        edits = OPTIONS_OF.get(param.name or "")
        if edits is None or ctx.get_parameter_source(param.name or "") is ParameterSource.DEFAULT:
            continue
        if not any(ctx.params[edit] for edit in edits):
            options = "/".join([*param.opts, *param.secondary_opts])
            raise click.UsageError(f"{options} needs {' or '.join(f'--{edit}' for edit in edits)}.")


def check_selections(edits: Iterable[Edit]) -> None:
    """UsageError for an edit that needs a selection and has none, or has one and is of the whole recording; and for a
    selection of which nothing is made."""
    selected, used = False, True
    for name, _ in calls(edits):
        if name == api.SELECT:
            if not used:
                break
            selected, used = True, False
            continue
        option = "--" + name.removesuffix("_percent").replace("_", "-")
        if name in ("take", "drop") and not selected:
            raise click.UsageError(f"{option} needs a --select EXPR before it: the events that it is of.")
        if selected and not api.takes_selection(name):
            option = "--start and --end are" if name == "crop" else f"{option} is"
            raise click.UsageError(f"{option} of the whole recording, not of a selection; put it before --select.")
        used = True
        selected &= name not in api.ENDS_SELECTION
    if not used:
        raise click.UsageError("Give an edit after --select, such as --take.")


@click.command(name="transform", cls=InOrder)
@input_argument
@sic_output_argument(required=True)
@select_option(
    "Let the edits that follow be of the events that EXPR selects, such as 'pitch > 200 and level > -30'.",
    multiple=True,
)
@edit_flag("--take", "Take the selected events out of their voices, and leave out all others.")
@edit_flag("--drop", "Leave out the selected events.")
@click.option(
    "--gap",
    type=click.Choice(["keep", "close"]),
    default=default_of(api.transform, "gap"),
    show_default=True,
    help="What becomes of a voice that loses events by --take or --drop: it pauses there, or goes on over the gap.",
)
@click.option(
    "--stretch", type=POSITIVE, multiple=True, metavar="F", help="Make the sound F times as long at the same pitch."
)
@click.option(
    "--events/--no-events",
    "stretch_events",
    default=default_of(api.transform, "stretch_events"),
    help="Whether --stretch makes events longer, too, or only what is between them.  [default: events]",
)
@click.option(
    "--transpose",
    type=FINITE,
    multiple=True,
    metavar="SEMITONES",
    help="Raise the pitch, or lower it with a negative number. The length stays the same.",
)
@click.option(
    "--timbre",
    type=click.Choice(["fixed", "follows"]),
    help="Whether --transpose leaves formants where they are, or moves the spectrum with the pitch."
    " [default: fixed in speech, follows in music]",
)
@click.option(
    "--glide",
    type=FINITE,
    multiple=True,
    metavar="SEMITONES",
    help="Slide the pitch of each voice by so much, from its beginning to its end (preset speech).",
)
@click.option(
    "--contour",
    type=FINITE,
    multiple=True,
    metavar="F",
    help="Let the pitch of each voice move F times as far: 0 is a monotone, 2 exaggerates.",
)
@click.option(
    "--gain",
    type=FINITE,
    multiple=True,
    metavar="DB",
    help="Make the sound louder, or softer with a negative number, in steps of 0.25 dB.",
)
@click.option(
    "--shift",
    type=FINITE,
    multiple=True,
    metavar=SECONDS,
    help="Delay all events, which makes the sound longer. A negative number cuts off as much at the start.",
)
@click.option(
    "--shorten-pauses",
    type=NOT_NEGATIVE,
    multiple=True,
    metavar=SECONDS,
    help="Let no pause be longer than this. What is to count as silence goes first, by --drop-below.",
)
@edit_flag("--reverse", "Play backwards. In music notes change places, and each keeps its attack and decay.")
@click.option("--start", type=NOT_NEGATIVE, multiple=True, metavar=SECONDS, help="Cut off everything before this time.")
@click.option("--end", type=POSITIVE, multiple=True, metavar=SECONDS, help="Cut off everything from this time on.")
@click.option(
    "--keep",
    type=Keep(),
    multiple=True,
    metavar="N|P%",
    help="Keep the N events, or the P % of all events, that matter most for the sound.",
)
@click.option(
    "--drop-below",
    type=FINITE,
    multiple=True,
    metavar="DB",
    help="Leave out events softer than this, in dB re full scale.",
)
@click.option("--attack", type=POSITIVE, multiple=True, metavar="F", help="Let sounds take F times as long to come in.")
@click.option("--decay", type=POSITIVE, multiple=True, metavar="F", help="Let sounds take F times as long to die away.")
@edit_flag("--whisper", "Make noise of all that is voiced (preset speech).")
@click.option(
    "--tilt", type=FINITE, multiple=True, metavar="DB", help="Make the spectrum brighter by DB an octave, or darker."
)
@click.option(
    "--room",
    type=FINITE,
    multiple=True,
    metavar="DB",
    help="Send so much of the sound to the room: 0 is most, -60 nothing.",
)
@click.option("--move-to", type=NOT_NEGATIVE, multiple=True, metavar=SECONDS, help="Move the first event to this time.")
@click.option(
    "--repeat",
    "--times",
    type=AT_LEAST_ONE,
    multiple=True,
    metavar="N",
    help="Let all be heard N times, one after another, or one --every so many seconds.",
)
@click.option("--every", "every_s", type=NOT_NEGATIVE, metavar=SECONDS, help="Time from each of --repeat to the next.")
@click.option(
    "--echo",
    type=Echo(),
    multiple=True,
    help="Add N echoes, each S seconds after the one before and louder by DB: 0.3,-6,4.",
)
@click.option(
    "--quantize-times",
    "quantise_times",
    type=Grid(),
    multiple=True,
    help="Move each voice or note to the nearest multiple of so many seconds, or beat of a tempo: 0.25, 120bpm,"
    " 120bpm/4.",
)
@click.option(
    "--jitter",
    type=NOT_NEGATIVE,
    multiple=True,
    metavar=SECONDS,
    help="Move each voice or note by a random time of up to this, earlier or later.",
)
@seed_option("Seed of --jitter.", api.transform)
@edit_flag("--unlink", "Let every event begin by itself.")
@output_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    input_path: str,
    output_path: str,
    force: bool,
    quiet: bool,
    timbre: Timbre | None,
    stretch_events: bool,
    every_s: float | None,
    seed: int,
    gap: Gap,
    **given: tuple[Any, ...],
) -> None:
    """Edit events: their time, pitch, level, spectrum and number.

    \b
    Examples:
      sic transform talk.sic slow.sic --stretch 1.5
      sic transform talk.sic high.sic --transpose 4 --gain -3
      sic transform talk.sic robot.sic --contour 0       # a monotone
      sic transform talk.sic secret.sic --whisper --tilt -2
      sic transform talk.sic klat.sic --reverse
      sic transform talk.sic part.sic --start 12.5 --end 20
      sic transform talk.sic sketch.sic --keep 50%
      sic transform talk.sic high.sic --select 'pitch > 200' --take
      sic transform talk.sic clean.sic --select 'level < -50' --drop

    Edits are applied in the order given, each to the result of the edits before it: '--stretch 2 --start 1' cuts at
    1 s of the stretched sound, '--start 1 --stretch 2' at 1 s of IN. An edit may be given several times. --start
    and --end next to each other are one cut: both times refer to the sound before the cut.

    --select chooses among the events as the edits before it left them. The edits after it are of these events, until
    the next --select, or until an edit has changed which events there are, or moved them: --take, --drop, --keep,
    --drop-below, --repeat, --echo, --move-to, --shift, --quantize-times, --jitter.
    """
    edits = merge_crops(ctx.meta[EDITS_KEY])
    if not edits:
        raise click.UsageError("Give at least one edit, such as --stretch 1.5.")
    check_options(ctx)
    check_selections(edits)

    from sparsecodec_cli.errors import NothingSelected, about
    from sparsecodec_cli.io.sic_files import read_table
    from sparsecodec_cli.io.warned import telling
    from sparsecodec_cli.io.weights_files import weights_beside

    table = read_table(input_path)
    with about(input_path), weights_beside(input_path), telling(input_path, NothingSelected):
        table = api.transform(
            table,
            calls(edits),
            timbre=timbre,
            stretch_events=stretch_events,
            every_s=every_s,
            seed=seed,
            gap=gap,
        )
    write_edited(table, output_path, input_paths=[input_path], about_path=input_path, force=force, quiet=quiet)
