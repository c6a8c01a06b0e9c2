"""Text in colours on a terminal, or without them where it shows none.

How wide it is and which colours it knows are told as rich tells them. Of rich, which draws what moves and takes long to
import, only the table of colours is used.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Literal, NamedTuple, TextIO, TypeAlias

Run: TypeAlias = tuple[str, str]
"""Text, and its style: "" for none, "bold", or a colour: "#rrggbb", or a name that rich has."""
Line: TypeAlias = Iterable[Run]
Depth: TypeAlias = Literal["STANDARD", "EIGHT_BIT", "TRUECOLOR"]
"""Of colours, as rich's `ColorSystem` names them: 16, 256, or 2**24 of them."""

_DEPTHS: Mapping[str, Depth] = {"kitty": "EIGHT_BIT", "256color": "EIGHT_BIT"}  # by the end of TERM
DEFAULT_WIDTH = 80


class Screen(NamedTuple):
    """What text is printed on.

    Attributes:
        width: characters, above 0.
        is_terminal: whether it knows escape codes.
        depth: of its colours; None where it shows none.
    """

    width: int = DEFAULT_WIDTH
    is_terminal: bool = False
    depth: Depth | None = None

    @classmethod
    def of(cls, stream: TextIO | None, environment: Mapping[str, str]) -> Screen:
        """That of a stream. COLUMNS, TERM, COLORTERM, NO_COLOR, FORCE_COLOR and TTY_COMPATIBLE are heeded."""
        is_terminal = _is_terminal(stream, environment)
        is_dumb = is_terminal and environment.get("TERM", "").lower() in ("dumb", "unknown")
        knows_codes = is_terminal and not is_dumb
        depth = _depth(environment) if knows_codes and not environment.get("NO_COLOR") else None
        return cls(_width(environment, is_dumb=is_dumb), knows_codes, depth)

    def text_of(self, line: Line) -> str:
        """The line with the escape codes that this screen knows."""
        return "".join(self._styled(text, style) for text, style in line)

    def _styled(self, text: str, style: str) -> str:
        if not text or not style or not self.is_terminal:
            return text
        if style == "bold":
            return f"\x1b[1m{text}\x1b[0m"
        return text if self.depth is None else f"\x1b[{_code(style, self.depth)}m{text}\x1b[0m"


def print_lines(lines: Iterable[Line], screen: Screen) -> None:
    """Print lines on stdout, of which `screen` is."""
    print("\n".join(map(screen.text_of, lines)))


def stdout_screen() -> Screen:
    """What is printed on."""
    if sys.platform == "win32":
        import colorama  # which click brings along there

        colorama.just_fix_windows_console()  # older ones know escape codes once they are told so
    return Screen.of(sys.stdout, os.environ)


def _is_terminal(stream: TextIO | None, environment: Mapping[str, str]) -> bool:
    compatible, forced = environment.get("TTY_COMPATIBLE"), environment.get("FORCE_COLOR")
    if compatible in ("0", "1"):
        return compatible == "1"
    if forced is not None:
        return forced != ""
    return stream is not None and stream.isatty()


def _depth(environment: Mapping[str, str]) -> Depth:
    if sys.platform == "win32" or environment.get("COLORTERM", "").strip().lower() in ("truecolor", "24bit"):
        return "TRUECOLOR"  # which Windows has since its version 10
    return _DEPTHS.get(environment.get("TERM", "").strip().lower().rpartition("-")[2], "STANDARD")


def _width(environment: Mapping[str, str], *, is_dumb: bool) -> int:
    """COLUMNS, where containers and editors set 0 for unknown; else that of the terminal."""
    columns = environment.get("COLUMNS", "")
    if columns.isdecimal() and int(columns):
        return int(columns)
    for descriptor in () if is_dumb else (0, 1, 2):  # a pager has stdout, and the terminal the others
        try:
            return os.get_terminal_size(descriptor).columns or DEFAULT_WIDTH
        except OSError:
            continue
    return DEFAULT_WIDTH


@cache
def _code(colour: str, depth: Depth) -> str:
    from rich.color import Color, ColorSystem

    return ";".join(Color.parse(colour).downgrade(ColorSystem[depth]).get_ansi_codes())
