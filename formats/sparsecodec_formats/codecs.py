"""How a block's events are coded: which codec, and both directions of each."""

from __future__ import annotations

from . import modelled, payload
from .errors import FormatError
from .events import Header
from .framing import Head
from .quantiser import QuantisedEvents
from .statistics import MODELS


def encode_block(events: QuantisedEvents, header: Header) -> tuple[int, bytes]:
    """(codec, payload) of a block of one channel; `events` is not empty."""
    if header.model in MODELS:
        data, most = modelled.encode_payload(events, header), payload.max_payload_bytes(len(events))
        believable = len(events) <= modelled.MOST_EVENTS_A_BYTE * len(data)
        if believable and len(data) <= most:  # else nothing in it is as the statistics say
            return modelled.CODEC, data
    return payload.CODEC, payload.encode_payload(events)


def decode_block(head: Head, data: bytes, header: Header) -> QuantisedEvents:
    """The events of a block; FormatError unless its codec is known and there are as many as its head says."""
    if head.codec == payload.CODEC:
        return payload.decode_payload(data, head.n_events, head.first_time, head.channel)
    if head.codec == modelled.CODEC:
        return modelled.decode_payload(data, header, head.n_events, head.first_time, head.channel)
    raise FormatError(f"its codec is {head.codec}; this version reads {payload.CODEC} and {modelled.CODEC}: update sic")
