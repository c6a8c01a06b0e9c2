"""`sic encode --live`: events leave while their sound comes, and what is there when it breaks off is readable."""

from __future__ import annotations

import io
import signal
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from cli_support import assert_refused, ok, sic, started
from click.testing import CliRunner, Result

import sparsecodec_cli as api
from sparsecodec_cli.main import cli
from sparsecodec_formats import Reader, loads, salvage

DATA = Path(__file__).parents[1] / "data" / "only-person-en.flac"
RATE = 16_000
SIZES = {"none": 0, "most": 0xFFFF_FFFF, "much": 0x7FFF_FFFF}
MUSIC = "music/duet.flac"
LIVE = ("encode", "-", "-", "--live", "--effort", "0", "--model", "speech")


def speech(duration_s: float) -> np.ndarray:
    """int16 [n]."""
    samples, rate = soundfile.read(DATA, dtype="int16")
    assert rate == RATE
    return np.resize(samples, round(duration_s * RATE))


class Pipe(io.BytesIO):
    """Cannot seek."""

    def seekable(self) -> bool:
        return False


def piped(*args: str | Path, stdin: bytes) -> Result:
    return CliRunner().invoke(cli, [str(arg) for arg in args], input=Pipe(stdin), prog_name="sic")


def given(*args: str, stdin: bytes) -> bytes:
    """What comes out of a command that must succeed."""
    result = piped(*args, stdin=stdin)
    assert result.exit_code == 0, result.stderr
    return result.stdout_bytes


def wav_header(
    size: int = 0xFFFF_FFFF, *, kind: int = 1, channels: int = 1, bits: int = 16, more: bytes = b""
) -> bytes:
    """Of a WAV file in a pipe, whose size nobody knows yet."""
    width = channels * bits // 8
    fmt = struct.pack("<HHIIHH", kind, channels, RATE, RATE * width, width, bits) + more
    head = b"WAVE" + b"LIST" + struct.pack("<I", 3) + b"abc\0" + b"fmt " + struct.pack("<I", len(fmt)) + fmt
    return b"RIFF" + struct.pack("<I", 0xFFFF_FFFF) + head + b"data" + struct.pack("<I", size)


def test_a_pipe_gives_what_its_file_gives(tmp_path: Path) -> None:
    sound = speech(9.3)
    soundfile.write(tmp_path / "talk.wav", sound, RATE)
    from_file = tmp_path / "file.sic"
    result = sic("encode", tmp_path / "talk.wav", from_file, "--live", "--effort", "0", "--model", "speech")
    assert result.exit_code == 0 and " 9.30 s, " in result.stderr
    data = from_file.read_bytes()
    header = loads(data).header
    assert header.n_samples == len(sound) and Reader(io.BytesIO(data)).length_at_end
    for size in (*SIZES.values(), 2 * len(sound)):
        assert given(*LIVE, stdin=wav_header(size) + sound.tobytes()) == data
    assert given(*LIVE, "--raw-rate", str(RATE), stdin=sound.tobytes()) == data
    assert given(*LIVE, stdin=wav_header(2 * len(sound)) + sound.tobytes() + b"LIST\4\0\0\0abcd") == data
    assert ok("test", "--decode", from_file).endswith(b"ok\n")
    given("decode", "-", str(tmp_path / "out.wav"), stdin=data)
    assert soundfile.info(tmp_path / "out.wav").frames == len(sound)


@pytest.mark.parametrize("bits, kind, dtype", [(32, 3, "<f4"), (64, 3, "<f8"), (32, 1, "<i4"), (8, 1, "u1")])
def test_samples_of_other_kinds(bits: int, kind: int, dtype: str) -> None:
    sound = speech(3.0)
    full = {"f": 1.0, "i": 2.0**31, "u": 2.0**7}[np.dtype(dtype).kind]
    samples = np.clip(sound / 32768 * full, -full, full * (1 - 2**-20)) + (128 if dtype == "u1" else 0)
    data = given(*LIVE, stdin=wav_header(kind=kind, bits=bits) + samples.astype(dtype).tobytes())
    usual = given(*LIVE, stdin=wav_header() + sound.tobytes())
    assert loads(data).header == loads(usual).header
    assert bits == 8 or abs(len(loads(data)) - len(loads(usual))) <= 2


def test_an_extensible_header_and_two_channels() -> None:
    sound = np.repeat(speech(4.0), 2).tobytes()
    more = struct.pack("<HHI", 22, 16, 3) + bytes.fromhex("0100 0000 0000 1000 8000 00aa00389b71")
    data = given(*LIVE, stdin=wav_header(kind=0xFFFE, channels=2, more=more) + sound)
    table = loads(data)
    assert table.header.channels == table.header.streams == 2
    assert (table.channel == 0).sum() == (table.channel == 1).sum() > 50


@pytest.mark.parametrize("sound, model", [("only-person-en.flac", "speech"), (MUSIC, "music")])
def test_auto_listens_to_what_comes_first(sound: str, model: str) -> None:
    samples, rate = soundfile.read(DATA.parent / sound, dtype="int16", frames=4 * RATE)
    data = given("encode", "-", "-", "--live", "--effort", "0", "--raw-rate", str(rate), stdin=samples.tobytes())
    table = loads(data)
    assert table.header.model == model and table.header.n_samples == len(samples) and len(table) > 5


