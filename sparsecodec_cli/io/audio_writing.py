"""Audio files that are written: sinks for the blocks that the codec renders."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, BinaryIO, cast

import numpy as np
import soundfile
from numpy.typing import NDArray

from sparsecodec_cli.errors import CliError, counted, shown_output

from . import audio_tags
from .audio import Audio, _GuardedFile
from .files import copy_rest, is_stream, spooled

WAV_MAX_BYTES = 2**32 - 1
NO_SIZE = b"\xff\xff\xff\xff"
# libsndfile's Vorbis writer keeps a call's samples on the stack, so a call must not bring too many.
FRAMES_AT_ONCE = 1 << 14

BITS = {"16": "PCM_16", "24": "PCM_24", "float": "FLOAT"}
"""What a sample can be coded as: name of an option, and libsndfile's name."""

_EXTENSIONS = {
    "aif": "AIFF",
    "aifc": "AIFF",
    "oga": "OGG",
    "opus": "OGG",
    "snd": "AU",
    "sph": "NIST",
    "wave": "WAV",
    "wavex": "WAV",
}
_SUBTYPES = {"opus": "OPUS"}
# RAW has no header. SD2 has it in a second file, which libsndfile leaves behind as "._", and then it takes all that is
# read from that folder for SD2. What it writes as SDS comes back as other samples.
_NOT_WRITTEN = {"RAW", "SD2", "SDS"}

# Which loudspeaker each channel is for, by the number of channels, as bits of WAVE_FORMAT_EXTENSIBLE: the order that
# FLAC gives these channels too. 6 are 5.1, 8 are 7.1. Of more channels nothing is said.
_CHANNEL_MASKS = {3: 0x7, 4: 0x33, 5: 0x37, 6: 0x3F, 7: 0x70F, 8: 0x63F}
_PCM, _IEEE_FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE  # codings of samples in WAV
_SAMPLE_BYTES = {"PCM_16": 2, "PCM_24": 3, "FLOAT": 4}
_RF64_MASK_AT = 76  # byte of a file of RF64 that libsndfile writes
_SUBFORMAT_GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")  # after the two bytes of the format's number


@dataclass(frozen=True)
class AudioFormat:
    """libsndfile's name of a format to write, and its coding of samples (None for the format's usual)."""

    name: str
    subtype: str | None = None


WAV = AudioFormat("WAV", "PCM_16")


def format_named(name: str) -> AudioFormat | None:
    """The format of a name such as "flac" or "opus", which is an extension without its dot; None if there is none."""
    extension = name.lower()
    libsndfile_name = _EXTENSIONS.get(extension, extension.upper())
    if libsndfile_name == "WAV":
        return WAV
    if libsndfile_name not in soundfile.available_formats() or libsndfile_name in _NOT_WRITTEN:
        return None
    return AudioFormat(libsndfile_name, _SUBTYPES.get(extension, soundfile.default_subtype(libsndfile_name)))


def format_of(path: str) -> AudioFormat | None:
    """The format that a path's extension asks for, or WAV for a stream without one; None if it cannot be written."""
    extension = os.path.splitext(path)[1][1:]
    if extension == "" and is_stream(path):
        return WAV
    return format_named(extension)


def bits_of(audio_format: AudioFormat) -> list[str]:
    """Which of BITS a format can hold; none where it is lossy."""
    if audio_format.subtype == "OPUS":
        return []
    subtypes = soundfile.available_subtypes(audio_format.name)
    return [bits for bits, subtype in BITS.items() if subtype in subtypes]


def is_float(audio_format: AudioFormat) -> bool:
    """Whether its samples may be beyond full scale."""
    return audio_format.subtype in ("FLOAT", "DOUBLE")


def write_audio(
    file: BinaryIO,
    path: str,
    blocks: Iterable[Audio],
    *,
    audio_format: AudioFormat,
    sample_rate: int,
    channels: int,
    n_samples: int | None,
    endless: bool = False,
    texts: Mapping[str, str] | None = None,
) -> int:
    """Write blocks (float32 [m, channels], full scale 1) and return how many values were clipped: none of floats.

    `n_samples`, where it is known before, is the blocks' length together: then WAV goes out as it comes, to
    pipes too. Else, and in other formats, writers must seek, so a pipe gets everything at the end; but of an `endless`
    sound, which comes while it is heard, a pipe gets WAV at once, with the length that stands for none. `texts` are
    what `audio_tags.fitting` gives for the format.
    Raises CliError when the format cannot hold this; RuntimeError when the blocks break their promise.
    """
    clipper = _Clipper(blocks, channels, n_samples, clips=not is_float(audio_format))
    can_seek = not is_stream(path) and file.seekable()  # 'sic decode ... - >> FILE' looks seekable
    streams = audio_format.name == "WAV" and (n_samples is not None or endless)
    texts = texts or {}
    before = audio_tags.id3(texts) if texts and audio_format.name == "MP3" else b""
    with nullcontext(file) if (can_seek or streams) and not before else spooled() as sink:
        if audio_format.name == "WAV":
            header = _WavHeader(path, audio_format.subtype or "PCM_16", sample_rate, channels, texts)
            _write_wav(sink, header, clipper, n_samples, endless=not can_seek and n_samples is None and endless)
        else:
            _write_soundfile(sink, path, clipper, audio_format, sample_rate, channels, {} if before else texts)
        if sink is not file:
            file.write(before)
            sink.seek(0)
            copy_rest(sink, file)
    return clipper.n_clipped


