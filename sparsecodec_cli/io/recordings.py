"""Which decoder reads a file, and which bytes of it: so that all of its sound is read, or it is refused."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from importlib.util import find_spec
from typing import BinaryIO

import numpy as np

from sparsecodec_cli.errors import CliError, shown
from sparsecodec_cli.extras import check_installed
from sparsecodec_formats.container.header_bytes import MAGIC

from . import mp3_frames, ogg_pages, sound_chunks
from .audio import UNKNOWN_LENGTH, Audio, NotReadable, SoundFileSource, tags_of
from .media import MediaSource, NotMedia, shown_kind
from .pieces import Pieces, read_at, size_of
from .raw_format import RawFormat

_HEAD = 64
_FLAC = b"fLaC\0\0\0\x22"  # with the length of its first block
CHUNK = 1 << 20


Decoder = SoundFileSource | MediaSource


class JoinedSource:
    """An `AudioSource` over recordings of one rate and as many channels, one after the other."""

    def __init__(self, sources: Sequence[Recording], path: str) -> None:
        """CliError when their rates or channels differ."""
        first = sources[0]
        n: int = 0
        for source in sources:
            kinds = (first.sample_rate, first.channels), (source.sample_rate, source.channels)
            if kinds[0] != kinds[1]:
                raise CliError(
                    f"{shown(path)}: changes from {shown_kind(*kinds[0])} to {shown_kind(*kinds[1])} at"
                    f" {n / first.sample_rate:.3f} s; split it there, or convert it first"
                )
            n += source.n_samples
        self.path = path
        self.sample_rate: int = first.sample_rate
        self.channels: int = first.channels
        self.n_samples: int = n
        self.warnings: list[str] = [warning for source in sources for warning in source.warnings]
        self.tags: dict[str, str] = first.tags
        self._sources = sources
        self._current = 0

    def read(self, n: int) -> Audio:
        """The next samples, as `SoundFileSource.read` gives them."""
        blocks = [np.zeros((0, self.channels), np.float32)]
        while n and self._current < len(self._sources):
            block = self._sources[self._current].read(n)
            n -= len(block)
            blocks.append(block)
            if n:
                self._current += 1
        return np.concatenate(blocks)

    def rewind(self) -> None:
        """Back to the first sample."""
        for source in self._sources[: self._current + 1]:
            source.rewind()
        self._current = 0


Recording = Decoder | JoinedSource
"""An `AudioSource` with `path`, `warnings` (one line each, about sound that may be missing), and `tags`, texts that it
has about itself; of joined recordings those of the first."""


def read_recording(file: BinaryIO, path: str) -> Recording:
    """The sound of a seekable file; path: for messages, and for formats that only an extension tells.

    Raises CliError when there is none, or not all of it can be read.
    """
    end = size_of(file)
    head = read_at(file, 0, _HEAD)
    if head.startswith(MAGIC):
        raise CliError(f"{shown(path)}: is a .sic file already; decode it, or name a recording")
    if not head:
        raise CliError(f"{shown(path)}: is empty; name a recording (WAV, FLAC, Ogg, MP3, AIFF, ...)")
    start = _after_tags(file, end)
    head = read_at(file, start, _HEAD)
    kind = _kind_for_ffmpeg(head)
    if kind is not None:
        check_installed(f"{shown(path)}: reading {kind}", "media")
        return _by_ffmpeg(Pieces(file, [(0, end)]), path)
    if head.startswith(ogg_pages.MAGIC):
        return _ogg(file, start, end, path)
    if head.startswith(_FLAC):
        return _joined((_decoder(Pieces(file, [part]), path) for part in _flacs(file, start, end)), path)
    if sound_chunks.look(file, start, end):
        return _chunked(file, start, end, path)
    if mp3_frames.parse_frame(head[:4]) and (mp3 := mp3_frames.look(file, start, end)):
        return _mp3(mp3, file, path)
    return _unknown(file, start, end, path)


def read_raw(file: BinaryIO, path: str, raw: RawFormat) -> Recording:
    """The samples of a seekable file without a header, to its end."""
    end = size_of(file)
    if not end:
        raise CliError(f"{shown(path)}: is empty; name a recording that has samples")
    source = SoundFileSource(Pieces(file, [(0, end)]), path, raw=raw)
    n_bytes = raw.frame_bytes
    if end % n_bytes:
        source.warnings.append(
            f"{end} bytes are not a whole number of samples of {n_bytes} bytes; check --raw-format and --raw-channels"
        )
    return source


def _after_tags(file: BinaryIO, end: int) -> int:
    at = 0
    while read_at(file, at, 3) == b"ID3":
        length = mp3_frames.tag_length(read_at(file, at, _HEAD))
        if not length or at + length >= end:
            return at
        at += length
    return at


def _decoder(pieces: Pieces, path: str, *, told: range | None = None, at_least: int = 0) -> Decoder:
    """libsndfile, or FFmpeg for what that cannot read; told, at_least: as for `SoundFileSource`."""
    try:
        return SoundFileSource(pieces, path, told=told, at_least=at_least)
    except NotReadable as error:
        return _by_ffmpeg(pieces, path, error)


def _by_ffmpeg(pieces: Pieces, path: str, error: CliError | None = None) -> MediaSource:
    """error: why libsndfile could not, if it was asked."""
    if find_spec("av") is None:
        raise CliError(f"{error}; more formats: pip install 'sparsecodec[media]'") from error
    try:
        return MediaSource(pieces, path)
    except NotMedia as no_media:
        if error is not None:
            raise error from no_media
        raise CliError(f"{shown(path)}: has no sound that sic can read; the file is damaged, or has none") from no_media


def _unknown(file: BinaryIO, start: int, end: int, path: str) -> Recording:
    """A file whose first bytes are of no format that is looked into here."""
    source = None
    with suppress(NotReadable):
        source = SoundFileSource(Pieces(file, [(start, end)]), path)
    if source is None or source.is_mp3:
        mp3 = mp3_frames.look(file, start, end)
        if mp3 is not None:
            return _mp3(mp3, file, path)
    if source is not None:
        return source
    if path != "-" and os.path.isfile(path):  # for formats that their extension tells
        with suppress(NotReadable):
            return SoundFileSource(None, path)
    return _decoder(Pieces(file, [(0, end)]), path)


def _joined(decoders: Iterable[Decoder | JoinedSource], path: str) -> Recording:
    opened = list(decoders)
    return opened[0] if len(opened) == 1 else JoinedSource(opened, path)


def _flacs(file: BinaryIO, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The stretches of FLAC files one after the other."""
    first, at = start, start + 1
    while at < end:
        chunk = read_at(file, at, min(CHUNK, end - at))
        i = chunk.find(_FLAC)
        if i >= 0:
            yield first, at + i
            first = at + i
            at = first + 1
        elif len(chunk) < len(_FLAC):
            break
        else:
            at += len(chunk) - len(_FLAC) + 1
    yield first, end


