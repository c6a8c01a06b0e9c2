"""Codec 0: the columns of a block as msgpack in one zstd frame.

Both packages are imported when a block is of this codec, which most are not.
"""

from __future__ import annotations

import numpy as np

from sparsecodec_formats.errors import FormatError
from sparsecodec_formats.header import N_DIMS
from sparsecodec_formats.quantiser import MAX_LEVEL_CODE, MAX_VECTOR_CODE, QuantisedEvents
from sparsecodec_formats.varint import MAX_INT, decode_varints, encode_varints, unzigzag, zigzag

CODEC = 0
CHECKSUM_BYTES = 4
_LEVEL = 19
_MAX_WINDOW_BYTES = 2**23


def max_raw_bytes(n_events: int) -> int:
    """The most that n events take before compression: times 7, vectors 32 x 4, amplitude 2 bytes each."""
    return 16 + n_events * (7 + N_DIMS * 4 + 2)


def max_payload_bytes(n_events: int) -> int:
    """The most that n events take in a file: zstd adds at most 1/128 and a frame's head and checksum."""
    raw = max_raw_bytes(n_events)
    return raw + raw // 128 + 64


def pack_columns(events: QuantisedEvents) -> list[bytes]:
    """Times, vectors and, unless every amplitude is 1, amplitudes of a block of one channel."""
    columns = [
        encode_varints(np.diff(events.time_index)),  # the first is in the block's head
        encode_varints(zigzag(events.vector.T.reshape(-1).astype(np.int64))),
    ]
    if events.amplitude.any():
        columns.append(encode_varints(zigzag(events.amplitude.astype(np.int64))))
    return columns


def compress(data: bytes) -> bytes:
    """One zstd frame with content size and checksum."""
    import zstandard

    return zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True, write_content_size=True).compress(data)


def encode_payload(events: QuantisedEvents) -> bytes:
    """The payload of a block of one channel; `events` is not empty."""
    import msgpack

    return compress(msgpack.packb(pack_columns(events)))


def decode_payload(payload: bytes, n_events: int, first_time: int, channel: int) -> QuantisedEvents:
    """The events of a block; FormatError for anything but n_events of them in legal ranges."""
    columns = _unpack(_decompress(payload, max_raw_bytes(n_events)))
    time_index = first_time + np.cumsum(
        np.concatenate([[0], decode_varints(columns[0], n_events - 1, MAX_INT)]), dtype=np.float64
    )
    if time_index[-1] > MAX_INT:  # summed as doubles, for a sum of hostile integers could wrap around
        raise FormatError("a time is too late")
    vector = unzigzag(decode_varints(columns[1], n_events * N_DIMS, 2 * MAX_VECTOR_CODE))
    if len(columns) > 2:
        amplitude = unzigzag(decode_varints(columns[2], n_events, 2 * MAX_LEVEL_CODE + 1))
    else:
        amplitude = np.zeros(n_events, np.int64)
    return QuantisedEvents(
        time_index.astype(np.int64),
        np.ascontiguousarray(vector.reshape(N_DIMS, n_events).T, dtype=np.int32),
        amplitude.astype(np.int32),
        np.full(n_events, channel, np.uint8),
    )


def frame_overhead(payload: bytes) -> int:
    """Bytes of a zstd frame that hold no data: its head and its checksum."""
    import zstandard

    return zstandard.frame_header_size(payload) + CHECKSUM_BYTES


def column_bytes(payload: bytes, n_events: int) -> list[int]:
    """Bytes that each column takes when compressed alone, without a frame's overhead."""
    frames = [compress(column) for column in _unpack(_decompress(payload, max_raw_bytes(n_events)))]
    return [len(frame) - frame_overhead(frame) for frame in frames]


def _decompress(payload: bytes, limit: int) -> bytes:
    import zstandard

    try:
        frame = zstandard.get_frame_parameters(payload)
        if not (frame.has_checksum and 0 <= zstandard.frame_content_size(payload) <= limit):
            raise FormatError("its zstd frame lacks a checksum or a believable size")
        # Only a frame's own size is ever set aside, and that is bounded by now.
        decompressor = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES)
        return decompressor.decompress(payload, allow_extra_data=False)
    except zstandard.ZstdError:
        raise FormatError("its zstd frame is damaged") from None


def _unpack(raw: bytes) -> list[bytes]:
    import msgpack

    try:
        columns = msgpack.unpackb(raw)
    except (ValueError, msgpack.UnpackException):
        columns = None
    if not (isinstance(columns, list) and len(columns) in (2, 3) and all(type(c) is bytes for c in columns)):
        raise FormatError("its columns are not 2 or 3 msgpack binaries")
    return columns
