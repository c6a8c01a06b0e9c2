"""How a block's events are coded: which codec, and both directions of each."""

from __future__ import annotations

from sparsecodec_formats.errors import FormatError, SicError
from sparsecodec_formats.header import Header
from sparsecodec_formats.quantiser import QuantisedEvents

from . import range_codec, statistics, zstd_codec


def encode_block(events: QuantisedEvents, header: Header, codec: int | None = None) -> tuple[int, bytes]:
    """(codec, payload) of a block of one channel; `events` is not empty.

    codec: the one that it must be; None: the range codec, if the statistics suit the events. SicError where a block of
    this codec cannot hold them.
    """
    if header.statistics and codec != zstd_codec.CODEC:
        known, limit = statistics.load(header.statistics), zstd_codec.max_payload_bytes(len(events))
        data = range_codec.encode_payload(events, header, known, limit)
        if data is not None and len(events) <= range_codec.MAX_EVENTS_PER_BYTE * len(data):
            return range_codec.CODEC, data
        # else nothing in it is as the statistics say
    if codec not in (None, zstd_codec.CODEC):
        raise SicError(f"a block of codec {codec} cannot hold these events")
    return zstd_codec.CODEC, zstd_codec.encode_payload(events)


def decode_block(
    codec: int, payload: bytes, header: Header, n_events: int, first_time: int, channel: int
) -> tuple[QuantisedEvents, dict[str, float] | None]:
    """The events of a block, and what its parts take ideally, bits (None: the codec tells no probabilities).

    FormatError unless the codec is known and there are n_events of them.
    """
    if codec == zstd_codec.CODEC:
        return zstd_codec.decode_payload(payload, n_events, first_time, channel), None
    if codec == range_codec.CODEC:
        if not header.statistics:
            raise FormatError("its codec needs statistics, and the header names none")
        known = statistics.load(header.statistics)
        return range_codec.decode_payload(payload, header, known, n_events, first_time, channel)
    raise FormatError(
        f"its codec is {codec}; this version of the library reads {zstd_codec.CODEC} and {range_codec.CODEC},"
        " a newer one is needed"
    )
