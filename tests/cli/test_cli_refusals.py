"""What the commands refuse: with one line that says why and what to do, exit 1 or 2, and nothing touched."""

from __future__ import annotations

import os
from pathlib import Path

import fake_codec
import numpy as np
import pytest
import soundfile
from cli_support import assert_refused, make_table, names_in, sic, write_sic, write_wav

from sparsecodec_formats import container

COMMANDS = {
    "encode": (),
    "decode": (),
    "export": (),
    "randomize": ("--times",),
    "transform": ("--gain", "1"),
}


EXTENSIONS = {"decode": ".wav", "export": ".mid"}

pytestmark = pytest.mark.usefixtures("fake")


@pytest.fixture
def talk_sic(tmp_path: Path) -> Path:
    return write_sic(tmp_path / "talk.sic")


@pytest.fixture
def talk_wav(tmp_path: Path) -> Path:
    return write_wav(tmp_path / "talk.wav")


def input_of(command: str, folder: Path) -> Path:
    return write_wav(folder / "in.wav") if command == "encode" else write_sic(folder / "in.sic")


def output_of(command: str, folder: Path) -> Path:
    return folder / f"out{EXTENSIONS.get(command, '.sic')}"


# Wrong use: exit 2


@pytest.mark.parametrize(
    "args, words",
    [
        (["foo"], ["foo", "sic --help"]),
        (["encode"], ["IN", "sic encode --help"]),
        (["encode", "a", "b", "c"], ["c"]),
        (["encode", "a", "--foo"], ["--foo"]),
        (["encode", "a", "--effort", "10"], ["--effort", "10"]),
        (["encode", "a", "--effort", "-1"], ["--effort"]),
        (["encode", "a", "--events-per-second", "0"], ["--events-per-second"]),
        (["encode", "a", "--events-per-second", "nan"], ["nan", "finite"]),
        (["encode", "a", "--snr-stop", "inf"], ["inf", "finite"]),
        (["encode", "a", "--snr-stop", "10", "--events-per-second", "5"], ["not both"]),
        (["encode", "a", "--bitrate", "2.4", "--snr-stop", "10"], ["--bitrate or --snr-stop", "not both"]),
        (["encode", "a", "--bitrate", "0"], ["--bitrate", "0"]),
        (["encode", "a", "--bitrate", "nan"], ["nan", "finite"]),
        (["encode", "a", "--tag", "title"], ["title", "KEY=VALUE"]),
        (["encode", "a", "--tag", "=x"], ["KEY=VALUE"]),
        (["encode", "a", "--tag", "a=1", "--tag", "a=2"], ["twice"]),
        (["encode", "a", "--seed", "4294967296"], ["--seed"]),
        (["encode", "a", "--device", "tpu"], ["tpu", "cpu"]),
        *((["encode", "a", "--threads", bad], ["--threads", bad]) for bad in ("0", "-1", "1.5", "257", "many")),
        (["decode"], ["IN"]),
        (["decode", "a", "--rate", "0"], ["--rate"]),
        (["decode", "a", "--start", "-1"], ["--start"]),
        (["decode", "a", "--start", "2", "--end", "1"], ["--end", "after"]),
        *((["decode", "a", "--event", bad], ["--event", repr(bad)]) for bad in ("x", "-3", "3-", "7-3", "1-2-3", "")),
        (["decode", "a", "out.xyz"], ["out.xyz", ".wav"]),
        (["decode", "a", "out.raw"], ["out.raw"]),
        (["decode", "a", "out"], ["out", ".wav"]),
        (["decode", "a", "b.sic"], ["b.sic", "OUT is audio", ".wav"]),
        (["decode", "a.sic", "B.SIC", "-f"], ["B.SIC", "OUT is audio"]),
        (["encode", "a.wav", "x/b.wav"], ["x/b.wav", "OUT is a .sic file", "b.sic", "sic encode --help"]),
        (["encode", "a.wav", "b.FLAC"], ["b.FLAC", "b.sic"]),
        (["encode", "a.m4a", "b.m4a"], ["b.m4a", "b.sic"]),
        (["transform", "a.sic", "b.wav", "--gain", "1"], ["b.wav", "b.sic"]),
        (["randomize", "a.sic", "b.ogg", "--times"], ["b.ogg", "b.sic"]),
        (["inspect"], ["IN"]),
        (["export", "a"], ["OUT"]),
        *((["export", "a", out], [out, "must end in .mid, .midi, .json"]) for out in ("b.wav", "b", "mid")),
        *((["export", "a", "b.mid", "--tempo", bad], ["--tempo", bad]) for bad in ("0", "nan", "1001", "fast")),
        (["export", "a", "b.csv", "--tempo", "60"], ["--tempo", "MIDI"]),
        (["import", "a.txt", "b", "--format", "labels"], ["labels", "csv"]),
        (["randomize", "a", "b"], ["--times", "--vectors"]),
        (["randomize", "a", "--times"], ["OUT"]),
        (["randomize", "a", "b", "--vectors", "--keep-order"], ["--keep-order", "--times"]),
        (["randomize", "a", "b", "--times", "--within", "own"], ["--within", "--vectors"]),
        (["randomize", "a", "b", "--vectors", "--within", "it"], ["range", "own", "normal"]),
        (["transform", "a", "b"], ["at least one edit"]),
        (["transform", "a", "b", "--stretch", "0"], ["--stretch"]),
        (["transform", "a", "b", "--gain", "nan"], ["finite"]),
        (["transform", "a", "b", "--keep", "-1"], ["--keep"]),
        (["transform", "a", "b", "--keep", "101%"], ["--keep"]),
        (["transform", "a", "b", "--keep", "all"], ["all"]),
        (["transform", "a", "b", "--echo", "1,-6"], ["1,-6", "S,DB,N"]),
        (["transform", "a", "b", "--quantize-times", "90bpm4"], ["90bpm4", "120bpm/4"]),
        *(
            (
                ["transform", "a", "b", "--gain", "1", option, *value],
                [f"{option.replace('no-events', 'events')}", needs],
            )
            for option, value, needs in (
                ("--every", ["1"], "needs --repeat"),
                ("--timbre", ["fixed"], "needs --transpose"),
                ("--no-events", [], "needs --stretch"),
                ("--seed", ["0"], "needs --jitter"),
                ("--gap", ["close"], "needs --take or --drop"),
            )
        ),
        (["transform", "a", "b", "--timbre", "loud"], ["loud", "fixed"]),
        (["transform", "a", "b", "--start", "2", "--end", "1"], ["--end", "after"]),
        (["test"], ["FILE"]),
    ],
)
def test_wrong_use(args: list[str], words: list[str]) -> None:
    assert_refused(sic(*args), *words, exit_code=2)


