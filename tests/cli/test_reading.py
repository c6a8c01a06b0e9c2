"""Reading audio: all of the sound, exactly as long as the file tells, or one line that is true."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from fractions import Fraction
from importlib import util
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from cli_support import ROOT, assert_refused, ok, read_sic, sic, sic_process
from numpy.typing import NDArray

from sparsecodec_cli import extras
from sparsecodec_cli.errors import CliError
from sparsecodec_cli.io import media, mp3_frames, recordings, sound_chunks
from sparsecodec_cli.io.audio import SoundFileSource
from sparsecodec_cli.io.pieces import Pieces
from sparsecodec_cli.io.raw_format import RAW_CODINGS, RawFormat
from sparsecodec_cli.io.sounds import open_recording, open_sound, warnings_of

RATE = 16000
MP3_RATE = 44100
SPEECH = soundfile.read(ROOT / "tests" / "data" / "only-person-en.flac", dtype="int16")[0]
N = len(SPEECH)
ID3 = b"ID3\4\0\0\0\0\0\x0a" + bytes(10)

Samples = NDArray[np.float32]


@pytest.fixture(autouse=True)
def nothing_on_stderr(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Libraries in C write past Python; what a test reads must leave no trace there."""
    yield
    assert capfd.readouterr().err == ""


def read(path: Path) -> tuple[Samples, int, list[str]]:
    """All samples of a recording, read in odd pieces and then again, its rate and its warnings."""
    with open_recording(str(path)) as source:
        twice = []
        for n in (7919, 1 << 20):
            blocks = []
            while len(block := source.read(n)):
                assert block.dtype == np.float32 and block.shape[1] == source.channels
                blocks.append(block)
            twice.append(np.concatenate(blocks))
            source.rewind()
        np.testing.assert_array_equal(*twice)
        assert len(twice[0]) == source.n_samples
        return twice[0], source.sample_rate, warnings_of(source)


def saved(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def is_speech(samples: Samples, rate: int, *, times: int = 1, least: float = 0.9) -> bool:
    """Whether these are the speech so often, at any rate, up to a delay of 0.3 s."""
    if times > 1:
        return all(is_speech(part, rate, least=least) for part in np.array_split(samples, times))
    t = np.arange(len(samples)) / rate
    heard = np.interp(np.arange(int(t[-1] * RATE)) / RATE, t, samples.mean(axis=1))
    wanted = SPEECH / 32768
    size = len(heard) + len(wanted)
    found = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(wanted, size)), size)
    nearest = max(found[:4800].max(), found[-4800:].max())
    return bool(nearest > least * np.sqrt((heard**2).sum() * (wanted**2).sum()))


def encoded(
    kind: str, codec: str, rate: int = RATE, *, to_pipe: bool = False, picture: bool = False, **options: str
) -> bytes:
    """The speech as FFmpeg writes it; to_pipe: where it cannot seek back to complete a header."""
    memory = io.BytesIO()
    target = type("Pipe", (), {"write": staticmethod(memory.write)})() if to_pipe else memory
    with av.open(target, "w", format=kind, options=options) as container:
        if picture:
            video = container.add_stream("mpeg4", rate=10)
            video.width = video.height = 32
            video.pix_fmt = "yuv420p"
        stream = container.add_stream(codec, rate=rate, layout="mono")
        stream.bit_rate = 64000
        if picture:
            frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))
            for _ in range(5):
                container.mux(video.encode(frame))
            container.mux(video.encode(None))
        sound = av.AudioFrame.from_ndarray(at_rate(rate)[None], format="s16", layout="mono")
        sound.sample_rate, sound.pts, sound.time_base = rate, 0, Fraction(1, rate)
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    return memory.getvalue()


def at_rate(rate: int) -> NDArray[np.int16]:
    n = N * rate // RATE
    return np.interp(np.arange(n) * RATE / rate, np.arange(N), SPEECH).astype(np.int16)


def written(kind: str, rate: int = RATE, subtype: str | None = None, **options: object) -> bytes:
    """The speech as libsndfile writes it."""
    memory = io.BytesIO()
    soundfile.write(memory, at_rate(rate), rate, format=kind, subtype=subtype, **options)
    return memory.getvalue()


# MP3