class _Clipper:
    """Passes blocks on, clipped to [-1, 1] where that is asked for, and checks that they are what was promised."""

    def __init__(self, blocks: Iterable[Audio], channels: int, n_samples: int | None, *, clips: bool) -> None:
        self._blocks, self._channels, self._n_promised, self._clips = blocks, channels, n_samples, clips
        self.n_samples = 0
        self.n_clipped = 0

    def __iter__(self) -> Iterator[Audio]:
        for block in self._blocks:
            if block.ndim != 2 or block.shape[1] != self._channels or not np.isfinite(block).all():
                raise RuntimeError(f"the decoder gave a block of shape {block.shape}, or NaN")
            self.n_samples += len(block)
            for start in range(0, len(block), FRAMES_AT_ONCE):
                part = block[start : start + FRAMES_AT_ONCE]
                if self._clips:
                    self.n_clipped += int(np.count_nonzero(np.abs(part) > 1))
                    part = np.clip(part, -1, 1)
                yield part
        if self._n_promised not in (None, self.n_samples):
            raise RuntimeError(f"the decoder gave {self.n_samples} samples, not {self._n_promised}")


def pcm16(audio: Audio) -> NDArray[np.int16]:
    """16-bit integers [n, channels] of samples in [-1, 1]; the inverse of how libsndfile reads them."""
    return _integers(audio, 16).astype("<i2")


def _integers(audio: Audio, bits: int) -> NDArray[np.float64]:
    full_scale = 2.0 ** (bits - 1)
    return np.minimum(np.rint(audio.astype(np.float64) * full_scale), full_scale - 1)


def _samples(audio: Audio, subtype: str) -> bytes:
    """The bytes of samples in a WAV file, lowest byte first."""
    if subtype == "FLOAT":
        return audio.astype("<f4").tobytes()
    if subtype == "PCM_24":
        return _integers(audio, 24).astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    return pcm16(audio).tobytes()


@dataclass(frozen=True)
class _WavHeader:
    """All that stands in a WAV file before the samples. path: for messages; place: what `_broadcast_place` makes."""

    path: str
    subtype: str
    sample_rate: int
    channels: int
    texts: Mapping[str, str] = field(default_factory=dict)
    place: bytes = b""

    @property
    def frame_bytes(self) -> int:
        return self.channels * _SAMPLE_BYTES[self.subtype]

    def pack_endless(self) -> bytes:
        """Its bytes where the length is not known: the largest sizes stand for none, as programs have it that write to
        pipes."""
        head = self.pack(0)
        return head[:4] + NO_SIZE + head[8:-4] + NO_SIZE

    def pack(self, n_samples: int) -> bytes:
        """Its bytes; CliError when WAV cannot hold these samples."""
        if self.sample_rate * self.frame_bytes > WAV_MAX_BYTES:
            raise CliError(
                f"{shown_output(self.path)}: WAV cannot hold a sample rate of {self.sample_rate} Hz; use 'sic decode'"
                " with a --rate"
            )
        chunks = _chunk(b"bext", self.place) if self.place else b""
        chunks += _chunk(b"fmt ", _wav_format(self.subtype, self.sample_rate, self.channels))
        if self.subtype == "FLOAT":
            chunks += _chunk(b"fact", struct.pack("<I", min(n_samples, WAV_MAX_BYTES)))
        if self.texts:
            infos = [_chunk(audio_tags.RIFF_NAMES[name], text.encode() + b"\0") for name, text in self.texts.items()]
            chunks += _chunk(b"LIST", b"INFO" + b"".join(infos))
        n_bytes = self.frame_bytes * n_samples
        after_size = len(b"WAVE") + len(chunks) + 8 + n_bytes + len(_padding(n_bytes))
        if after_size > WAV_MAX_BYTES - 8:
            raise CliError(
                f"{shown_output(self.path)}: would pass 4 GiB, the most that WAV can hold; let 'sic decode' write .w64"
                " or .flac"
            )
        return b"RIFF" + struct.pack("<I", after_size) + b"WAVE" + chunks + b"data" + struct.pack("<I", n_bytes)