def test_the_second_of_two_recordings_is_not_overwritten(tmp_path: Path) -> None:
    one, two = write_wav(tmp_path / "one.wav"), write_wav(tmp_path / "two.wav", 100)
    before = two.read_bytes()
    assert_refused(sic("encode", "-f", one, two), "two.wav", "name it two.sic", exit_code=2)
    assert two.read_bytes() == before and names_in(tmp_path) == ["one.wav", "two.wav"]


def test_no_arguments_print_the_help_and_exit_with_2() -> None:
    result = sic()
    assert result.exit_code == 2 and "Usage: sic" in result.stderr


# Inputs and outputs that cannot be: exit 1


@pytest.mark.parametrize("command", [*COMMANDS, "inspect"])
def test_missing_input(command: str, tmp_path: Path) -> None:
    out = [] if command == "inspect" else [output_of(command, tmp_path)]
    assert_refused(sic(command, tmp_path / "gone", *out, *COMMANDS.get(command, ())), "gone", "no such file")
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("command", [*COMMANDS, "inspect"])
def test_folder_as_input(command: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    out = [] if command == "inspect" else [output_of(command, tmp_path)]
    assert_refused(sic(command, tmp_path / "folder", *out, *COMMANDS.get(command, ())), "folder: is a folder")
    assert names_in(tmp_path) == ["folder"]


@pytest.mark.parametrize("command", COMMANDS)
def test_folder_as_output(command: str, tmp_path: Path) -> None:
    source, out = input_of(command, tmp_path), output_of(command, tmp_path)
    out.mkdir()
    assert_refused(sic(command, source, out, "-f", *COMMANDS[command]), out.name, "is a folder")
    assert names_in(out) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_output_in_a_missing_folder(command: str, tmp_path: Path) -> None:
    source, out = input_of(command, tmp_path), output_of(command, tmp_path / "gone")
    assert_refused(sic(command, source, out, *COMMANDS[command]), out.name, "folder does not exist")
    assert names_in(tmp_path) == [source.name]


@pytest.mark.parametrize("command", COMMANDS)
def test_existing_output(command: str, tmp_path: Path) -> None:
    source, out = input_of(command, tmp_path), output_of(command, tmp_path)
    out.write_bytes(b"precious")
    assert_refused(sic(command, source, out, *COMMANDS[command]), out.name, "exists", "-f")
    assert out.read_bytes() == b"precious"
    assert sic(command, source, out, "--force", *COMMANDS[command]).exit_code == 0
    assert out.read_bytes() != b"precious"
    assert len(names_in(tmp_path)) == 2


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("kind", ["same", "hard link", "symbolic link"])
def test_output_is_input(command: str, kind: str, tmp_path: Path) -> None:
    source = input_of(command, tmp_path)
    out = tmp_path / f"link{EXTENSIONS.get(command, '.sic')}"
    if kind == "same":
        out = source.rename(out)
        source = out
    elif kind == "hard link":
        os.link(source, out)
    else:
        out.symlink_to(source)
    before = source.read_bytes()
    assert_refused(sic(command, source, out, "-f", *COMMANDS[command]), out.name, "is the input too")
    assert source.read_bytes() == before


@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_disk(command: str, tmp_path: Path) -> None:
    source = input_of(command, tmp_path)
    assert_refused(sic(command, source, "/dev/full", *COMMANDS[command]), "/dev/full", "no space left")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("command", COMMANDS)
def test_forbidden_folders(command: str, tmp_path: Path) -> None:
    source = input_of(command, tmp_path)
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    assert_refused(sic(command, source, output_of(command, locked), *COMMANDS[command]), "locked", "permission denied")
    locked.chmod(0o000)
    assert_refused(sic(command, locked / "in", output_of(command, tmp_path), *COMMANDS[command]), "permission denied")


def test_permission_denied_is_told_of_the_output_not_of_its_temporary_file(
    talk_sic: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(path: str, *args: object) -> int:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("sparsecodec_cli.io.files.os.open", denied)
    result = sic("transform", talk_sic, talk_sic.parent / "out.sic", "--gain", "1")
    assert_refused(result, "out.sic: permission denied")


# Bad recordings


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", ["bad.wav: is empty"]),
        (b"hello, world\n" * 100, ["bad.wav: is not audio"]),
        (b"RIFF", ["bad.wav: is not audio"]),
        (b"\x89SIC\x01 and more", ["bad.wav", "is a .sic file already"]),
    ],
)
@pytest.mark.parametrize("piped", [False, True])
def test_encode_refuses_what_is_not_audio(content: bytes, words: list[str], piped: bool, tmp_path: Path) -> None:
    out = tmp_path / "out.sic"
    if piped:
        assert_refused(sic("encode", "-", out, stdin=content), *[word.replace("bad.wav", "stdin") for word in words])
        assert names_in(tmp_path) == []
    else:
        (tmp_path / "bad.wav").write_bytes(content)
        assert_refused(sic("encode", tmp_path / "bad.wav", out), *words)
        assert names_in(tmp_path) == ["bad.wav"]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_encode_refuses_samples_that_are_no_numbers(bad: float, tmp_path: Path) -> None:
    audio = np.zeros(4000, np.float32)
    audio[2000] = bad
    soundfile.write(tmp_path / "bad.wav", audio, 8000, subtype="FLOAT")
    assert_refused(sic("encode", tmp_path / "bad.wav"), "bad.wav", "NaN or infinite", "0.250 s")
    assert names_in(tmp_path) == ["bad.wav"]


