"""Arguments and options that several commands share, as decorators."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from sparsecodec_cli import api

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

F = TypeVar("F", bound=Callable[..., Any])

SECONDS = "SECONDS"
MAX_SEED = 2**32 - 1


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


def output_argument(*, required: bool) -> Callable[[F], F]:
    return click.argument("output_path", metavar="OUT" if required else "[OUT]", required=required, type=FILE)


def output_options(function: F) -> F:
    """-f/--force and -q/--quiet."""
    function = quiet_option(function)
    return click.option("-f", "--force", is_flag=True, help="Overwrite OUT if it exists.")(function)


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


def json_option(function: F) -> F:
    return click.option(
        "--json", "as_json", is_flag=True, help="Print JSON. Its keys stay the same from version to version."
    )(function)
