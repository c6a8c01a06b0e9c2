"""How a block's events are coded: which codec, and both directions of each."""

from __future__ import annotations

from sparsecodec_formats.container.framing import Head
from sparsecodec_formats.errors import FormatError
from sparsecodec_formats.header import Header
from sparsecodec_formats.quantiser import QuantisedEvents

from . import range_codec, zstd_codec
from .statistics import MODELS


def encode_block(events: QuantisedEvents, header: Header) -> tuple[int, bytes]:
    """(codec, payload) of a block of one channel; `events` is not empty."""
    if header.model in MODELS:
        data, most = range_codec.encode_payload(events, header), zstd_codec.max_payload_bytes(len(events))
        believable = len(events) <= range_codec.MOST_EVENTS_A_BYTE * len(data)
        if believable and len(data) <= most:  # else nothing in it is as the statistics say
            return range_codec.CODEC, data
    return zstd_codec.CODEC, zstd_codec.encode_payload(events)


def decode_block(head: Head, data: bytes, header: Header) -> QuantisedEvents:
    """The events of a block; FormatError unless its codec is known and there are as many as its head says."""
    if head.codec == zstd_codec.CODEC:
        return zstd_codec.decode_payload(data, head.n_events, head.first_time, head.channel)
    if head.codec == range_codec.CODEC:
        return range_codec.decode_payload(data, header, head.n_events, head.first_time, head.channel)
    known = f"{zstd_codec.CODEC} and {range_codec.CODEC}"
    raise FormatError(f"its codec is {head.codec}; this version reads {known}: update sic")
