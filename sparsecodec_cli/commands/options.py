"""Arguments and options that several commands share, as decorators."""

from __future__ import annotations

import inspect
import math
import os
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from sparsecodec_cli import api

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from sparsecodec_cli.io.raw_format import RawFormat

F = TypeVar("F", bound=Callable[..., Any])

SECONDS = "SECONDS"
MAX_SEED = 2**32 - 1
MAX_THREADS = 256
MAX_RAW_RATE_HZ = 2**31 - 1

# fmt: off
AUDIO_EXTENSIONS = {
    "3gp", "aac", "ac3", "aif", "aifc", "aiff", "alac", "amr", "ape", "au", "caf", "dff", "dsf", "flac", "m4a", "m4b",
    "mka", "mkv", "mov", "mp2", "mp3", "mp4", "mpc", "oga", "ogg", "opus", "pcm", "raw", "rf64", "snd", "sph", "spx",
    "tta", "voc", "w64", "wav", "wave", "webm", "wma", "wv",
}
# fmt: on
"""Extensions of recordings, in lower case, of formats that sic writes and of others."""


class FiniteFloat(click.FloatRange):
    """A number within bounds; 'nan' and 'inf', which float() takes, are refused."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = click.FLOAT.convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return super().convert(value, param, ctx)

    def _describe_range(self) -> str:
        return "" if self.min is None and self.max is None else super()._describe_range()


class EventRange(click.ParamType):
    """N or N-M, both counted, as a range of the indices of events."""

    name = "N|N-M"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> range:
        if isinstance(value, range):
            return value
        match = re.fullmatch(r"([0-9]{1,15})(?:-([0-9]{1,15}))?", value)
        if match is None:
            self.fail(f"{value!r} is neither an event, such as 3, nor a range of them, such as 3-7.", param, ctx)
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            self.fail(f"{value!r} ends before it begins.", param, ctx)
        return range(first, last + 1)


class FileName(click.ParamType):
    """A path as it is given, which the shell completes. Whether there is such a file is found where it is opened."""

    name = "path"

    def __init__(self, kind: Literal["file", "dir"], names: Callable[[], Iterable[str]] = tuple) -> None:
        """kind: what to complete to, besides the names that may stand in place of a path."""
        self._kind, self._names = kind, names

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        names = [CompletionItem(name) for name in self._names() if name.startswith(incomplete)]
        return [*names, CompletionItem(incomplete, type=self._kind)]


def model_names() -> list[str]:
    from sparsecodec_models.presets import PRESETS

    return [*PRESETS]


FILE = FileName("file")
FOLDER = FileName("dir")
POSITIVE = FiniteFloat(min=0, min_open=True)
NOT_NEGATIVE = FiniteFloat(min=0)
FINITE = FiniteFloat()


def input_argument(function: F) -> F:
    return click.argument("input_path", metavar="IN", type=FILE)(function)


def sic_inputs_argument(function: F) -> F:
    """One or more .sic files, to be made one."""
    return click.argument("input_paths", metavar="IN...", type=FILE, nargs=-1, required=True)(function)


def output_argument(*, required: bool) -> Callable[[F], F]:
    return click.argument("output_path", metavar="OUT" if required else "[OUT]", required=required, type=FILE)


def sic_output_argument(*, required: bool) -> Callable[[F], F]:
    """OUT that is a .sic file: the name of a recording is refused, which was meant as another IN, or as decoded OUT."""
    metavar = "OUT" if required else "[OUT]"
    return click.argument(
        "output_path", metavar=metavar, required=required, type=FILE, callback=refuse_name_of_recording
    )


def refuse_name_of_recording(
    ctx: click.Context, param: click.Parameter | None, path: str | None, or_else: str = ""
) -> str | None:
    """A callback for the path of a .sic file that is written. or_else: what else the user may have meant to do."""
    stem, extension = os.path.splitext(path or "")
    if extension[1:].lower() in AUDIO_EXTENSIONS:
        from sparsecodec_cli.errors import shown

        name = shown(os.path.basename(stem) + ".sic")
        raise click.UsageError(f"{shown(path or '')}: OUT is a .sic file, not audio; name it {name}{or_else}.", ctx)
    return path


def parse_tags(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, str] | None:
    """KEY=VALUE of options or arguments, as tags; None when there are none."""
    tags: dict[str, str] = {}
    for value in values:
        key, equals, text = value.partition("=")
        if not (key and equals):
            raise click.BadParameter(f"{value!r} is not of the form KEY=VALUE.", ctx, param)
        if key in tags:
            raise click.BadParameter(f"{key!r} is given twice.", ctx, param)
        tags[key] = text
    return tags or None


def output_options(function: F) -> F:
    """-f/--force and -q/--quiet."""
    return force_option("Overwrite OUT if it exists.")(quiet_option(function))


def force_option(help_text: str) -> Callable[[F], F]:
    return click.option("-f", "--force", is_flag=True, help=help_text)


def quiet_option(function: F) -> F:
    return click.option("-q", "--quiet", is_flag=True, help="Print errors only.")(function)


def default_of(function: Callable[..., Any], parameter: str) -> Any:
    """The default of a function's parameter, for the option that sets it."""
    return inspect.signature(function).parameters[parameter].default