def _chunked(file: BinaryIO, start: int, end: int, path: str) -> Recording:
    sources: list[Recording] = []
    while (chunked := sound_chunks.look(file, start, end)) is not None:
        mp3 = mp3_frames.look(file, *chunked.mp3) if chunked.mp3 else None
        source = _mp3(mp3, file, path) if mp3 else _decoder(Pieces(file, chunked.pieces), path, told=chunked.told)
        if chunked.is_unfinished:
            source.warnings.append("its header was never finished; it is read to its end, and sound may be missing")
        elif chunked.is_cut or chunked.is_longer:
            told = f"its header tells of {chunked.size} bytes of sound, but there are {chunked.n_bytes}"
            source.warnings.append(
                f"{told}; {'it is read to its end' if chunked.is_longer else 'sound may be missing'}"
            )
        sources.append(source)
        start = chunked.ends
    return _joined(sources, path)


def _mp3(layout: mp3_frames.Mp3Layout, file: BinaryIO, path: str) -> Recording:
    tag = mp3_frames.tag_length(read_at(file, 0, _HEAD))
    if 0 < tag <= layout.first:  # the decoder reads its title and artist there
        layout.streams[0].pieces.insert(0, (0, tag))
    for stream in layout.streams:
        if stream.missing > 1 or (stream.missing and layout.cut):  # some encoders count the header too
            told = stream.n_frames + stream.missing
            raise CliError(
                f"{shown(path)}: breaks off after {stream.n_frames} of {told} frames; the file is damaged or incomplete"
            )
    recording = _joined((_mp3_stream(file, stream, path) for stream in layout.streams), path)
    recording.tags = tags_of(Pieces(file, [(0, size_of(file))]))  # which are not among the frames
    if layout.cut:
        recording.warnings.append("ends within a frame; sound may be missing at its end")
    if layout.garbage:
        recording.warnings.append(
            f"has {layout.garbage} bytes amid its frames that are no frames; sound may be missing"
        )
    return recording


