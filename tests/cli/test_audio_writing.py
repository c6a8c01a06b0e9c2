"""Audio files as `sic decode` writes them: bits, formats, and what the channels are for."""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path

import fake_codec
import numpy as np
import pytest
import soundfile
from cli_support import assert_refused, make_table, names_in, ok, sic, write_sic

from sparsecodec_cli.io import audio_writing
from sparsecodec_formats import edit

pytestmark = pytest.mark.usefixtures("fake")

GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")
MASKS = {1: 0, 2: 0, 3: 0x7, 4: 0x33, 5: 0x37, 6: 0x3F, 7: 0x70F, 8: 0x63F, 9: 0}
"""By number of channels, for three and more: left 1, right 2, centre 4, bass 8, back 10 and 20, back centre 100, sides
200 and 400, in hexadecimal."""


@pytest.fixture
def talk_sic(tmp_path: Path) -> Path:
    return write_sic(tmp_path / "talk.sic")


def written(audio: np.ndarray, name: str, subtype: str | None = None, *, known: bool = True) -> bytes:
    """The bytes of a file of this name with these samples, [n, channels]."""
    audio_format = audio_writing.format_of(name)
    assert audio_format is not None
    file = io.BytesIO()
    audio_writing.write_audio(
        file,
        name,
        [audio.astype(np.float32)],
        audio_format=audio_writing.AudioFormat(audio_format.name, subtype or audio_format.subtype),
        sample_rate=8000,
        channels=audio.shape[1],
        n_samples=len(audio) if known else None,
    )
    return file.getvalue()