def test_tags_of_a_file_and_of_the_command(tmp_path: Path) -> None:
    ok("encode", DATA, tmp_path / "a.sic", "--live", "--effort", "0", "--tag", "title=Now")
    assert loads((tmp_path / "a.sic").read_bytes()).header.tags["title"] == "Now"


@pytest.mark.parametrize(
    "stdin, said",
    [
        (b"fLaC" + bytes(100), "a pipe holds WAV"),
        (b"", "a pipe holds WAV"),
        (wav_header()[:30], "ends within its header"),
        (wav_header(kind=2, bits=4), "which are not read live"),
        (wav_header(), "no samples"),
        (b"RIFF\0\0\0\0WAVEdata\0\0\0\0", "how its samples are stored"),
        (wav_header(kind=3, bits=32) + np.array([np.nan], np.float32).tobytes(), "NaN"),
    ],
)
def test_pipes_that_hold_no_sound_to_read_live(stdin: bytes, said: str, tmp_path: Path) -> None:
    out = tmp_path / "out.sic"
    assert_refused(piped("encode", "-", out, "--live", stdin=stdin), said)
    assert not out.exists()


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "out.sic"
    out.write_bytes(b"mine")
    assert_refused(sic("encode", DATA, out, "--live"), "exists already")
    assert out.read_bytes() == b"mine"
    ok("encode", DATA, out, "--live", "--effort", "0", "-f")
    assert len(loads(out.read_bytes()))


def test_a_preset_that_codes_whole_recordings() -> None:
    assert_refused(sic("encode", DATA, "-", "--live", "--model", "reference"), "whole recordings only")


# processes


def read_until_a_block(process: subprocess.Popen) -> bytes:
    """What has come out when a block is whole."""
    data = b""
    while True:
        data += process.stdout.read1()  # type: ignore[union-attr]
        if len(salvage(io.BytesIO(data)).table):
            return data


@pytest.fixture(params=["speech", "music"])
def live(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen]:
    """Has been given 7 s, of an input that goes on."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with started(*LIVE[:-1], request.param, **pipes) as process:
        process.stdin.write(wav_header() + speech(7.0).tobytes())
        process.stdin.flush()
        yield process


def test_blocks_leave_while_the_input_goes_on(live: subprocess.Popen) -> None:
    assert len(salvage(io.BytesIO(read_until_a_block(live))).table) > 0
    assert live.poll() is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_file_well(live: subprocess.Popen, number: signal.Signals) -> None:
    data = read_until_a_block(live)
    live.send_signal(number)
    rest, said = live.communicate()
    assert live.returncode == 0, said
    table = loads(data + rest)
    assert 5 < table.time[-1] < table.duration_s <= 7
    assert f"{table.duration_s:.2f} s".encode() in said


def test_what_a_killed_process_has_written_is_readable_but_for_its_end(live: subprocess.Popen, tmp_path: Path) -> None:
    data = read_until_a_block(live)
    live.kill()
    live.communicate()
    (tmp_path / "cut.sic").write_bytes(data)
    refused = sic("decode", tmp_path / "cut.sic", tmp_path / "cut.wav")
    assert_refused(refused, "cut short")
    saved = sic("decode", tmp_path / "cut.sic", tmp_path / "cut.wav", "--salvage")
    assert saved.exit_code == 1 and "cut short" in saved.stderr
    assert 2 < soundfile.info(tmp_path / "cut.wav").duration < 7


def test_an_output_file_grows(tmp_path: Path) -> None:
    """It is there from the first block on, under its own name."""
    out = tmp_path / "out.sic"
    with started("encode", "-", out, *LIVE[3:], stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdin.write(wav_header() + speech(60.0).tobytes())
        process.stdin.close()
        assert process.wait() == 0
    assert [path.name for path in tmp_path.iterdir()] == ["out.sic"]
    assert loads(out.read_bytes()).duration_s == 60


# from Python


def test_from_python_parts_come_as_their_sound_does(tmp_path: Path) -> None:
    sound, taken = speech(12.0), [0]

    def blocks() -> Iterator[np.ndarray]:
        for begin in range(0, len(sound), 100):
            taken[0] = begin + 100
            yield sound[begin : begin + 100]

    parts = []
    for part in api.encode_live(blocks(), RATE, effort=0, model="speech", bitrate_kbps=1.5):
        assert not len(part) or taken[0] / RATE - part.time[0] < 8
        parts.append(part)
    written = api.write_parts(parts, tmp_path / "live.sic", live=True)
    assert written.header.n_samples == len(sound) and written.n_events == sum(map(len, parts))
    assert written.n_bytes == (tmp_path / "live.sic").stat().st_size <= 125 * 1.5 * 12 + 20
    assert api.read(tmp_path / "live.sic").duration_s == 12


def test_parts_of_a_whole_recording_are_its_file(tmp_path: Path) -> None:
    api.write_parts(api.encode_parts(DATA, effort=0), tmp_path / "parts.sic")
    api.write(api.encode(DATA, effort=0), tmp_path / "whole.sic")
    assert (tmp_path / "parts.sic").read_bytes() == (tmp_path / "whole.sic").read_bytes()


def test_no_parts_are_no_file() -> None:
    with pytest.raises(api.SicError, match="no events to write"):
        api.write_parts([], io.BytesIO())


def test_live_is_for_one_input(tmp_path: Path) -> None:
    refused = sic("encode", DATA, DATA, "--live", "--out-dir", tmp_path)
    assert_refused(refused, "--live is for one file alone", exit_code=2)