def model_option(help_text: str, *, default: str | None = None, show_default: bool = False) -> Callable[[F], F]:
    names = model_names if default is None else lambda: [default, *model_names()]
    return click.option(
        "--model",
        type=FileName("file", names),
        metavar="NAME|PATH",
        default=default,
        show_default=show_default,
        help=help_text,
    )


def exchange_format_option(help_text: str, formats: Sequence[str]) -> Callable[[F], F]:
    return click.option("--format", type=click.Choice(formats), help=help_text)


def seed_option(help_text: str, function: Callable[..., Any]) -> Callable[[F], F]:
    """--seed, with the default that `function` has for it."""
    default = default_of(function, "seed")
    return click.option(
        "--seed",
        type=click.IntRange(0, MAX_SEED),
        metavar="N",
        default=default,
        show_default=default is not None,
        help=help_text,
    )


def device_option(function: F) -> F:
    return click.option(
        "--device",
        type=click.Choice(["auto", "cpu", "cuda", "mps"]),
        default=default_of(api.load_codec, "device"),
        show_default=True,
        help="Device that the model runs on; 'auto' takes a GPU if there is one.",
    )(function)


def raw_options(function: F) -> F:
    """--raw-rate, --raw-channels and --raw-format; `raw_format_of` makes one of the three."""
    from sparsecodec_cli.io.raw_format import RAW_CODINGS

    function = click.option(
        "--raw-format",
        "raw_coding",
        type=click.Choice(list(RAW_CODINGS)),
        metavar="FORMAT",
        help=f"Coding of the samples of such an IN: {', '.join(RAW_CODINGS)}. [default: s16le]",
    )(function)
    function = click.option(
        "--raw-channels",
        type=click.IntRange(1, 255),
        metavar="N",
        help="Number of channels of such an IN, whose samples follow each other. [default: 1]",
    )(function)
    return click.option(
        "--raw-rate",
        type=click.IntRange(1, MAX_RAW_RATE_HZ),
        metavar="HZ",
        help="IN has no header, only samples, at this sample rate.",
    )(function)


def raw_format_of(rate: int | None, channels: int | None, coding: str | None) -> RawFormat | None:
    """What the raw options say of IN; None when it has a header. UsageError when they do not say enough."""
    if rate is None:
        if channels is not None or coding is not None:
            given = "--raw-format" if channels is None else "--raw-channels"
            raise click.UsageError(f"{given} needs --raw-rate, the sample rate of IN.")
        return None
    from sparsecodec_cli.io.raw_format import RawFormat

    default = RawFormat(rate)
    return RawFormat(rate, channels or default.channels, coding or default.coding)


def select_option(help_text: str, *, multiple: bool = False) -> Callable[[F], F]:
    """--select EXPR; a text that is no expression is wrong use."""
    return click.option("--select", metavar="EXPR", multiple=multiple, callback=_check_selection, help=help_text)


def _check_selection(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
    expressions = value if isinstance(value, tuple) else () if value is None else (value,)
    if expressions:
        from sparsecodec_formats import SicError, selection

        for expression in expressions:
            try:
                selection.check(expression)
            except SicError as error:
                raise click.UsageError(f"--select: {error}.", ctx) from None
    return value


def json_option(function: F) -> F:
    return click.option(
        "--json", "as_json", is_flag=True, help="Print JSON. Its keys stay the same from version to version."
    )(function)