def chunks_of(wav: bytes) -> dict[bytes, bytes]:
    """The chunks of a RIFF file, whose sizes must fill it."""
    assert wav[:4] == b"RIFF" and wav[8:12] == b"WAVE"
    assert struct.unpack("<I", wav[4:8])[0] == len(wav) - 8
    chunks, at = {}, 12
    while at < len(wav):
        size = struct.unpack("<I", wav[at + 4 : at + 8])[0]
        chunks[wav[at : at + 4]] = wav[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    assert at == len(wav)
    return chunks


# Bits


@pytest.mark.parametrize("extension", ["wav", "flac", "aiff", "caf", "w64", "rf64", "au"])
@pytest.mark.parametrize("subtype, step", [("PCM_16", 2.0**-15), ("PCM_24", 2.0**-23)])
def test_integers_come_back_as_the_nearest(extension: str, subtype: str, step: float) -> None:
    audio = np.random.default_rng(0).uniform(-1, 1, (1001, 1)).astype(np.float32)
    audio[:3, 0] = -1, 1, 0.5 * step
    read, _ = soundfile.read(io.BytesIO(written(audio, f"x.{extension}", subtype)), always_2d=True)
    assert np.abs(np.minimum(audio, 1 - step) - read).max() <= 0.5 * step


@pytest.mark.parametrize("extension", ["wav", "aiff", "caf", "w64", "rf64", "au"])
def test_floats_come_back_as_they_are_beyond_full_scale_too(extension: str) -> None:
    audio = np.float32(4) * np.random.default_rng(0).uniform(-1, 1, (1001, 2)).astype(np.float32)
    read, _ = soundfile.read(io.BytesIO(written(audio, f"x.{extension}", "FLOAT")), dtype="float32")
    np.testing.assert_array_equal(read, audio)


@pytest.mark.parametrize(
    "extension, bits", [("wav", "24"), ("wav", "float"), ("flac", "24"), ("aiff", "24"), ("aiff", "float")]
)
def test_a_recording_at_minus_90_dbfs_survives(extension: str, bits: str, tmp_path: Path) -> None:
    table = make_table(seconds=0.5)
    level_db = 20 * np.log10(np.abs(soundfile.read(io.BytesIO(decoded(tmp_path, table, "--bits", "float")))[0]).max())
    table = edit.gain(table, round(4 * (-90 - level_db)) / 4)
    path = write_sic(tmp_path / "quiet.sic", table)
    out = tmp_path / f"quiet.{extension}"
    ok("decode", path, out, "--bits", bits)
    audio, _ = soundfile.read(out)
    assert 20 * np.log10(np.abs(audio).max()) == pytest.approx(-90, abs=0.2)
    tone = np.sin(2 * np.pi * fake_codec.TONE_HZ * np.arange(len(audio)) / 8000)
    error = audio - tone * (audio @ tone) / (tone @ tone)
    assert np.sqrt(np.mean(error**2) / np.mean(audio**2)) < 0.01  # 16 bits: a square wave of one step, 0.5


def decoded(folder: Path, table: object, *args: str) -> bytes:
    return ok("decode", write_sic(folder / "in.sic", table), "-", *args)  # type: ignore[arg-type]


def test_floats_are_not_clipped_and_nothing_is_said_of_clipping(tmp_path: Path) -> None:
    path = write_sic(tmp_path / "loud.sic", edit.gain(make_table(seconds=1), 40))
    result = sic("decode", path, "--bits", "float")
    assert (result.exit_code, result.stderr) == (0, "")
    audio, _ = soundfile.read(tmp_path / "loud.wav")
    assert np.abs(audio).max() > 8


@pytest.mark.parametrize(
    "out, bits, subtype",
    [
        ("out.wav", "16", "PCM_16"),
        ("out.wav", "24", "PCM_24"),
        ("out.wav", "float", "FLOAT"),
        ("out.flac", "24", "PCM_24"),
        ("out.caf", "float", "FLOAT"),
        ("out.mat5", "16", "PCM_16"),
    ],
)
def test_bits_choose_the_coding_of_samples(out: str, bits: str, subtype: str, talk_sic: Path) -> None:
    ok("decode", talk_sic, talk_sic.parent / out, "--bits", bits)
    info = soundfile.info(talk_sic.parent / out)
    assert (info.subtype, info.frames) == (subtype, 16000)


@pytest.mark.parametrize(
    "args, words",
    [
        (["out.flac", "--bits", "float"], ["out.flac: FLAC cannot hold --bits float", "16 or 24"]),
        (["out.htk", "--bits", "24"], ["out.htk", "only 16"]),
        (["out.mp3", "--bits", "24"], ["out.mp3: MP3 has no bits", "leave out --bits"]),
        (["out.opus", "--bits", "16"], ["out.opus", "leave out --bits"]),
        (["-", "--format", "ogg", "--bits", "16"], ["stdout: OGG", "leave out --bits"]),
        (["out.wav", "--bits", "20"], ["--bits", "20", "24"]),
        (["out.wav", "--format", "m4a"], ["--format m4a", "wav, flac"]),
        (["out.wav", "--format", "raw"], ["--format raw"]),
        (["out.sd2"], ["out.sd2", ".wav"]),
        (["out.sds"], ["out.sds", ".wav"]),
        (["out.m4a"], ["out.m4a", "--format"]),
        (["out.sic", "--format", "wav"], ["out.sic", "OUT is audio"]),
    ],
)
def test_what_no_format_holds_is_wrong_use(args: list[str], words: list[str], talk_sic: Path) -> None:
    out = [arg if arg[0] == "-" or i else str(talk_sic.parent / arg) for i, arg in enumerate(args)]
    assert_refused(sic("decode", talk_sic, *out), *words, exit_code=2)
    assert names_in(talk_sic.parent) == ["talk.sic"]


# Formats


@pytest.mark.parametrize(
    "name, expected",
    [
        ("wav", "WAV"),
        ("FLAC", "FLAC"),
        ("opus", "OGG"),
        ("mp3", "MP3"),
        ("aiff", "AIFF"),
        ("w64", "W64"),
        ("caf", "CAF"),
    ],
)
def test_format_goes_to_stdout_and_names_the_output(name: str, expected: str, talk_sic: Path) -> None:
    info = soundfile.info(io.BytesIO(ok("decode", talk_sic, "-", "--format", name)))
    assert (info.format, info.frames) == (expected, 16000)
    ok("decode", talk_sic, "--format", name)
    assert set(names_in(talk_sic.parent)) == {f"talk.{name.lower()}", "talk.sic"}


def test_format_is_stronger_than_the_extension(talk_sic: Path) -> None:
    for out in ("out", "out.wav", "out.bin"):
        ok("decode", talk_sic, talk_sic.parent / out, "--format", "flac")
        assert (talk_sic.parent / out).read_bytes()[:4] == b"fLaC"


def test_no_format_leaves_a_second_file_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_sic(tmp_path / "in.sic", make_table(seconds=0.1, rate=44100))
    for name in soundfile.available_formats():
        if audio_writing.format_named(name) is not None:
            ok("decode", path, "-", "--format", name)
        assert os.listdir(tmp_path) == ["in.sic"], name


# WAV, byte for byte


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("channels", MASKS)
@pytest.mark.parametrize("subtype, number, size", [("PCM_16", 1, 2), ("PCM_24", 1, 3), ("FLOAT", 3, 4)])
def test_wav_says_what_its_channels_are_for(subtype: str, number: int, size: int, channels: int, known: bool) -> None:
    audio = np.random.default_rng(0).uniform(-1, 1, (7, channels)).astype(np.float32)
    wav = written(audio, "x.wav", subtype, known=known)
    chunks = chunks_of(wav)
    form = chunks[b"fmt "]
    frame = channels * size
    assert struct.unpack("<HIIHH", form[2:16]) == (channels, 8000, 8000 * frame, frame, 8 * size)
    if channels > 2:
        assert len(form) == 40 and form[:2] == b"\xfe\xff"
        assert struct.unpack("<HHIH", form[16:26]) == (22, 8 * size, MASKS[channels], number)
        assert form[26:] == GUID_TAIL
    else:
        assert struct.unpack("<H", form[:2])[0] == number and len(form) == (16 if number == 1 else 18)
    assert (b"fact" in chunks) == (subtype == "FLOAT")
    assert chunks.get(b"fact", struct.pack("<I", 7)) == struct.pack("<I", 7)
    assert len(chunks[b"data"]) == 7 * frame
    assert len(wav) % 2 == 0  # 24 bits, an odd number of them: padded
    read, _ = soundfile.read(io.BytesIO(wav), always_2d=True)
    assert read.shape == audio.shape and np.abs(read - audio).max() <= 2.0**-15


@pytest.mark.parametrize("channels", [3, 6, 8, 9])
def test_rf64_says_it_too(channels: int) -> None:
    data = written(np.zeros((5, channels)), "x.rf64")
    form = data[data.index(b"fmt ") + 8 :][:40]
    assert form[:2] == b"\xfe\xff" and struct.unpack("<I", form[20:24])[0] == MASKS[channels]
    assert soundfile.info(io.BytesIO(data)).channels == channels


def test_stems_of_many_channels_say_it_too(tmp_path: Path) -> None:
    file = io.BytesIO()
    audio_writing.write_float_wav(file, "x.wav", np.zeros((3, 6), np.float32), 48000, start_sample=0, description="")
    form = chunks_of(file.getvalue())[b"fmt "]
    assert form[:2] == b"\xfe\xff" and struct.unpack("<I", form[20:24])[0] == 0x3F


@pytest.mark.parametrize("bits, seconds", [("24", 2**32 / 3 / 8000), ("float", 2**30 / 8000)])
def test_the_limit_of_wav_depends_on_the_bits(bits: str, seconds: float, tmp_path: Path) -> None:
    path = write_sic(tmp_path / "long.sic", make_table(0, seconds=seconds))
    assert_refused(sic("decode", path, "--bits", bits), "long.wav", "4 GiB", ".w64")
    assert names_in(tmp_path) == ["long.sic"]
