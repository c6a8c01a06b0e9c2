"""What holds for a whole file: the source, the preset with its weights, and the grid that numbers are kept on."""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass, field, replace
from fractions import Fraction
from numbers import Real

from .errors import SicError, shown_value
from .gains import code_of_gain
from .steps import code_of_step
from .varint import MAX_INT

N_DIMS = 32
"""Numbers in an event's vector."""

MAX_U32 = 2**32 - 1
MAX_CHANNELS = 255
MAX_STREAMS = 255

MAX_TAG_BYTES = 65_000
"""All keys and values of the tags together, as UTF-8."""

WEIGHTS_HASH_BYTES = 4
NO_WEIGHTS = bytes(WEIGHTS_HASH_BYTES)

_MODEL_NAME = re.compile(r"[a-z0-9._-]{1,32}")


@dataclass(frozen=True)
class Header:
    """What holds for a whole file. `Header(16000, 1, 48000)` suffices for events that are written by hand.

    Attributes:
        sample_rate: of the source, Hz, 1..2**32-1.
        channels: of the source, 1..255.
        n_samples: exact length of the source per channel, 0..2**48-1.
        model: preset that made the vectors, 1..32 characters of a-z 0-9 . _ -
        weights_hash: first 4 bytes of the SHA-256 of the weights file; zeros = none named: any of the preset will do.
        time_unit: seconds per unit of time in the file; both terms below 2**32.
        step: quantiser step of each of the 32 dims, as made by `nearest_step`; an eighth keeps numbers set by hand.
        seed: of the decoder's noise, 0..2**32-1.
        tags: free text by key; keys are not empty and hold no "=" and no control characters.
        statistics: number of those that blocks are coded with, 0..255, as in blocks/statistics; 0 = none.
        gains: of each channel, the gain of each coded stream in it, as made by `nearest_gain`; 1..255 streams.
            Empty: every channel is a stream of its own (which is also what an identity becomes).
        noise: of each stream, the number that its noise is drawn by, 0..2**32-1. Empty: 0, 1, 2, … (which is also what
            these become).

    Raises SicError when made with anything else.
    """

    sample_rate: int
    channels: int
    n_samples: int
    model: str = "speech"
    weights_hash: bytes = NO_WEIGHTS
    time_unit: Fraction = Fraction(64, 22_050)
    step: tuple[float, ...] = (0.125,) * N_DIMS
    seed: int = 0
    tags: dict[str, str] = field(default_factory=dict, hash=False)
    statistics: int = 0
    gains: tuple[tuple[float, ...], ...] = ()
    noise: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name, low, high in (
            ("sample_rate", 1, MAX_U32),
            ("channels", 1, MAX_CHANNELS),
            ("n_samples", 0, MAX_INT),
            ("seed", 0, MAX_U32),
            ("statistics", 0, 255),
        ):
            self._set(name, whole_number(name, getattr(self, name), low, high))
        if not (isinstance(self.model, str) and _MODEL_NAME.fullmatch(self.model)):
            raise SicError(f"model name {shown_value(self.model)} is not 1 to 32 characters of a-z 0-9 . _ -")
        if not isinstance(self.weights_hash, bytes) or len(self.weights_hash) != WEIGHTS_HASH_BYTES:
            raise SicError(f"weights_hash is {shown_value(self.weights_hash)}; it must be {WEIGHTS_HASH_BYTES} bytes")
        try:
            self._set("time_unit", Fraction(self.time_unit))
            self._set("step", tuple(float(step) for step in self.step))
            self._set("tags", dict(self.tags))
        except (TypeError, ValueError, OverflowError):
            raise SicError("time_unit must be a number, step a list of numbers, and tags a dict of texts") from None
        if not (self.time_unit > 0 and max(self.time_unit.as_integer_ratio()) <= MAX_U32):
            raise SicError(f"time_unit {self.time_unit} s is not a positive ratio of numbers below 2**32")
        if len(self.step) != N_DIMS:
            raise SicError(f"step has {len(self.step)} numbers; it must have {N_DIMS}")
        for step in self.step:
            code_of_step(step)
        _check_tags(self.tags)
        self._set("gains", tuple(tuple(float(gain) for gain in row) for row in self.gains))
        _check_gains(self.gains, self.channels)
        if self.gains and self.gains == _alone(self.channels):
            self._set("gains", ())
        self._set("noise", tuple(whole_number("a number of noise", number, 0, MAX_U32) for number in self.noise))
        if self.noise and len(self.noise) != self.streams:
            raise SicError(
                f"there are {len(self.noise)} numbers of noise; one for each of {self.streams} streams is needed"
            )
        if self.noise == tuple(range(self.streams)):
            self._set("noise", ())

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    @property
    def duration_s(self) -> float:
        """Length of the source in seconds."""
        return self.n_samples / self.sample_rate

    @property
    def streams(self) -> int:
        """How many streams are coded; what `EventTable.channel` counts."""
        return len(self.gains[0]) if self.gains else self.channels

    @property
    def stream_gains(self) -> tuple[tuple[float, ...], ...]:
        """`gains`, an identity where it is empty: [channels][streams]."""
        return self.gains or _alone(self.channels)

    @property
    def noise_numbers(self) -> tuple[int, ...]:
        """`noise`, the streams' own numbers where it is empty: [streams]."""
        return self.noise or tuple(range(self.streams))

    def of_streams(self) -> Header:
        """The header of a recording whose channels are this one's streams."""
        return replace(self, channels=self.streams, gains=())


def whole_number(name: str, value: object, low: int, high: int) -> int:
    """A value of any type of whole numbers, or a float without a fraction, as an int; SicError for any other."""
    try:
        number = operator.index(value)  # type: ignore[arg-type]  # that is the question
    except TypeError:
        if not (isinstance(value, Real) and float(value).is_integer()):
            raise SicError(f"{name} must be a whole number, not {shown_value(value)}") from None
        number = int(float(value))
    if not low <= number <= high:
        raise SicError(f"{name} is {number}; it must be in {low}..{high}")
    return number


def _alone(channels: int) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(stream == channel) for stream in range(channels)) for channel in range(channels))


def _check_gains(gains: tuple[tuple[float, ...], ...], channels: int) -> None:
    lengths = sorted({len(row) for row in gains})
    if gains and (len(gains) != channels or len(lengths) > 1 or not 1 <= lengths[0] <= MAX_STREAMS):
        raise SicError(
            f"the gains are {len(gains)} rows of {lengths} streams; a row for each of the {channels} channels is"
            f" needed, all of 1..{MAX_STREAMS} streams"
        )
    for row in gains:
        for gain in row:
            code_of_gain(gain)


def _check_tags(tags: dict[str, str]) -> None:
    n_bytes = 0
    for key, value in tags.items():
        if not (isinstance(key, str) and isinstance(value, str)):
            raise SicError(f"tag {shown_value(key)} is {shown_value(value)}; both must be text")
        if not key or "=" in key or any(ord(c) < 32 or ord(c) == 127 for c in key):
            raise SicError(f"tag key {key!r} is empty or holds '=' or a control character")
        try:
            n_bytes += len(key.encode()) + len(value.encode())
        except UnicodeEncodeError:
            raise SicError(f"tag {key!r} holds text that is not Unicode") from None
    if n_bytes > MAX_TAG_BYTES:
        raise SicError(f"the tags take {n_bytes} bytes; at most {MAX_TAG_BYTES} fit")