@pytest.fixture(scope="module", params=["CONSTANT", "VARIABLE"])
def mp3(request: pytest.FixtureRequest) -> bytes:
    """The speech with the header that LAME puts in front."""
    data = written("MP3", MP3_RATE, bitrate_mode=request.param, compression_level=0.5)
    assert b"LAME" in data[:300]
    return data


def bare(mp3: bytes) -> bytes:
    """Without the header: its frame is the first."""
    header = mp3_frames.parse_frame(mp3[:4])
    assert header is not None
    return mp3[header.n_bytes :]


def frames_of(bare_mp3: bytes) -> int:
    """By FFmpeg, whose parser is another."""
    with av.open(io.BytesIO(bare_mp3), format="mp3") as container:
        return sum(1 for packet in container.demux(audio=0) if packet.size)


def test_mp3_is_as_long_as_its_header_tells(mp3: bytes, tmp_path: Path) -> None:
    samples, rate, warnings = read(saved(tmp_path / "a.mp3", mp3))
    assert (len(samples), rate, warnings) == (len(at_rate(MP3_RATE)), MP3_RATE, [])
    assert is_speech(samples, rate)


def test_mp3_without_a_header_is_read_to_its_last_frame(mp3: bytes, tmp_path: Path) -> None:
    samples, rate, warnings = read(saved(tmp_path / "a.mp3", bare(mp3)))
    assert len(samples) == 1152 * frames_of(bare(mp3)) > len(at_rate(MP3_RATE))
    assert is_speech(samples, rate) and warnings == []


@pytest.mark.parametrize("first, second", [(1, 1), (1, 0), (0, 1)])
def test_joined_mp3s_are_read_one_after_the_other(first: bool, second: bool, mp3: bytes, tmp_path: Path) -> None:
    parts = [mp3 if has_header else bare(mp3) for has_header in (first, second)]
    alone = [read(saved(tmp_path / "one.mp3", part))[0] for part in parts]
    samples, rate, warnings = read(saved(tmp_path / "both.mp3", parts[0] + ID3 + parts[1]))
    np.testing.assert_array_equal(samples, np.concatenate(alone))
    assert is_speech(samples, rate, times=2) and warnings == []


def test_joined_mp3s_without_headers(mp3: bytes, tmp_path: Path) -> None:
    samples, rate, _ = read(saved(tmp_path / "both.mp3", 2 * bare(mp3)))
    assert len(samples) == 2 * 1152 * frames_of(bare(mp3)) and is_speech(samples, rate, times=2)


@pytest.mark.parametrize(
    "front",
    [
        bytes(700),
        ID3,
        ID3 + ID3 + bytes(184),
        b"ID3\3\0\0\xff\xff\xff\xff" + b"RJMD" * 16381,  # a tag whose size is no size
        np.random.default_rng(0).bytes(5000),
        b"\xff\xfb\xf0\0no frame",
    ],
    ids=["zeros", "ID3", "two ID3 and a gap", "broken ID3", "noise", "half a frame's head"],
)
@pytest.mark.parametrize("with_header", [True, False])
def test_what_is_in_front_of_mp3_is_passed_over(front: bytes, with_header: bool, mp3: bytes, tmp_path: Path) -> None:
    data = mp3 if with_header else bare(mp3)
    clean = read(saved(tmp_path / "clean.mp3", data))[0]
    for name in ("a.mp3", "a.dat"):
        np.testing.assert_array_equal(read(saved(tmp_path / name, front + data))[0], clean)


def test_the_tag_in_front_of_mp3_reaches_the_decoder(mp3: bytes, tmp_path: Path) -> None:
    title = b"TIT2" + struct.pack(">IHB", 6, 0, 3) + b"Talk!"
    tag = b"ID3\3\0\0\0\0\0" + bytes([len(title)]) + title
    for data in (mp3, bare(mp3)):
        with open_recording(str(saved(tmp_path / "a.mp3", tag + data))) as source:
            assert isinstance(source, SoundFileSource) and source._sound.title == "Talk!"


