"""The chunks of WAV, RF64, Wave64, AIFF and CAF files, and the sizes in them, which are wrong where a recorder could
not seek back or was ended before it could."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO, Literal

from .pieces import Piece, Stretch, read_at

UNKNOWN_FROM = 0x7F000000  # sizes from here on stand for "unknown" where the file is shorter: pipes of several programs
NO_32_BITS = (1 << 32) - 1  # in an RF64 file: the true size is elsewhere
_CODES_OF_SAMPLES = (1, 3, 0xFFFE)  # in a WAV; others are blocks
_TAGS = (b"ID3", b"TAG", b"APETAGEX")
_LEAST_SOUND = 32  # bytes
_AT_ONCE = 1 << 20
_CODES_OF_MP3 = (b"\x50\0", b"\x55\0")


@dataclass(frozen=True)
class _Family:
    """How files of a family are laid out; all sizes in bytes.

    magics: their first four bytes; kinds: what follows the first size, () for anything. sizes: of a size; name: of a
    chunk's name. counts_head: a size counts the chunk's head too. in_front: in the chunk of sound before the sound.
    """

    magics: tuple[bytes, ...]
    kinds: tuple[bytes, ...]
    head: int
    name: int
    sizes: int
    order: Literal["little", "big"]
    alignment: int
    sound: bytes = b"data"
    counts_head: bool = False
    in_front: int = 0


_RIFF = _Family((b"RIFF", b"RF64", b"BW64"), (b"WAVE",), 12, 4, 4, "little", 2)
_W64 = _Family((b"riff",), (), 40, 16, 8, "little", 8, counts_head=True)
_AIFF = _Family((b"FORM",), (b"AIFF", b"AIFC"), 12, 4, 4, "big", 2, sound=b"SSND", in_front=8)
_CAF = _Family((b"caff",), (), 8, 4, 8, "big", 1, in_front=4)


@dataclass(frozen=True)
class ChunkLayout:
    """What one file of these kinds holds.

    pieces: to give to a decoder. ends: the byte after it, where another may be joined on. told: lengths in samples that
    a decoder may find of whole blocks, the first of which is the true one; None where no header tells it. mp3: where
    the sound is, if that is MP3. size: bytes of sound that the header tells of; n_bytes: that there are.
    """

    pieces: list[Piece]
    ends: int
    told: range | None
    mp3: Stretch | None
    size: int
    n_bytes: int

    @property
    def is_unfinished(self) -> bool:
        """Whether the header was never completed."""
        return self.size == 0 and self.n_bytes > 0

    @property
    def is_longer(self) -> bool:
        """Whether there is more sound than the header tells of: it was written earlier, or has no room for the size."""
        return 0 < self.size < self.n_bytes

    @property
    def is_cut(self) -> bool:
        """Whether there is less sound than the header tells of."""
        return self.n_bytes < self.size < UNKNOWN_FROM


def look(file: BinaryIO, start: int, end: int) -> ChunkLayout | None:
    """What is in bytes `start` … `end` of a file; None when there is no sound as these formats have it."""
    head = read_at(file, start, 12)
    family = next((f for f in (_RIFF, _W64, _AIFF, _CAF) if head[:4] in f.magics), None)
    if family is None or (family.kinds and head[8:12] not in family.kinds):
        return None
    chunks = _Chunks(file, end, family)
    headers: dict[bytes, _Chunk] = {}
    for chunk in chunks.from_(start + family.head):
        headers[chunk.name] = chunk
        if chunk.name == family.sound:
            break
    data = headers.get(family.sound)
    if data is None or data.data > end:
        return None
    sizes = chunks.content(headers.get(b"ds64"), 24)
    is_rf64 = len(sizes) == 24 and data.size == NO_32_BITS
    size = int.from_bytes(sizes[8:16], "little") if is_rf64 else data.size
    there = end - data.data
    if size == 0 and chunks.fill(data.data):
        there = 0  # a recording of nothing, with notes behind it
    goes_on = family is _RIFF and 0 < size < there and chunks.is_sound(data.data + size)
    fmt = chunks.content(headers.get(b"fmt "), 20)
    if size == there == 0 or (0 < size <= there and not goes_on):
        ends = chunks.next_file(replace(data, size=size).next(family.alignment))
        return ChunkLayout([(start, ends)], ends, chunks.told(fmt, headers), _mp3(fmt, data.data, size), size, size)
    pieces: list[Piece] = [(start, end)]
    if is_rf64:
        at = headers[b"ds64"].data
        pieces = [(start, at), struct.pack("<QQ", end - start - 8, there), (at + 16, end)]
    elif family is not _AIFF:  # of which the decoder reads what there is
        pieces = [(start, data.size_at), chunks.true_size(there), (data.size_at + family.sizes, end)]
    return ChunkLayout(pieces, end, None, _mp3(fmt, data.data, there), size, there)


@dataclass(frozen=True)
class _Chunk:
    """name: four letters; size: of the sound, or what else it holds, which begins at `data`."""

    name: bytes
    at: int
    size_at: int
    data: int
    size: int

    def next(self, alignment: int) -> int:
        return self.data + -(-self.size // alignment) * alignment


class _Chunks:
    """The chunks of a file, which ends at `end`."""

    def __init__(self, file: BinaryIO, end: int, family: _Family) -> None:
        self._file, self._end, self._family = file, end, family

    def from_(self, at: int) -> Iterator[_Chunk]:
        """Those from a byte on, while there are such."""
        while (chunk := self._chunk(at)) is not None:
            yield chunk
            at = chunk.next(self._family.alignment)

    def content(self, chunk: _Chunk | None, n: int) -> bytes:
        """The first n bytes of a chunk, or as many as it has; none of none."""
        return read_at(self._file, chunk.data, min(n, chunk.size)) if chunk else b""

    def next_file(self, at: int) -> int:
        """Where, behind the chunks that follow sound, another file begins; else the end."""
        for chunk in self.from_(at):
            if chunk.name in self._family.magics:
                return chunk.at
        return self._end

    def fill(self, at: int) -> bool:
        """Whether chunks with names in letters fill the file from a byte up to its end."""
        for chunk in self.from_(at):
            at = chunk.next(self._family.alignment)
            if not chunk.name.strip().isalnum() or chunk.data + chunk.size > self._end:
                return False
        return at >= self._end

    def is_sound(self, at: int) -> bool:
        """Whether what follows the sound by its header is neither chunks nor tags nor zeros, but more of it."""
        head = read_at(self._file, at, _LEAST_SOUND)
        name = head[:4].strip()
        if len(head) < _LEAST_SOUND or name.isalnum() or head.startswith(_TAGS):
            return False
        while (part := read_at(self._file, at, _AT_ONCE)) and not part.strip(b"\0"):
            at += len(part)
        return bool(part)

    def true_size(self, n_bytes: int) -> bytes:
        """The size to write for so many bytes of sound; or, where that does not fit, one that decoders cut."""
        family = self._family
        n = n_bytes + family.in_front + (family.name + family.sizes if family.counts_head else 0)
        return min(n, 256**family.sizes - 1).to_bytes(family.sizes, family.order)

    def told(self, fmt: bytes, headers: dict[bytes, _Chunk]) -> range | None:
        """How many samples blocks may hold: so many as a header tells, where that ends in the last block."""
        n_samples = int.from_bytes(self.content(headers.get(b"fact"), 4), "little")
        if not n_samples or len(fmt) < 20 or int.from_bytes(fmt[:2], "little") in _CODES_OF_SAMPLES:
            return None
        per_block = int.from_bytes(fmt[18:20], "little")
        return range(n_samples, n_samples + per_block) if per_block > 1 else None

    def _chunk(self, at: int) -> _Chunk | None:
        family = self._family
        n = family.name + family.sizes
        head = read_at(self._file, at, n) if at + n <= self._end else b""
        if not head:
            return None
        name = head[:4]
        size = int.from_bytes(head[family.name :], family.order)
        in_front = family.in_front if name == family.sound else 0
        size = max(0, size - (n if family.counts_head else 0) - in_front)
        return _Chunk(name, at, at + family.name, at + n + in_front, size)


def _mp3(fmt: bytes, start: int, n_bytes: int) -> Stretch | None:
    return (start, start + n_bytes) if fmt[:2] in _CODES_OF_MP3 else None
