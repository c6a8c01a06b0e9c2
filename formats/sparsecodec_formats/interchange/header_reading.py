"""A header from its fields, as `rows.header_fields` tells them; docs/exchange.md has them all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from sparsecodec_formats.errors import SicError, shown_value
from sparsecodec_formats.header import NO_WEIGHTS, Header

SAID_TOO = frozenset({"duration_s"})
"""Fields that are told beside others, and are passed over."""


def header_of(fields: Any, like: Header | None = None) -> Header:
    """The header that these fields tell; what they leave out is that of `like`, or else usual.

    SicError for a field that is not known or cannot be, and where neither tells the sample rate or the length.
    """
    if not isinstance(fields, Mapping):
        raise SicError(f"its header is {shown_value(fields)}; it must have fields, such as sample_rate_hz")
    for name in fields:
        if name not in _FIELDS and name not in SAID_TOO:
            raise SicError(f"its header has a field {shown_value(name)}; there are {', '.join(_FIELDS)}")
    given: dict[str, Any] = {}
    for name, (attribute, parsed) in _FIELDS.items():
        if name in fields:
            try:
                given[attribute] = parsed(fields[name])
            except (TypeError, ValueError, ArithmeticError, AttributeError):
                raise SicError(f"its header's {name} cannot be {shown_value(fields[name])}") from None
    if like is None:
        missing = [name for name in ("sample_rate_hz", "n_samples") if name not in fields]
        if missing:
            raise SicError(f"its header tells no {' and no '.join(missing)}")
    try:
        return replace(like, **given) if like is not None else Header(**{"channels": 1, **given})
    except SicError as error:
        raise SicError(f"its header cannot be: {error}") from None


def _weights_hash(value: Any) -> bytes:
    return NO_WEIGHTS if value is None else bytes.fromhex(value)


def _gains(value: Any) -> Any:
    return () if value is None else tuple(tuple(row) for row in value)


def _ratio(value: Any) -> Fraction:
    numerator, denominator = value
    return Fraction(numerator, denominator)


def _step(value: Any) -> Any:
    return tuple(value)


def _as_it_is(value: Any) -> Any:
    return value


_FIELDS: Mapping[str, tuple[str, Any]] = {
    "model": ("model", _as_it_is),
    "weights_hash": ("weights_hash", _weights_hash),
    "statistics": ("statistics", _as_it_is),
    "sample_rate_hz": ("sample_rate", _as_it_is),
    "channels": ("channels", _as_it_is),
    "gains": ("gains", _gains),
    "noise": ("noise", lambda value: () if value is None else tuple(value)),
    "n_samples": ("n_samples", _as_it_is),
    "time_unit": ("time_unit", _ratio),
    "step": ("step", _step),
    "seed": ("seed", _as_it_is),
    "tags": ("tags", _as_it_is),
}
