"""The pages of an Ogg file: which streams there are, one after the other or side by side, and whether they end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import BinaryIO

from .pieces import Stretch, read_at

MAGIC = b"OggS"
CHUNK = 1 << 16
_HEAD = 27 + 255
_BEGINS, _ENDS = 2, 4  # flags of a page
FLAC = "FLAC"
_FLAC_HEADER = 9  # bytes of Ogg FLAC's own before "fLaC"
_CODECS = {
    b"\x01vorbis": "Vorbis",
    b"OpusHead": "Opus",
    b"\x7fFLAC": FLAC,
    b"Speex   ": "Speex",
    b"PCM     ": "PCM",
}


@dataclass
class OggStream:
    """One recording. codec: its name; pages: where they are, headers included; payload: of the pages of FLAC.

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
        if self.pages and self.pages[-1][1] == at:
            self.pages[-1] = (self.pages[-1][0], at + page.n_bytes)
        else:
            self.pages.append((at, at + page.n_bytes))
        if self.codec == FLAC:
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

    cut: the file ends within a page; begun: it begins with the beginning of a stream.
    """

    streams: list[OggStream]
    cut: bool
    begun: bool


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
    in_heads, cut, begun = False, False, True
    at = start
    while at < end:
        head = read_at(file, at, _HEAD)
        page = _Page.parse(head)
        if page is None or not _is_whole(file, at, page, end):
            following = _find(file, at + 1, end)
            if following is None:
                cut = head.startswith(MAGIC)  # else what comes after the last page is no sound
                break
            for broken in group.values() if page is not None else ():
                if broken is not None and not broken.ended:
                    broken.broken = True
            at = following
            continue
        if page.flags & _BEGINS:
            if not in_heads:
                group = {}
            in_heads = True
            first = read_at(file, at + page.head_bytes, 8)
            codec = next((name for magic, name in _CODECS.items() if first.startswith(magic)), None)
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
    return OggLayout(streams, cut, begun)


def _add(group: dict[bytes, OggStream | None], at: int, page: _Page) -> None:
    stream = group.get(page.serial)
    if stream is not None:
        stream.add(at, page)


def _is_whole(file: BinaryIO, at: int, page: _Page, end: int) -> bool:
    """Whether all of a page is there: another may begin only behind it."""
    behind = at + page.n_bytes
    if behind > end:
        return False
    return read_at(file, behind, 4) in (MAGIC, b"") or _find(file, at + 4, behind) is None


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