def test_encode_refuses_a_recording_without_samples(tmp_path: Path) -> None:
    assert_refused(sic("encode", write_wav(tmp_path / "none.wav", 0)), "none.wav", "no samples")


def test_encode_refuses_more_channels_than_the_format_has(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "wide.wav", np.zeros((10, 256)), 8000)
    assert_refused(sic("encode", tmp_path / "wide.wav"), "wide.wav", "256 channels", "255")


@pytest.mark.parametrize("extension", ["flac", "mp3"])
def test_encode_refuses_a_recording_that_breaks_off(extension: str, tmp_path: Path) -> None:
    whole = tmp_path / f"whole.{extension}"
    soundfile.write(whole, np.random.default_rng(0).uniform(-0.5, 0.5, 40000), 16000)
    cut = tmp_path / f"cut.{extension}"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert_refused(sic("encode", cut), cut.name, "damaged or incomplete")


def test_encode_refuses_an_unknown_model(talk_wav: Path) -> None:
    assert_refused(sic("encode", talk_wav, "--model", "nonesuch"), "nonesuch", "sic models")
    assert names_in(talk_wav.parent) == ["talk.wav"]


# Bad .sic files


@pytest.mark.parametrize("piped", [False, True])
@pytest.mark.parametrize("command", [*sorted(COMMANDS.keys() - {"encode"}), "inspect", "test"])
@pytest.mark.parametrize("damage", ["empty", "not sic", "cut", "byte", "tail"])
def test_damaged_files(damage: str, command: str, piped: bool, tmp_path: Path) -> None:
    data = bytearray(container.dumps(make_table()))
    match damage:
        case "empty":
            data = bytearray()
        case "not sic":
            data = bytearray(b"RIFF....WAVEfmt ")
        case "cut":
            del data[len(data) // 2 :]
        case "byte":
            data[len(data) // 2] ^= 1
        case "tail":
            data += b"more"
    (tmp_path / "bad.sic").write_bytes(data)
    out = [] if command in ("inspect", "test") else [output_of(command, tmp_path)]
    source = "-" if piped else tmp_path / "bad.sic"
    result = sic(command, source, *out, *COMMANDS.get(command, ()), stdin=bytes(data))
    name = "stdin: " if piped else "bad.sic: "
    if command == "test":  # whose result goes to stdout
        assert result.exit_code == 1 and result.stdout.count("\n") == 1 and name in result.stdout
        assert result.stderr == ""
    else:
        assert_refused(result, name)
    assert names_in(tmp_path) == ["bad.sic"]


@pytest.mark.parametrize("command", [["decode"], ["test", "--decode"]])
def test_other_weights(command: list[str], tmp_path: Path) -> None:
    path = write_sic(tmp_path / "other.sic", make_table(weights_hash=b"else"))
    result = sic(*command, path)
    assert result.exit_code == 1
    line = result.stdout if command[0] == "test" else result.stderr
    assert "other.sic: needs weights" in line and line.count("\n") == 1
    assert names_in(tmp_path) == ["other.sic"]


@pytest.mark.parametrize("args", [["--transpose", "1"], ["--stretch", "2"], ["--keep", "3"]])
def test_transform_refuses_an_unknown_preset(args: list[str], tmp_path: Path) -> None:
    path = write_sic(tmp_path / "new.sic", make_table(model="music-9"))
    assert_refused(sic("transform", path, tmp_path / "out.sic", *args), "new.sic", "music-9")
    assert names_in(tmp_path) == ["new.sic"]


def test_transform_refuses_to_cut_everything_away(talk_sic: Path) -> None:
    assert_refused(sic("transform", talk_sic, talk_sic.parent / "out.sic", "--start", "10"), "talk.sic: no", "2 s")
    assert names_in(talk_sic.parent) == ["talk.sic"]


def test_decode_refuses_to_start_after_the_end(talk_sic: Path) -> None:
    assert_refused(sic("decode", talk_sic, "--start", "2"), "talk.sic", "2.000 s", "--start")


@pytest.mark.parametrize("event, first", [("20", 20), ("18-30", 20), ("0-999999999999999", 20), ("99", 99)])
def test_decode_refuses_an_event_that_is_not_there(event: str, first: int, talk_sic: Path) -> None:
    words = f"talk.sic: there is no event {first}", "0 to 19"
    assert_refused(sic("decode", talk_sic, "--event", "3", "--event", event), *words)
    assert names_in(talk_sic.parent) == ["talk.sic"]


@pytest.mark.parametrize("extension, rate", [("flac", 700_000), ("mp3", 7000), ("opus", 22_050)])
def test_decode_refuses_what_the_format_cannot_hold(extension: str, rate: int, talk_sic: Path) -> None:
    out = talk_sic.parent / f"out.{extension}"
    assert_refused(sic("decode", talk_sic, out, "--end", "0.001", "--rate", str(rate)), out.name, f"{rate} Hz", ".wav")
    assert names_in(talk_sic.parent) == ["talk.sic"]


@pytest.mark.parametrize("extension", ["flac", "mp3"])
def test_decode_refuses_formats_that_cannot_be_empty(extension: str, tmp_path: Path) -> None:
    path = write_sic(tmp_path / "none.sic", make_table(0, seconds=0))
    assert_refused(sic("decode", path, tmp_path / f"out.{extension}"), "without samples")
    assert names_in(tmp_path) == ["none.sic"]


def test_decode_refuses_a_wav_beyond_4_gib(tmp_path: Path) -> None:
    path = write_sic(tmp_path / "long.sic", make_table(0, seconds=2**31 / 8000))
    assert_refused(sic("decode", path), "long.wav", "4 GiB", ".w64")
    assert names_in(tmp_path) == ["long.sic"]


def test_a_decoder_that_breaks_its_promise_is_an_internal_error_in_one_line(
    talk_sic: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decode(self: object, table: object, **options: object) -> list[np.ndarray]:
        return [np.full((10, 1), np.nan, np.float32)]

    monkeypatch.setattr(fake_codec.FakeCodec, "decode", decode)
    result = sic("decode", talk_sic)
    assert result.exit_code == 1 and result.stderr.count("\n") == 1
    assert "internal error" in result.stderr and "please report" in result.stderr
    assert names_in(talk_sic.parent) == ["talk.sic"]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        RuntimeError("cuFFT error: CUFFT_ALLOC_FAILED"),
    ],
)
def test_memory_that_does_not_suffice(error: Exception, talk_wav: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def encode(self: object, audio: object, **options: object) -> None:
        raise error

    monkeypatch.setattr(fake_codec.FakeCodec, "encode", encode)
    assert_refused(sic("encode", talk_wav), "not enough memory")
    assert names_in(talk_wav.parent) == ["talk.wav"]


def test_a_name_with_control_characters_stays_on_one_line(tmp_path: Path) -> None:
    assert_refused(sic("inspect", tmp_path / "a\n\x1b[31mb"), "no such file")
