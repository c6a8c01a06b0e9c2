"""Other tags for a .sic file, without coding it anew."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import replace
from typing import BinaryIO

from sparsecodec_formats.header import Header

from .framing import pack_end, pack_head
from .header_bytes import pack_header
from .reader import Reader


def retag(source: BinaryIO, target: BinaryIO, tags: Mapping[str, str]) -> Header:
    """Copy a .sic file with these tags in place of its own, and return its new header.

    Its blocks stay byte for byte, also those that this version of the library cannot decode. `source` is read forward
    from its first byte, `target` is never seeked. Raises FormatError when the file is damaged, as far as its checks
    tell without decoding, and SicError when a header cannot hold the tags; `target` then holds no whole file.
    """
    reader = Reader(source)
    header = replace(reader.header, tags=dict(tags))
    crc = 0

    def put(data: bytes) -> None:
        nonlocal crc
        target.write(data)
        crc = zlib.crc32(data, crc)

    put(pack_header(header, length_at_end=reader.length_at_end))
    for block in reader.raw_blocks():
        put(pack_head(block.head, header))
        put(block.payload)
    header = replace(header, n_samples=reader.header.n_samples)
    target.write(pack_end(crc, header.n_samples if reader.length_at_end else None))
    return header