def test_what_is_behind_mp3_is_no_sound(mp3: bytes, tmp_path: Path) -> None:
    clean = read(saved(tmp_path / "clean.mp3", bare(mp3)))[0]
    ape = b"APETAGEX" + struct.pack("<IIII", 2000, 32, 0, 1 << 31) + bytes(8)
    for tag in (b"TAG" + bytes(125), ape, ID3, ape + b"TAG" + bytes(125), bytes(4096)):
        samples, _, warnings = read(saved(tmp_path / "a.mp3", bare(mp3) + tag))
        assert len(samples) == len(clean) and warnings == []


@pytest.mark.parametrize("told", [0, 30])
def test_an_mp3_header_that_tells_of_too_few_frames(told: int, mp3: bytes, tmp_path: Path) -> None:
    at = next(mp3.index(tag) for tag in (b"Xing", b"Info") if tag in mp3[:300]) + 8
    samples, rate, warnings = read(saved(tmp_path / "a.mp3", mp3[:at] + told.to_bytes(4, "big") + mp3[at + 4 :]))
    assert len(samples) >= len(at_rate(MP3_RATE)) and is_speech(samples, rate) and warnings == []
    if told == 0:  # the padding is told even so
        assert len(samples) == len(at_rate(MP3_RATE))


def test_noise_amid_mp3_frames_is_left_out_with_a_warning(mp3: bytes, tmp_path: Path) -> None:
    data, at = bare(mp3), 0
    for _ in range(20):
        frame = mp3_frames.parse_frame(data[at : at + 4])
        assert frame is not None
        at += frame.n_bytes
    noise = bytes([0xFF, 0xFB]) + np.random.default_rng(1).bytes(3000)
    samples, rate, warnings = read(saved(tmp_path / "a.mp3", data[:at] + noise + data[at:]))
    assert len(samples) == 1152 * frames_of(data)
    assert is_speech(samples, rate) and len(warnings) == 1 and "a.mp3: has 3002 bytes" in warnings[0]


def test_an_mp3_that_ends_within_a_frame(mp3: bytes, tmp_path: Path) -> None:
    samples, _, warnings = read(saved(tmp_path / "a.mp3", bare(mp3)[:-50]))
    assert len(samples) == 1152 * (frames_of(bare(mp3)) - 1)
    assert len(warnings) == 1 and "ends within a frame" in warnings[0]


