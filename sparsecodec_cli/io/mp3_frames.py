"""The frames of an MP3 file, counted: where sound is, how long it is, and where another recording was joined on.

A decoder trusts the header that an encoder put in front, or guesses a length from the first frame. Here all frames are
looked at, which takes about a second an hour, and the decoder is given the bytes of one recording alone, with a
header that tells the true number of its frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO

from .pieces import Piece, Stretch, read_at

GARBAGE_IN_FRONT = 1 << 18  # bytes; what begins later than that is not taken for MP3
FRAMES_TO_BELIEVE = 4  # in a row, or up to the end; where garbage came before
LAYER_3 = 3
CHUNK = 1 << 16
_HEAD = 64  # bytes of a frame that tell all that is asked here
_BITRATES_KBPS = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES_HZ = {0b11: (44100, 48000, 32000), 0b10: (22050, 24000, 16000), 0b00: (11025, 12000, 8000)}


@dataclass(frozen=True)
class Frame:
    """What the four bytes in front of a frame tell."""

    version: int  # bits: 0b11 MPEG 1, 0b10 MPEG 2, 0b00 MPEG 2.5
    layer: int
    sample_rate: int
    channels: int
    n_bytes: int
    n_samples: int
    side_info: int  # where it begins in the frame
    tag: int  # where an encoder's header is in a frame that has one

    @property
    def kind(self) -> tuple[int, int, int, int]:
        """What stays the same throughout a stream."""
        return self.version, self.layer, self.sample_rate, self.channels


@dataclass(frozen=True)
class Mp3Stream:
    """Frames that one decoder reads.

    first: one of them; pieces: what to give to a decoder, the encoder's header included; n_frames: of sound.
    n_samples: of all frames; None where an encoder's header tells how many of them to leave out at both ends.
    missing: frames that this header tells of and that are not there.
    """

    first: Frame
    pieces: list[Piece]
    n_frames: int
    n_samples: int | None
    missing: int


@dataclass(frozen=True)
class Mp3Layout:
    """All streams of a file. first: where their first frame is; cut: the file ends within a frame; garbage: bytes
    between frames that are no tags."""

    streams: list[Mp3Stream]
    first: int
    cut: bool
    garbage: int


@lru_cache(maxsize=4096)
def parse_frame(head: bytes) -> Frame | None:
    """The frame that begins with these four bytes; None when they are no header, or of a frame of free size."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    bitrate, rate, padding = head[2] >> 4, head[2] >> 2 & 3, head[2] >> 1 & 1
    if version == 0b01 or layer == 4 or bitrate in (0, 15) or rate == 3 or head[3] & 3 == 2:
        return None
    is_first = version == 0b11
    kbps = _BITRATES_KBPS[1 if is_first else 2, layer][bitrate - 1]
    hz = _RATES_HZ[version][rate]
    channels = 1 if head[3] >> 6 == 3 else 2
    n_samples = 384 if layer == 1 else 1152 if layer == 2 or is_first else 576
    n_bytes = (12000 * kbps // hz + padding) * 4 if layer == 1 else n_samples * 125 * kbps // hz + padding
    side_bytes = ((17, 32) if is_first else (9, 17))[channels - 1]
    side_info = 4 if head[1] & 1 else 6
    return Frame(version, layer, hz, channels, n_bytes, n_samples, side_info, 4 + side_bytes)


def look(file: BinaryIO, start: int, end: int) -> Mp3Layout | None:
    """What is in bytes `start` … `end` of a file; None when it is not MP3 (or MP1, MP2)."""
    at: int | None = start
    if not _is_stream(file, start, end, 2):
        at = _find(file, start + 1, end, min(end, start + GARBAGE_IN_FRONT), FRAMES_TO_BELIEVE)
    if at is None:
        return None
    first = at
    streams: list[_Run] = []
    cut, garbage = False, 0
    while at < end:
        head = read_at(file, at, _HEAD)
        frame = parse_frame(head[:4])
        if frame is None or (streams and frame.kind != streams[-1].kind and not _is_stream(file, at, end, 2)):
            tag = tag_length(head)
            if tag:
                at += tag
                continue
            found = _find(file, at + 1, end, end, FRAMES_TO_BELIEVE)
            if found is None:
                break
            garbage += found - at
            at = found
            continue
        if at + frame.n_bytes > end:
            cut = True
            break
        header = _encoders_header(frame, read_at(file, at, frame.n_bytes)) if _has_header(frame, head) else None
        if header or not streams or streams[-1].kind != frame.kind:
            streams.append(_Run(frame, header))
        elif streams[-1].is_complete and _stands_alone(frame, head):
            streams.append(_Run(frame, None))
        if not header:
            streams[-1].add(at, frame)
        at += frame.n_bytes
    finished = [run.finished() for run in streams if run.n_frames]
    return Mp3Layout(finished, first, cut, garbage) if finished else None


def tag_length(head: bytes) -> int:
    """Bytes of the tag that begins here (ID3, APE, Lyrics3); 0 for none."""
    if head[:3] == b"ID3" and len(head) >= 10 and all(byte < 128 for byte in head[6:10]):
        length = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        return 10 + length + (10 if head[5] & 0x10 else 0)
    if head[:3] == b"TAG":
        return 227 if head[3:4] == b"+" else 128
    if head[:8] == b"APETAGEX" and len(head) >= 24:
        is_header = head[23] & 0x20
        return 32 + (int.from_bytes(head[12:16], "little") if is_header else 0)
    return 0


def _find(file: BinaryIO, start: int, end: int, limit: int, n: int) -> int | None:
    """Where in `start` … `limit` the first n frames in a row begin, or fewer up to the end of the sound."""
    while start < limit:
        chunk = read_at(file, start, min(CHUNK, end - start))
        i = chunk.find(b"\xff")
        while i >= 0 and start + i < limit:
            if _is_stream(file, start + i, end, n):
                return start + i
            i = chunk.find(b"\xff", i + 1)
        if not chunk:
            return None
        start += len(chunk)
    return None


def _is_stream(file: BinaryIO, at: int, end: int, n: int) -> bool:
    """Whether n frames of one kind follow each other, or fewer up to the end or to a tag."""
    kind = None
    for _ in range(n):
        head = read_at(file, at, _HEAD)
        if kind is not None and (at == end or tag_length(head)):
            return True
        frame = parse_frame(head[:4])
        if frame is None or kind not in (None, frame.kind):
            return False
        kind = frame.kind
        at += frame.n_bytes
    return at <= end


def _has_header(frame: Frame, head: bytes) -> bool:
    return frame.layer == LAYER_3 and (head[frame.tag : frame.tag + 4] in (b"Xing", b"Info") or head[36:40] == b"VBRI")


def _stands_alone(frame: Frame, head: bytes) -> bool:
    """Whether a frame needs no bits of the ones before it, as the first of a recording."""
    if frame.layer != LAYER_3:
        return False
    side = head[frame.side_info : frame.side_info + 2]
    return (side[0] << 1 | side[1] >> 7 if frame.version == 0b11 else side[0]) == 0


@dataclass(frozen=True)
class _Header:
    """A frame that an encoder put in front, which holds no sound. n_frames: of sound; None where it is not told."""

    data: bytes
    n_frames: int | None
    n_frames_at: int = 0
    n_bytes_at: int = 0  # 0: not told
    padding_at: int = 0  # of the delay and padding, 12 bits each; 0: not told

    def corrected(self, n_frames: int, n_bytes: int) -> bytes:
        """With the number of frames and bytes that there are. Of more frames than it told, none is padding."""
        data = bytearray(self.data)
        data[self.n_frames_at : self.n_frames_at + 4] = n_frames.to_bytes(4, "big")
        if self.n_bytes_at:
            data[self.n_bytes_at : self.n_bytes_at + 4] = min(n_bytes, 2**32 - 1).to_bytes(4, "big")
        if self.padding_at and self.n_frames is not None and n_frames > self.n_frames:
            data[self.padding_at + 1] &= 0xF0
            data[self.padding_at + 2] = 0
        return bytes(data)


def _encoders_header(frame: Frame, data: bytes) -> _Header:
    tag = frame.tag
    if data[tag : tag + 4] not in (b"Xing", b"Info"):
        return _Header(b"", int.from_bytes(data[50:54], "big"))  # VBRI: is replaced
    flags = data[tag + 7] if tag + 7 < len(data) else 0
    at = tag + 8
    n_bytes_at = 0
    if not flags & 1:
        return _Header(b"", None)
    n_frames_at, at = at, at + 4
    if flags & 2:
        n_bytes_at, at = at, at + 4
    at += (100 if flags & 4 else 0) + (4 if flags & 8 else 0)
    padding_at = at + 21 if at + 24 <= len(data) else 0
    n_frames = int.from_bytes(data[n_frames_at : n_frames_at + 4], "big")
    return _Header(data, n_frames or None, n_frames_at, n_bytes_at, padding_at)


class _Run:
    """Frames of one stream, as they are found."""

    def __init__(self, first: Frame, header: _Header | None) -> None:
        self._first, self._header = first, header
        self._stretches: list[Stretch] = []
        self.kind = first.kind
        self.n_frames = 0

    @property
    def is_complete(self) -> bool:
        """Whether its header told of no more frames than were found."""
        return self._header is not None and self._header.n_frames == self.n_frames

    def add(self, at: int, frame: Frame) -> None:
        if self._stretches and self._stretches[-1][1] == at:
            self._stretches[-1] = (self._stretches[-1][0], at + frame.n_bytes)
        else:
            self._stretches.append((at, at + frame.n_bytes))
        self.n_frames += 1

    def finished(self) -> Mp3Stream:
        header = self._header
        n_bytes = sum(end - start for start, end in self._stretches)
        missing = max(0, header.n_frames - self.n_frames) if header and header.n_frames is not None else 0
        pieces: list[Piece] = [*self._stretches]
        if header and header.data:
            pieces.insert(0, header.corrected(self.n_frames, n_bytes + len(header.data)))
            return Mp3Stream(self._first, pieces, self.n_frames, None, missing)
        # Decoders guess the length from the first frame and read no further: zeros behind let none guess too low.
        room = (self.n_frames + FRAMES_TO_BELIEVE) * (self._first.n_bytes + 4)
        pieces.append(max(CHUNK, room - n_bytes))
        return Mp3Stream(self._first, pieces, self.n_frames, self.n_frames * self._first.n_samples, missing)
