"""The pages of an Ogg file: which streams there are, one after the other or side by side, and whether they end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import BinaryIO

from .pieces import Stretch, read_at

MAGIC = b"OggS"
CHUNK = 1 << 16
_HEAD = 27 + 255
_BEGINS, _ENDS = 2, 4  # flags of a page
_FLAC = b"\x7fFLAC"
_FLAC_HEADER = 9  # bytes of Ogg FLAC's own before "fLaC"
_CODECS = {
    b"\x01vorbis": "Vorbis",
    b"OpusHead": "Opus",
    _FLAC: "FLAC",
    b"Speex   ": "Speex",
    b"PCM     ": "PCM",
}


@dataclass
class OggStream:
    """One recording. codec: its name; pages: where they are, headers included; payload: of the pages, in order.

    ended: its last page says that it is; broken: a page is missing, or a packet that began is not there to its end.
    """

    codec: str
    pages: list[Stretch] = field(default_factory=list)
    payload: list[Stretch] = field(default_factory=list)
    ended: bool = False
    broken: bool = False
    _sequence: int = -1
    _open: bool = False

    def add(self, at: int, page: _Page) -> None:
        if page.sequence != self._sequence + 1 and self.pages:
            self.broken = True
        self._sequence, self._open, self.ended = page.sequence, page.leaves_open, bool(page.flags & _ENDS)
        self.pages.append((at, at + page.n_bytes))
        self.payload.append((at + page.head_bytes, at + page.n_bytes))

    @property
    def is_cut(self) -> bool:
        """Whether sound is missing for certain."""
        return self.broken or self._open

    def as_flac(self) -> list[Stretch]:
        """The bytes of an Ogg FLAC stream as a FLAC file has them."""
        (start, end), *others = self.payload
        return [(start + _FLAC_HEADER, end), *others]


@dataclass(frozen=True)
class OggLayout:
    """The recordings of a file in the order of time; of several at a time, the first that is sound.

    cut: the file ends within a page; begun: it begins with the beginning of a stream; unknown: there is a stream, with
    no sound that is known here.
    """

    streams: list[OggStream]
    cut: bool
    begun: bool
    unknown: bool


@dataclass(frozen=True)
class _Page:
    flags: int
    serial: bytes
    sequence: int
    head_bytes: int
    n_bytes: int
    leaves_open: bool

    @staticmethod
    def parse(head: bytes) -> _Page | None:
        if head[:5] != MAGIC + b"\0" or len(head) < 27 or len(head) < 27 + head[26]:
            return None
        lacing = head[27 : 27 + head[26]]
        head_bytes = 27 + head[26]
        return _Page(
            flags=head[5],
            serial=head[14:18],
            sequence=int.from_bytes(head[18:22], "little"),
            head_bytes=head_bytes,
            n_bytes=head_bytes + sum(lacing),
            leaves_open=lacing[-1:] == b"\xff",
        )


def look(file: BinaryIO, start: int, end: int) -> OggLayout:
    """What is in bytes `start` … `end` of a file, which begin with a page."""
    streams: list[OggStream] = []
    group: dict[bytes, OggStream | None] = {}  # streams side by side, by their serial numbers; None: not read
    in_heads, cut, begun, unknown = False, False, True, False
    at = start
    while at < end:
        page = _Page.parse(read_at(file, at, _HEAD))
        if page is None or (at + page.n_bytes < end and not _follows(file, at + page.n_bytes, end)):
            # Not a page, or one whose end is lost: on to the next.
            following = _find(file, at + 1, end)
            if following is None:
                cut = cut or (page is not None and at + page.n_bytes > end)
                if page is not None and at + page.n_bytes <= end:  # what comes after the last page is no sound
                    _add(group, at, page)
                break
            for broken in group.values():
                if broken is not None and not broken.ended:
                    broken.broken = True
            at = following
            continue
        if at + page.n_bytes > end:
            cut = True
            break
        if page.flags & _BEGINS:
            if not in_heads:
                group = {}
            in_heads = True
            first = read_at(file, at + page.head_bytes, 8)
            codec = next((name for magic, name in _CODECS.items() if first.startswith(magic)), None)
            unknown = unknown or codec is None
            if codec is None or any(group.values()):
                group[page.serial] = None
            else:
                stream = OggStream(codec)
                group[page.serial] = stream
                streams.append(stream)
        else:
            in_heads = False
            begun = begun and bool(group)
        _add(group, at, page)
        at += page.n_bytes
    return OggLayout(streams, cut, begun, unknown)


def _add(group: dict[bytes, OggStream | None], at: int, page: _Page) -> None:
    stream = group.get(page.serial)
    if stream is not None:
        stream.add(at, page)


def _follows(file: BinaryIO, at: int, end: int) -> bool:
    return at >= end or read_at(file, at, 4) == MAGIC


def _find(file: BinaryIO, start: int, end: int) -> int | None:
    while start < end:
        chunk = read_at(file, start, min(CHUNK, end - start))
        i = chunk.find(MAGIC)
        if i >= 0:
            return start + i
        if len(chunk) < 4:
            return None
        start += len(chunk) - 3
    return None