def test_an_mp3_that_breaks_off_by_its_header(mp3: bytes, tmp_path: Path) -> None:
    with pytest.raises(CliError, match=r"a\.mp3: breaks off after \d+ of \d+ frames"):
        read(saved(tmp_path / "a.mp3", mp3[: len(mp3) // 2]))


def test_an_mp3_that_changes_its_rate(tmp_path: Path) -> None:
    data = bare(written("MP3", 44100)) + bare(written("MP3", 48000))
    with pytest.raises(CliError, match=r"from 44100 Hz and 1 channel to 48000 Hz and 1 channel at 3\.\d+ s"):
        read(saved(tmp_path / "a.mp3", data))


@pytest.mark.parametrize("rate", [8000, 16000, 24000, 32000])
def test_mp3_of_every_version(rate: int, tmp_path: Path) -> None:
    samples, read_rate, _ = read(saved(tmp_path / "a.mp3", written("MP3", rate)))
    assert (len(samples), read_rate) == (N * rate // RATE, rate)
    samples, _, _ = read(saved(tmp_path / "b.mp3", bare(written("MP3", rate))))
    assert is_speech(samples, rate, least=0.8)


def test_mpeg_layer_2(tmp_path: Path) -> None:
    data = encoded("mp2", "mp2", MP3_RATE)
    samples, rate, _ = read(saved(tmp_path / "a.mp2", data))
    assert len(samples) == 1152 * (len(at_rate(MP3_RATE)) // 1152 + 1) and is_speech(samples, rate)


# Ogg


def pages(ogg: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(ogg):
        end = at + 27 + ogg[at + 26] + sum(ogg[at + 27 : at + 27 + ogg[at + 26]])
        found.append(ogg[at:end])
        at = end
    return found


def page_of_nobody(flags: int, sequence: int, payload: bytes) -> bytes:
    """A page of a stream that is no sound; its checksum is not looked at."""
    return b"OggS\0" + struct.pack("<BqIIIBB", flags, 0, 0xFFFF0000, sequence, 0, 1, len(payload)) + payload


def ogg_flac() -> bytes:
    return encoded("ogg", "flac")


@pytest.mark.parametrize(
    "kinds", [["OPUS", "OPUS"], ["VORBIS", "VORBIS"], ["VORBIS", "OPUS", "FLAC"], ["FLAC", "FLAC"]]
)
def test_chained_ogg(kinds: list[str], tmp_path: Path) -> None:
    parts = [ogg_flac() if kind == "FLAC" else written("OGG", subtype=kind) for kind in kinds]
    alone = [read(saved(tmp_path / "one.ogg", part))[0] for part in parts]
    assert {len(part) for part in alone} == {N}
    samples, rate, warnings = read(saved(tmp_path / "all.ogg", b"".join(parts)))
    np.testing.assert_array_equal(samples, np.concatenate(alone))
    assert is_speech(samples, rate, times=len(parts)) and warnings == []


def test_chained_ogg_of_different_rates_is_refused(tmp_path: Path) -> None:
    data = written("OGG", subtype="VORBIS") + written("OGG", 22050, "VORBIS")
    with pytest.raises(CliError, match=r"from 16000 Hz and 1 channel to 22050 Hz and 1 channel at 3\.1\d+ s"):
        read(saved(tmp_path / "a.ogg", data))


@pytest.mark.parametrize("kind", ["OPUS", "VORBIS"])
def test_ogg_that_breaks_off_is_refused(kind: str, tmp_path: Path) -> None:
    data = written("OGG", subtype=kind)
    parts = pages(data)
    cut = data[: len(data) * 6 // 10]
    for damaged in (
        cut,
        data[: len(data) - len(parts[-1]) + 10],
        cut + data,
        data + cut,
        b"".join(parts[:3] + parts[4:]),
    ):
        with pytest.raises(CliError, match=r"a\.ogg: breaks off, or pages of it are missing"):
            read(saved(tmp_path / "a.ogg", damaged))


@pytest.mark.parametrize("kind", ["OPUS", "VORBIS"])
def test_ogg_without_the_mark_of_its_end_is_read_with_a_warning(kind: str, tmp_path: Path) -> None:
    samples, _, warnings = read(saved(tmp_path / "a.ogg", b"".join(pages(written("OGG", subtype=kind))[:-1])))
    assert N // 2 < len(samples) < N
    assert len(warnings) == 1 and "a.ogg: has no mark of its end" in warnings[0]


def with_later_clock(ogg: bytes, by: int) -> bytes:
    """The time of each page, in samples, moved."""
    moved = b""
    for page in pages(ogg):
        time = int.from_bytes(page[6:14], "little")
        page = page[:6] + (time + by if time else 0).to_bytes(8, "little") + page[14:22] + bytes(4) + page[26:]
        checksum = 0
        for byte in page:
            checksum ^= byte << 24
            for _ in range(8):
                checksum = (checksum << 1 ^ (0x04C11DB7 if checksum >> 31 else 0)) & 0xFFFFFFFF
        moved += page[:22] + checksum.to_bytes(4, "little") + page[26:]
    return moved


@pytest.mark.parametrize("kind", ["OPUS", "VORBIS"])
def test_ogg_that_was_recorded_from_a_stream_begins_late(kind: str, tmp_path: Path) -> None:
    data = written("OGG", subtype=kind)
    moved = read(saved(tmp_path / "b.ogg", with_later_clock(data, 48_000_000)))[0]
    assert len(moved) == N and is_speech(moved, RATE)


def test_opus_whose_clock_begins_too_early(tmp_path: Path) -> None:
    """Which libsndfile refuses, and FFmpeg does not."""
    samples, rate, _ = read(saved(tmp_path / "a.opus", with_later_clock(written("OGG", subtype="OPUS"), -100)))
    assert len(samples) == N * rate // RATE and is_speech(samples, rate)


def test_what_is_between_and_behind_ogg_is_no_sound(tmp_path: Path) -> None:
    data = written("OGG", subtype="OPUS")
    alone = read(saved(tmp_path / "a.opus", data))[0]
    samples, _, warnings = read(saved(tmp_path / "a.opus", ID3 + data + ID3 + bytes(500) + data + b"TAG" + bytes(125)))
    np.testing.assert_array_equal(samples, np.tile(alone, (2, 1)))
    assert warnings == []


def test_ogg_without_its_beginning_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CliError, match="without its beginning"):
        read(saved(tmp_path / "a.ogg", b"".join(pages(written("OGG", subtype="VORBIS"))[3:])))


def test_ogg_beside_a_stream_that_is_no_sound(tmp_path: Path) -> None:
    first, *others = pages(written("OGG", subtype="VORBIS"))
    mixed = page_of_nobody(2, 0, b"fishead\0") + first
    for i, page in enumerate(others, start=1):
        mixed += page_of_nobody(0, i, b"nothing") + page
    samples, rate, warnings = read(saved(tmp_path / "a.ogv", mixed))
    assert len(samples) == N and is_speech(samples, rate) and warnings == []


def test_flac_in_ogg(tmp_path: Path) -> None:
    samples, _, _ = read(saved(tmp_path / "a.oga", ogg_flac()))
    np.testing.assert_array_equal(samples[:, 0] * 32768, SPEECH)


# FLAC


def test_flac_of_unknown_length(tmp_path: Path) -> None:
    data = encoded("flac", "flac", to_pipe=True)
    assert int.from_bytes(data[21:26], "big") & (1 << 36) - 1 == 0
    samples, _, warnings = read(saved(tmp_path / "a.flac", data))
    np.testing.assert_array_equal(samples[:, 0] * 32768, SPEECH)
    assert warnings == []
    with pytest.raises(CliError, match=r"a\.flac: cannot be read .* damaged or incomplete"):
        read(saved(tmp_path / "a.flac", data[: len(data) * 6 // 10]))


def test_joined_flacs_and_tags_in_front(tmp_path: Path) -> None:
    samples, _, _ = read(saved(tmp_path / "a.flac", ID3 + 2 * written("FLAC")))
    np.testing.assert_array_equal(samples[:, 0] * 32768, np.tile(SPEECH, 2))


# WAV and what is like it


def wav(size: int, riff_size: int = 0, sound: bytes = SPEECH.tobytes()) -> bytes:
    """With these sizes in its header, true or not."""
    return (
        struct.pack("<4sI4s4sIHHIIHH", b"RIFF", riff_size, b"WAVE", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16)
        + struct.pack("<4sI", b"data", size)
        + sound
    )


WHOLE = wav(2 * N, 2 * N + 36)
LIST = b"LIST" + struct.pack("<I", 4) + b"INFO"


@pytest.mark.parametrize(
    "data",
    [
        wav(0xFFFFFFFF, 0xFFFFFFFF),
        wav(0x7FFFF000, 0x7FFFF024),
        ID3 + WHOLE,
        WHOLE + LIST,
        WHOLE + b"TAG" + bytes(125),
        WHOLE + ID3,
        WHOLE + bytes(4096),
        encoded("wav", "pcm_s16le", to_pipe=True),
        encoded("w64", "pcm_s16le", to_pipe=True),
        encoded("au", "pcm_s16be", to_pipe=True),
        encoded("caf", "pcm_s16be", to_pipe=True),
        written("W64"),
        written("RF64"),
        written("CAF"),
        written("AIFF"),
    ],
)
def test_wav_and_its_like(data: bytes, tmp_path: Path) -> None:
    samples, rate, warnings = read(saved(tmp_path / "a.wav", data))
    np.testing.assert_array_equal(samples[:, 0] * 32768, SPEECH)
    assert rate == RATE and warnings == []


@pytest.mark.parametrize(
    "data, words",
    [
        (wav(0), "never finished"),
        (wav(0, 36), "never finished"),
        (encoded("wav", "pcm_s16le", to_pipe=True, rf64="always"), "never finished"),
        (encoded("aiff", "pcm_s16be", to_pipe=True), "never finished"),
        (wav(40000, 40036), "40000 bytes of sound, but there are 101104; it is read to its end"),
        (wav(4 * N, 4 * N + 36), "202208 bytes of sound, but there are 101104; sound may be missing"),
    ],
)
def test_a_size_that_is_wrong_is_warned_of(data: bytes, words: str, tmp_path: Path) -> None:
    samples, _, warnings = read(saved(tmp_path / "a.wav", data))
    np.testing.assert_array_equal(samples[:, 0] * 32768, SPEECH)
    assert len(warnings) == 1 and "sic: warning: " in warnings[0] and words in warnings[0]


@pytest.mark.parametrize("kind", ["AIFF", "W64", "CAF"])
def test_other_kinds_that_break_off(kind: str, tmp_path: Path) -> None:
    samples, _, warnings = read(saved(tmp_path / "a.wav", written(kind)[:-2000]))
    assert N - 1001 <= len(samples) <= N - 990 and "sound may be missing" in warnings[0]


def test_a_wav_of_nothing_stays_one(tmp_path: Path) -> None:
    for data in (wav(0, 36, b""), wav(0, 36, LIST)):
        with pytest.raises(CliError, match="has no samples"):
            read(saved(tmp_path / "a.wav", data))


@pytest.mark.parametrize("kind", ["WAV", "W64", "RF64", "AIFF"])
def test_joined_wavs(kind: str, tmp_path: Path) -> None:
    first = written(kind) + (LIST if kind == "WAV" else b"")
    samples, _, warnings = read(saved(tmp_path / "a.wav", first + written(kind)))
    np.testing.assert_array_equal(samples[:, 0] * 32768, np.tile(SPEECH, 2))
    assert warnings == []


def test_a_wav_beyond_4_gib_whose_size_began_again_from_0() -> None:
    """Looked at without its 4 GiB: zeros that no disk holds."""
    size = 2000
    file = Pieces(io.BytesIO(), [wav(size, size + 36, b"\1\2" * 2000), (1 << 32) - 2000])
    layout = sound_chunks.look(file, 0, file.seek(0, os.SEEK_END))  # type: ignore[arg-type]
    assert layout is not None and layout.is_longer and layout.n_bytes == (1 << 32) + size


@pytest.mark.parametrize("codec", ["GSM610", "MS_ADPCM", "IMA_ADPCM"])
def test_codecs_of_blocks_that_cannot_seek(codec: str, tmp_path: Path) -> None:
    data = bytearray(written("WAV", subtype=codec))
    at = data.index(b"fact") + 8
    data[at : at + 4] = struct.pack("<I", N)  # libsndfile itself writes a multiple of the block for IMA
    samples, rate, _ = read(saved(tmp_path / "a.wav", data))
    assert len(samples) == N and is_speech(samples, rate)


def test_mp3_in_wav(tmp_path: Path) -> None:
    samples, rate, warnings = read(saved(tmp_path / "a.wav", encoded("wav", "libmp3lame")))
    assert N <= len(samples) < N + 3 * 576 and is_speech(samples, rate) and warnings == []


def test_a_format_that_only_its_extension_tells(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.raw", SPEECH, RATE, format="RAW", subtype="VOX_ADPCM")
    with open_recording(str((tmp_path / "a.raw").rename(tmp_path / "a.vox"))) as source:
        assert is_speech(source.read(N), RATE) and source.sample_rate == 8000


# Raw samples


@pytest.mark.parametrize("coding", RAW_CODINGS)
def test_raw_samples(coding: str, tmp_path: Path) -> None:
    subtype, endian, bits = RAW_CODINGS[coding]
    stereo = np.stack([SPEECH, SPEECH[::-1]], axis=1)
    samples = stereo / 32768 if subtype in ("FLOAT", "DOUBLE") else stereo
    soundfile.write(tmp_path / "a.pcm", samples, 8000, format="RAW", subtype=subtype, endian=endian)
    raw = RawFormat(8000, 2, coding)
    assert raw.frame_bytes == os.path.getsize(tmp_path / "a.pcm") / N
    with open_recording(str(tmp_path / "a.pcm"), raw) as source:
        assert (source.sample_rate, source.channels, source.n_samples) == (8000, 2, N)
        np.testing.assert_allclose(source.read(N), stereo / 32768, atol=0.02 if bits == 8 else 0)


def test_raw_samples_of_other_programs(tmp_path: Path) -> None:
    numbers = SPEECH.astype(np.int32) << 8
    s24le = numbers.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    for coding, data in (("s16be", SPEECH.astype(">i2").tobytes()), ("s24le", s24le)):
        with open_recording(str(saved(tmp_path / "a", data)), RawFormat(RATE, 1, coding)) as source:
            np.testing.assert_array_equal(source.read(N)[:, 0] * 32768, SPEECH)


def test_encode_takes_raw_samples_from_a_pipe(tmp_path: Path) -> None:
    out = tmp_path / "out.sic"
    arguments = ("--raw-rate", "8000", "--raw-channels", "2", "--raw-format", "f32le", "--model", "speech")
    data = (SPEECH / 32768).astype("<f4").tobytes()
    result = sic_process("encode", "-", out, *arguments, fake=True, input=data + b"\0")
    assert result.returncode == 0
    assert b"sic: warning: stdin: 202209 bytes are not a whole number of samples of 8 bytes" in result.stderr
    header = read_sic(out).header
    assert (header.sample_rate, header.channels, header.n_samples) == (8000, 2, N // 2)


def test_raw_options_need_a_rate(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pcm", bytes(100))
    for option, value in (("--raw-channels", "2"), ("--raw-format", "u8")):
        assert_refused(sic("encode", path, option, value), f"{option} needs --raw-rate", exit_code=2)
    assert_refused(sic("encode", path, "--raw-rate", "8000", "--raw-format", "s17le"), "s17le", exit_code=2)
    assert_refused(sic("encode", saved(tmp_path / "b.pcm", b""), "--raw-rate", "8000"), "b.pcm: is empty")
    assert_refused(sic("encode", saved(tmp_path / "b.pcm", b"1"), "--raw-rate", "8000"), "b.pcm: has no samples")


# What FFmpeg reads


@pytest.mark.parametrize("rate", [16000, 44100, 48000])
@pytest.mark.parametrize("kind, codec", [("ipod", "aac"), ("mp4", "alac"), ("mov", "pcm_s16be")])
def test_mpeg_4_is_as_long_as_it_tells(kind: str, codec: str, rate: int, tmp_path: Path) -> None:
    samples, read_rate, warnings = read(saved(tmp_path / "a.m4a", encoded(kind, codec, rate)))
    assert (len(samples), read_rate, warnings) == (len(at_rate(rate)), rate, [])
    assert is_speech(samples, rate)


def test_itunes_note_about_padding(tmp_path: Path) -> None:
    with open_recording(str(saved(tmp_path / "a.m4a", encoded("ipod", "aac")))) as source:
        n_samples = source.n_samples
    length = media.Length(n_smoothed=n_samples - 100, n_samples=n_samples, is_mpeg_4=True)
    assert length.without_padding(n_samples + 50, RATE) == n_samples - 100
    assert media.Length(n_smoothed=5).without_padding(n_samples, RATE) == n_samples  # which cannot be


@pytest.mark.parametrize(
    "kind, codec, rate, most_added",
    [
        ("adts", "aac", RATE, 2048),
        ("webm", "libopus", 48000, 0),
        ("matroska", "flac", RATE, 0),
        ("asf", "wmav2", MP3_RATE, 2048),
        ("ac3", "ac3", 48000, 1536),
        ("wv", "wavpack", RATE, 0),
    ],
)
def test_other_formats_of_ffmpeg(kind: str, codec: str, rate: int, most_added: int, tmp_path: Path) -> None:
    samples, read_rate, warnings = read(saved(tmp_path / "a", encoded(kind, codec, rate)))
    assert abs(len(samples) - len(at_rate(rate))) <= most_added and read_rate == rate
    assert is_speech(samples, rate) and warnings == []


@pytest.mark.parametrize("kind, codec", [("mp4", "aac"), ("matroska", "aac"), ("avi", "pcm_s16le")])
def test_the_sound_of_a_video(kind: str, codec: str, tmp_path: Path) -> None:
    samples, rate, _ = read(saved(tmp_path / "a", encoded(kind, codec, picture=True)))
    assert N <= len(samples) <= N + 1024 and is_speech(samples, rate)


def test_a_video_without_sound_is_refused(tmp_path: Path) -> None:
    memory = io.BytesIO()
    with av.open(memory, "w", format="mp4") as container:
        video = container.add_stream("mpeg4", rate=10)
        video.width = video.height = 32
        video.pix_fmt = "yuv420p"
        container.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))))
        container.mux(video.encode(None))
    with pytest.raises(CliError, match=r"a\.mp4: has no sound that sic can read"):
        read(saved(tmp_path / "a.mp4", memory.getvalue()))


def test_media_that_breaks_off(tmp_path: Path) -> None:
    webm = encoded("webm", "libopus", 48000)
    samples, rate, warnings = read(saved(tmp_path / "a.webm", webm[: len(webm) // 2]))
    assert 0.3 < len(samples) / len(at_rate(rate)) < 0.7
    assert len(warnings) == 1 and "a.webm: its header tells of 3.1" in warnings[0]
    m4a = encoded("ipod", "aac")
    with pytest.raises(CliError, match=r"a\.m4a: has no sound that sic can read"):
        read(saved(tmp_path / "a.m4a", m4a[: len(m4a) // 2]))


def test_a_playlist_is_not_followed(tmp_path: Path) -> None:
    saved(tmp_path / "a.aac", encoded("adts", "aac"))
    lists = (
        f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:3,\n{tmp_path}/a.aac\n#EXT-X-ENDLIST\n",
        f"ffconcat version 1.0\nfile {tmp_path}/a.aac\n",
    )
    for text in lists:
        with pytest.raises(CliError, match="is not audio that sic reads"):
            read(saved(tmp_path / "a.m3u8", text.encode()))


@pytest.fixture
def without_av(monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = util.find_spec
    for module in (extras, recordings):
        monkeypatch.setattr(module, "find_spec", lambda name: None if name == "av" else find_spec(name))


@pytest.mark.usefixtures("without_av")
def test_without_the_extra_the_message_names_it(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.m4a", encoded("ipod", "aac"))
    line = "a.m4a: reading MPEG-4 (m4a, mp4, mov) needs av; to have them: pip install 'sparsecodec[media]'"
    assert_refused(sic("encode", path), line)
    path = saved(tmp_path / "a.what", b"what is this?" * 100)
    assert_refused(sic("encode", path), "a.what: is not audio that sic reads", "pip install 'sparsecodec[media]'")


@pytest.mark.usefixtures("without_av")
def test_what_libsndfile_reads_needs_no_extra(mp3: bytes, tmp_path: Path) -> None:
    for data in (bare(mp3), mp3 + mp3, ogg_flac(), encoded("flac", "flac", to_pipe=True), wav(0), WHOLE):
        assert is_speech(*read(saved(tmp_path / "a", data))[:2], least=0.5)


# What the commands say


def test_encode_warns_and_is_quiet_when_asked(tmp_path: Path) -> None:
    path, out = saved(tmp_path / "a.wav", wav(0)), tmp_path / "out.sic"
    arguments = ("encode", path, out, "--model", "speech", "-f")
    assert sic_process(*arguments, fake=True).stderr.startswith(b"sic: warning: " + bytes(path) + b": its header was")
    assert sic_process(*arguments, "-q", fake=True).stderr == b""
    assert read_sic(out).header.n_samples == N


def test_no_other_program_is_heard_on_stderr(mp3: bytes, tmp_path: Path) -> None:
    damaged = bytearray(mp3 + bare(mp3))
    damaged[4000:4400:7] = bytes(len(damaged[4000:4400:7]))
    for data in (mp3 + mp3, bytes(damaged)):
        result = sic_process("encode", "-", tmp_path / "a.sic", "-qf", "--model", "speech", fake=True, input=data)
        assert (result.returncode, result.stderr) == (0, b"")
    m4a = bytearray(encoded("ipod", "aac"))
    m4a[3000:9000:11] = bytes(len(m4a[3000:9000:11]))
    result = sic_process("encode", "-", tmp_path / "a.sic", "-qf", "--model", "speech", fake=True, input=bytes(m4a))
    assert result.stderr.count(b"\n") <= 1 and result.stderr[:4] in (b"", b"sic:")


def test_compare_and_report_warn_too(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.wav", wav(0))
    with open_sound(str(path)) as sound:
        assert len(sound.warnings) == 1 and "a.wav: its header was never finished" in sound.warnings[0]
    result = sic("compare", path, path)
    assert result.exit_code == 0 and result.stderr.count("never finished") == 2
    assert ok("compare", path, path, "-q") and sic("compare", path, path, "-q").stderr == ""
