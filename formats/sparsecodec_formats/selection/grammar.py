"""The grammar of selections: a text → a tree, which tells of any values of its fields which events it selects.

    either      = both { "or" both }
    both        = one { "and" one }
    one         = { "not" } ( "(" either ")" | flag | comparison )
    comparison  = operand operator operand { operator operand }
    operator    = "<" | "<=" | ">" | ">=" | "==" | "!="
    operand     = number | field

A chain, `100 < pitch < 200`, holds where each of its comparisons does.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.errors import SicError

MOST_CHARACTERS = 2_000
DEEPEST = 50
"""Parentheses and "not" within each other, so that no text exhausts the stack."""

SHOWN = 40
"""Characters on either side of what is wrong, in a message."""

COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
WORDS = ("and", "or", "not")

_TOKEN = re.compile(
    r"(?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)|(?P<word>[A-Za-z_]\w*)|(?P<sign><=|>=|==|!=|[<>()])",
    re.ASCII,
)

Bools = NDArray[np.bool_]
Values = Mapping[str, NDArray[Any]]
"""Of each field of a tree a value for each of n events; a flag's are bool."""


class Node(Protocol):
    """A tree, or a part of it."""

    def of(self, values: Values) -> Bools:
        """Which of n events it selects, bool [n]."""


@dataclass(frozen=True)
class Flag:
    field: str

    def of(self, values: Values) -> Bools:
        return np.asarray(values[self.field], bool)


@dataclass(frozen=True)
class Comparison:
    """A chain: operands, fields or numbers, and the signs between them. What an event does not have, NaN, compares with
    nothing."""

    operands: tuple[str | float, ...]
    signs: tuple[str, ...]

    def of(self, values: Values) -> Bools:
        operands = [values[each] if isinstance(each, str) else each for each in self.operands]
        holds = ~np.logical_or.reduce([np.isnan(each) for each in np.broadcast_arrays(*operands)])
        for sign, left, right in zip(self.signs, operands, operands[1:], strict=False):
            holds &= COMPARE[sign](left, right)
        return holds


@dataclass(frozen=True)
class Not:
    part: Node

    def of(self, values: Values) -> Bools:
        return ~self.part.of(values)


@dataclass(frozen=True)
class All:
    """And."""

    parts: tuple[Node, ...]

    def of(self, values: Values) -> Bools:
        return np.logical_and.reduce([part.of(values) for part in self.parts])


@dataclass(frozen=True)
class Any_:
    """Or."""

    parts: tuple[Node, ...]

    def of(self, values: Values) -> Bools:
        return np.logical_or.reduce([part.of(values) for part in self.parts])


def parse(text: str, fields: Collection[str], flags: Collection[str]) -> tuple[Node, frozenset[str]]:
    """The tree of a text, and the fields and flags that it names; SicError, in one line, where it is none.

    fields: names of numbers; flags: names of what is so or not.
    """
    if len(text) > MOST_CHARACTERS:
        raise SicError(f"the selection has {len(text)} characters; {MOST_CHARACTERS} are the most")
    parser = _Parser(text, fields, flags)
    tree = parser.either()
    if parser.token.kind != "end":
        raise parser.error("'and', 'or' or the end was expected")
    return tree, frozenset(parser.named)


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    place: int


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        match = _TOKEN.match(text, at)
        if match is None:
            kind, found = "unknown", text[at]
        else:
            kind, found = match.lastgroup or "", match[0]
        yield _Token(kind, found, at)
        at += len(found)
    yield _Token("end", "", len(text))


class _Parser:
    """By recursive descent; `token` is the next one."""

    def __init__(self, text: str, fields: Collection[str], flags: Collection[str]) -> None:
        self._text, self._fields, self._flags = text, fields, flags
        self._tokens = _tokens(text)
        self._depth = 0
        self.named: set[str] = set()
        self.token = next(self._tokens)

    def error(self, expected: str) -> SicError:
        """That something else was expected at the next token."""
        found = "the end" if self.token.kind == "end" else repr(self.token.text)
        place = self.token.place
        first, stop = max(0, place - SHOWN), place + SHOWN
        shown = "…" * (first > 0) + self._text[first:stop] + "…" * (stop < len(self._text))
        return SicError(f"the selection {shown!r} is wrong at character {place + 1}: {expected}, not {found}")

    def either(self) -> Node:
        parts = [self._both()]
        while self._takes("or"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else Any_(tuple(parts))

    def _both(self) -> Node:
        parts = [self._one()]
        while self._takes("and"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _one(self) -> Node:
        if self.token.text in ("not", "("):
            self._depth += 1
            if self._depth > DEEPEST:
                raise self.error(f"parentheses and 'not' may be {DEEPEST} deep")
            if self._takes("not"):
                part: Node = Not(self._one())
            else:
                self._next()
                part = self.either()
                if not self._takes(")"):
                    raise self.error("')', 'and' or 'or' was expected")
            self._depth -= 1
            return part
        if self.token.text in self._flags:
            flag = self._next().text
            self.named.add(flag)
            if self.token.text in COMPARE:
                raise self.error(f"{flag!r} is so or not, as it stands, or after 'not': 'and', 'or' or the end was"
                                 " expected")  # fmt: skip
            return Flag(flag)
        return self._comparison()

    def _comparison(self) -> Node:
        place = self.token
        operands, signs = [self._operand()], []
        while self.token.text in COMPARE:
            signs.append(self._next().text)
            operands.append(self._operand())
        if not signs:
            raise self.error("one of < <= > >= == != was expected")
        if not any(isinstance(operand, str) for operand in operands):
            self.token = place
            raise self.error("a comparison with a field was expected")
        return Comparison(tuple(operands), tuple(signs))

    def _operand(self) -> str | float:
        if self.token.kind == "number":
            return float(self._next().text)
        if self.token.kind == "word" and self.token.text in self._fields:
            name = self._next().text
            self.named.add(name)
            return name
        if self.token.kind == "word" and self.token.text not in (*WORDS, *self._flags):
            raise self.error(f"a number or one of {', '.join([*self._fields, *self._flags])} was expected")
        raise self.error("a number or a field, such as pitch, was expected")

    def _takes(self, text: str) -> bool:
        if self.token.text != text:
            return False
        self._next()
        return True

    def _next(self) -> _Token:
        token, self.token = self.token, next(self._tokens)
        return token
