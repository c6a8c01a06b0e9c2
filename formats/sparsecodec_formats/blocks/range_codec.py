"""Codec 1: the numbers of a block, range coded with the statistics it is given."""

from __future__ import annotations

from typing import Protocol

from sparsecodec_formats.crc import CHECK_BYTES, check_of
from sparsecodec_formats.errors import FormatError
from sparsecodec_formats.header import Header
from sparsecodec_formats.quantiser import QuantisedEvents

from . import block
from .block import Coded
from .statistics import Statistics

CODEC = 1
MAX_EVENTS_PER_BYTE = 64
"""More is no sound, and would keep a reader busy."""

_EVENTS_IN_PYTHON = 150
"""Of a process, before the kernel is loaded, which takes as long as twice as many do."""


class _BlockCoder(Protocol):
    """What codes blocks, as the module `block` does."""

    def read(self, data: bytes, header: Header, statistics: Statistics, n: int, first_time: int) -> Coded: ...

    def write(self, events: QuantisedEvents, header: Header, statistics: Statistics, limit: int) -> Coded: ...


class Choice:
    """Which of the two that do the same codes the next block: `block` for a clip, the kernel from then on."""

    def __init__(self) -> None:
        self._n_events = 0

    def __call__(self, n_events: int) -> _BlockCoder:
        self._n_events += n_events
        if self._n_events > _EVENTS_IN_PYTHON:
            from . import kernel

            found = kernel.of_this_thread()
            if found is not None:
                return found
        return block


_coder = Choice()


def encode_payload(events: QuantisedEvents, header: Header, statistics: Statistics, limit: int) -> bytes | None:
    """The payload of a block of one channel; `events` is not empty. None where it takes more than `limit` bytes."""
    data = _coder(len(events)).write(events, header, statistics, limit - CHECK_BYTES).data
    return None if data is None else check_of(data) + data


def decode_payload(
    payload: bytes, header: Header, statistics: Statistics, n_events: int, first_time: int, channel: int
) -> tuple[QuantisedEvents, dict[str, float]]:
    """The events of a block, and what each part of it takes under the statistics (as `part_bits` has it).

    FormatError for anything but n_events of them in legal ranges.
    """
    if n_events > MAX_EVENTS_PER_BYTE * len(payload):
        raise FormatError(f"{n_events} events cannot be in {len(payload)} bytes")
    data = payload[CHECK_BYTES:]
    if payload[:CHECK_BYTES] != check_of(data):
        raise FormatError("the check of its numbers does not match")
    coded = _coder(n_events).read(data, header, statistics, n_events, first_time)
    coded.events.channel[:] = channel
    return coded.events, coded.bits


def part_bits(events: QuantisedEvents, header: Header, statistics: Statistics) -> dict[str, float]:
    """What each part of a block takes under the statistics, bits: times, the dims by name, amplitude."""
    return _coder(len(events)).write(events, header, statistics, 0).bits