def _write_wav(file: BinaryIO, header: _WavHeader, blocks: _Clipper, n_samples: int | None, *, endless: bool) -> None:
    # By hand: libsndfile must seek back to write the length, which a pipe cannot, puts the time of day into files of
    # floats, and cannot be told through soundfile which loudspeakers the channels are for.
    parts = iter(blocks)
    first = list(islice(parts, 1))  # a file that is damaged before any sound of it leaves nothing behind
    file.write(header.pack_endless() if endless else header.pack(n_samples or 0))
    for block in chain(first, parts):
        file.write(_samples(block, header.subtype))
        if endless:
            file.flush()
    if endless:
        return
    file.write(_padding(blocks.n_samples * header.frame_bytes))
    if n_samples is None:
        file.seek(0)
        file.write(header.pack(blocks.n_samples))


def write_float_wav(
    file: BinaryIO, path: str, audio: Audio, sample_rate: int, *, start_sample: int, description: str
) -> None:
    """Write float32 [n, channels] as Broadcast Wave (EBU Tech 3285) of 32-bit floats, in which nothing is clipped.

    start_sample: the place on a timeline, in samples from its start, at which programs that know such files put it.
    description: ASCII, of at most 256 characters.

    Raises CliError when WAV cannot hold this.
    """
    n_samples, channels = audio.shape
    place = _broadcast_place(start_sample, description)
    file.write(_WavHeader(path, "FLOAT", sample_rate, channels, place=place).pack(n_samples))
    file.write(_samples(audio, "FLOAT"))


def _broadcast_place(start_sample: int, description: str) -> bytes:
    """The content of the chunk "bext", version 1: no date, so that the same sound gives the same bytes."""
    description_bytes, originator, reference, date, time = description.encode("ascii"), b"sic", b"", b"", b""
    texts = struct.pack("<256s32s32s10s8s", description_bytes, originator, reference, date, time)
    return texts + struct.pack("<QH64s190s", start_sample, 1, b"", b"")


def _wav_format(subtype: str, sample_rate: int, channels: int) -> bytes:
    """The content of the chunk "fmt ": with a mask of channels where there are more than two."""
    sample_bytes = _SAMPLE_BYTES[subtype]
    number = _IEEE_FLOAT if subtype == "FLOAT" else _PCM
    frame_bytes = channels * sample_bytes
    common = struct.pack("<HIIHH", channels, sample_rate, sample_rate * frame_bytes, frame_bytes, 8 * sample_bytes)
    if channels > 2:
        more = struct.pack("<HHIH", 22, 8 * sample_bytes, _CHANNEL_MASKS.get(channels, 0), number)
        return struct.pack("<H", _EXTENSIBLE) + common + more + _SUBFORMAT_GUID_TAIL
    no_more = struct.pack("<H", 0) if number != _PCM else b""
    return struct.pack("<H", number) + common + no_more


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + _padding(len(content))


def _padding(n_bytes: int) -> bytes:
    """What follows a chunk's content, so that the next begins at an even place."""
    return b"\0" * (n_bytes % 2)


def _write_soundfile(
    file: BinaryIO,
    path: str,
    blocks: Iterable[Audio],
    audio_format: AudioFormat,
    sample_rate: int,
    channels: int,
    texts: Mapping[str, str],
) -> None:
    guarded = _GuardedFile(file)
    try:
        sound = soundfile.SoundFile(
            cast(Any, guarded),
            "w",
            samplerate=sample_rate,
            channels=channels,
            format=audio_format.name,
            subtype=audio_format.subtype,
        )
    except (soundfile.LibsndfileError, ValueError) as error:
        guarded.reraise()
        reason = getattr(error, "error_string", str(error)).strip().removeprefix("Error : ").rstrip(".")
        raise CliError(
            f"{shown_output(path)}: {audio_format.name} cannot hold {counted(channels, 'channel')} at {sample_rate} Hz"
            f" ({reason}); try --rate, or write .wav"
        ) from error
    with sound:
        for name, text in texts.items():
            setattr(sound, name, text)
        for block in blocks:
            try:
                sound.write(_for_soundfile(block, audio_format.subtype))
            finally:  # the cause rather than libsndfile's view of it
                guarded.reraise()
    guarded.reraise()
    if audio_format.name == "RF64" and channels > 2:
        file.seek(_RF64_MASK_AT)
        file.write(struct.pack("<I", _CHANNEL_MASKS.get(channels, 0)))
    if file.seek(0, os.SEEK_END) == 0:
        raise CliError(f"{shown_output(path)}: {audio_format.name} cannot hold a file without samples; write .wav")


def _for_soundfile(audio: Audio, subtype: str | None) -> NDArray[np.number]:
    """Samples as libsndfile takes them without rounding them its own way."""
    if subtype == "PCM_16":
        return pcm16(audio)
    if subtype == "PCM_24":  # the upper 24 bits of 32
        return (_integers(audio, 24) * 256).astype(np.int32)
    return audio