def _mp3_stream(file: BinaryIO, stream: mp3_frames.Mp3Stream, path: str) -> Decoder:
    pieces = Pieces(file, stream.pieces)
    if stream.n_samples is None:
        return _decoder(pieces, path)
    return _decoder(pieces, path, told=range(stream.n_samples, UNKNOWN_LENGTH), at_least=stream.n_samples)


def _ogg(file: BinaryIO, start: int, end: int, path: str) -> Recording:
    name = shown(path)
    layout = ogg_pages.look(file, start, end)
    if not layout.begun:
        raise CliError(f"{name}: is an Ogg file without its beginning, which cannot be decoded; name a whole one")
    if not layout.streams:
        error = NotReadable(f"{name}: holds no sound that sic reads in Ogg (Vorbis, Opus, FLAC, ...); convert it first")
        return _by_ffmpeg(Pieces(file, [(start, end)]), path, error)
    if layout.cut or any(stream.is_cut for stream in layout.streams):
        raise CliError(f"{name}: breaks off, or pages of it are missing; the file is damaged or incomplete")
    recording = _joined((_ogg_stream(file, stream, path) for stream in layout.streams), path)
    if not all(stream.ended for stream in layout.streams):
        recording.warnings.append("has no mark of its end; sound may be missing there")
    return recording


def _ogg_stream(file: BinaryIO, stream: ogg_pages.OggStream, path: str) -> Decoder:
    # libsndfile 1.2.2 does not find FLAC in Ogg, though it reads FLAC.
    return _decoder(Pieces(file, stream.as_flac() if stream.codec == ogg_pages.FLAC else stream.pages), path)


def _kind_for_ffmpeg(head: bytes) -> str | None:
    """The name of a format that libsndfile does not read, by its first bytes."""
    if head[4:8] == b"ftyp":
        return "MPEG-4 (m4a, mp4, mov)"
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        return "AAC"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "AVI"
    return next((name for magic, name in _FFMPEG_MAGICS.items() if head.startswith(magic)), None)


_FFMPEG_MAGICS = {
    b"\x1a\x45\xdf\xa3": "Matroska or WebM",
    bytes.fromhex("3026b2758e66cf11"): "WMA or WMV",
    b"FLV\x01": "Flash video",
    b"\0\0\x01\xba": "MPEG video",
    b"MAC ": "Monkey's Audio",
    b"wvpk": "WavPack",
    b"MPCK": "Musepack",
    b"MP+": "Musepack",
    b"TTA1": "TTA",
    b"#!AMR": "AMR",
    b"\x0b\x77": "AC-3",
    b".RMF": "RealMedia",
    b"DSD ": "DSD",
    b"FRM8": "DSD",
}
