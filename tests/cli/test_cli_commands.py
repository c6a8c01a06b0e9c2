"""What the commands do when all is well."""

from __future__ import annotations

import io
import json
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import fake_codec
import numpy as np
import pytest
import soundfile
from cli_support import make_table, names_in, ok, read_sic, sic, write_sic, write_wav
from hypothesis import given
from hypothesis import strategies as st

from sparsecodec_cli import api
from sparsecodec_cli.commands import transform
from sparsecodec_formats import EventTable, container, edit

pytestmark = pytest.mark.usefixtures("fake")


@pytest.fixture
def talk_sic(tmp_path: Path) -> Path:
    return write_sic(tmp_path / "talk.sic")


# encode


def test_encode_names_its_output_after_its_input(tmp_path: Path) -> None:
    result = sic("encode", write_wav(tmp_path / "talk.wav"))
    assert result.exit_code == 0 and result.stdout == ""
    assert result.stderr.startswith(str(tmp_path / "talk.sic: 1.00 s")) and result.stderr.count("\n") == 1
    assert names_in(tmp_path) == ["talk.sic", "talk.wav"]
    assert read_sic(tmp_path / "talk.sic").header.n_samples == 8000


@pytest.mark.parametrize("extension", ["wav", "flac", "ogg", "mp3", "aiff", "au", "caf", "w64"])
def test_encode_reads_many_formats(extension: str, tmp_path: Path) -> None:
    audio = 0.1 * np.sin(np.arange(20000) / 10)
    soundfile.write(tmp_path / f"talk.{extension}", audio, 16000)
    ok("encode", tmp_path / f"talk.{extension}")
    assert read_sic(tmp_path / "talk.sic").header.n_samples == 20000


@pytest.mark.parametrize("n_samples", [1, 2, 799, 800, 801])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_encode_takes_any_length_and_codes_every_channel(n_samples: int, channels: int, tmp_path: Path) -> None:
    ok("encode", write_wav(tmp_path / "talk.wav", n_samples, channels=channels, rate=8000))
    table = read_sic(tmp_path / "talk.sic")
    assert (table.header.n_samples, table.header.channels, table.header.sample_rate) == (
        n_samples,
        channels,
        8000,
    )
    assert set(table.channel.tolist()) == set(range(channels))


def test_encode_hands_its_options_on(tmp_path: Path, fake: fake_codec.FakeCodec) -> None:
    wav = write_wav(tmp_path / "talk.wav")
    ok("encode", wav)
    assert fake.asked == {
        "effort": fake.default_effort,
        "bitrate_kbps": None,
        "events_per_second": None,
        "snr_stop_db": None,
        "threads": None,
    }
    ok(
        "encode",
        wav,
        "-f",
        "--effort",
        "0",
        "--events-per-second",
        "21.5",
        "--threads",
        "3",
        "--seed",
        "7",
        "--tag",
        "a=b=c",
        "--tag",
        "d=",
    )
    assert fake.asked == {
        "effort": 0,
        "bitrate_kbps": None,
        "events_per_second": 21.5,
        "snr_stop_db": None,
        "threads": 3,
    }
    header = read_sic(tmp_path / "talk.sic").header
    assert header.seed == 7 and header.tags == {"a": "b=c", "d": ""}
    ok("encode", wav, "-f", "--snr-stop", "-3")
    assert fake.asked["snr_stop_db"] == -3
    assert "warning" not in sic("encode", wav, "-f", "--bitrate", "200").stderr
    assert fake.asked["bitrate_kbps"] == 200


def test_encode_in_pipes_is_the_same_as_with_files(tmp_path: Path) -> None:
    wav = write_wav(tmp_path / "talk.wav", channels=2)
    ok("encode", wav)
    expected = (tmp_path / "talk.sic").read_bytes()
    assert ok("encode", "-", stdin=wav.read_bytes()) == expected
    assert ok("encode", wav, "-") == expected
    ok("encode", "-", tmp_path / "piped.sic", stdin=wav.read_bytes())
    assert (tmp_path / "piped.sic").read_bytes() == expected


def test_quiet_is_quiet(tmp_path: Path) -> None:
    result = sic("encode", write_wav(tmp_path / "talk.wav"), "-q")
    assert (result.exit_code, result.output) == (0, "")
    for command in (["decode"], ["transform", "--gain", "1"], ["randomize", "--times"]):
        out = tmp_path / f"out-{command[0]}.{'wav' if command[0] == 'decode' else 'sic'}"
        result = sic(*command, tmp_path / "talk.sic", out, "--quiet")
        assert (result.exit_code, result.output) == (0, "")


# decode


def test_decode_gives_the_rate_and_exact_length_of_the_source(tmp_path: Path) -> None:
    path = write_sic(tmp_path / "talk.sic", make_table(seconds=12345 / 11025, rate=11025, channels=2))
    assert ok("decode", path) == b""
    info = soundfile.info(tmp_path / "talk.wav")
    assert (info.samplerate, info.frames, info.channels, info.subtype) == (11025, 12345, 2, "PCM_16")


def test_decode_sounds(tmp_path: Path) -> None:
    ok("encode", write_wav(tmp_path / "talk.wav", 8000))
    ok("decode", tmp_path / "talk.sic", tmp_path / "out.wav")
    audio, rate = soundfile.read(tmp_path / "out.wav")
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio))))
    assert abs(np.argmax(spectrum) * rate / len(audio) - fake_codec.TONE_HZ) < 1


@pytest.mark.parametrize(
    "extension, name, subtype",
    [
        ("wav", "WAV", "PCM_16"),
        ("WAV", "WAV", "PCM_16"),
        ("flac", "FLAC", "PCM_16"),
        ("ogg", "OGG", "VORBIS"),
        ("oga", "OGG", "VORBIS"),
        ("opus", "OGG", "OPUS"),
        ("mp3", "MP3", "MPEG_LAYER_III"),
        ("aiff", "AIFF", "PCM_16"),
        ("aif", "AIFF", "PCM_16"),
        ("au", "AU", "PCM_16"),
        ("w64", "W64", "PCM_16"),
        ("rf64", "RF64", "PCM_16"),
    ],
)
def test_decode_writes_the_format_of_the_extension(extension: str, name: str, subtype: str, talk_sic: Path) -> None:
    out = talk_sic.parent / f"out.{extension}"
    ok("decode", talk_sic, out)
    info = soundfile.info(out)
    assert (info.format, info.subtype, info.frames, info.samplerate) == (name, subtype, 16000, 8000)


def test_decode_to_stdout_writes_the_same_wav(talk_sic: Path) -> None:
    ok("decode", talk_sic)
    expected = (talk_sic.parent / "talk.wav").read_bytes()
    assert ok("decode", talk_sic, "-") == expected
    assert ok("decode", "-", stdin=talk_sic.read_bytes()) == expected
    assert soundfile.info(io.BytesIO(expected)).frames == 16000


@pytest.mark.parametrize("args, frames, rate", [
    (["--rate", "16000"], 32000, 16000),
    (["--rate", "8000"], 16000, 8000),
    (["--start", "0.5"], 12000, 8000),
    (["--end", "0.5"], 4000, 8000),
    (["--end", "50"], 16000, 8000),
    (["--start", "0.5", "--end", "0.75", "--rate", "44100"], 11025, 44100),
])  # fmt: skip
@pytest.mark.parametrize("out", ["out.wav", "-"])
def test_decode_parts_and_rates(args: list[str], frames: int, rate: int, out: str, talk_sic: Path) -> None:
    written = ok("decode", talk_sic, talk_sic.parent / out if out != "-" else out, *args)
    info = soundfile.info(io.BytesIO(written) if out == "-" else talk_sic.parent / out)
    assert (info.frames, info.samplerate) == (frames, rate)


def test_decode_hands_the_seed_on(talk_sic: Path, fake: fake_codec.FakeCodec) -> None:
    ok("decode", talk_sic, "-")
    assert fake.asked_to_decode["seed"] == 0
    ok("decode", talk_sic, "-", "--seed", "9")
    assert fake.asked_to_decode["seed"] == 9


def test_decode_makes_softer_what_passes_full_scale_and_says_so_once(tmp_path: Path) -> None:
    table = make_table(seconds=1)
    path = write_sic(tmp_path / "loud.sic", edit.gain(table, 40))
    result = sic("decode", path)
    assert result.exit_code == 0 and result.stderr.count("\n") == 1
    audio, _ = soundfile.read(tmp_path / "loud.wav", dtype="int16")
    free = np.concatenate(list(api.decode_blocks(read_sic(path))))
    n_over = int(result.stderr.split("loud.wav: ")[1].split()[0])
    assert n_over == np.count_nonzero(np.abs(free) > 1) > 0.8 * len(audio)
    size = np.abs(audio.astype(int))
    assert size.max() > 32000 and np.count_nonzero(size >= 32767) < 0.05 * len(size)
    # and the gain that it names suffices
    gain_db = result.stderr.split("--gain ")[1].split("'")[0]
    ok("transform", path, tmp_path / "softer.sic", "--gain", gain_db)
    assert sic("decode", tmp_path / "softer.sic", "-q").exit_code == 0
    assert np.abs(np.concatenate(list(api.decode_blocks(read_sic(tmp_path / "softer.sic"))))).max() < 1.01
    assert sic("decode", path, "-f", "-q").stderr == ""


@pytest.mark.parametrize(("over_db", "is_told"), [(0.3, False), (0.7, True)])
def test_decode_tells_what_may_be_heard_of_softer_peaks(over_db: float, is_told: bool, tmp_path: Path) -> None:
    table = make_table(seconds=1)
    peak = np.abs(np.concatenate(list(api.decode_blocks(table)))).max()
    path = write_sic(tmp_path / "loud.sic", table.replace(amplitude=table.amplitude * 10 ** (over_db / 20) / peak))
    result = sic("decode", path)
    assert result.exit_code == 0 and ("full scale" in result.stderr) == is_told


def test_decode_of_nothing_is_an_empty_wav(tmp_path: Path) -> None:
    ok("decode", write_sic(tmp_path / "none.sic", make_table(0, seconds=0)))
    assert soundfile.info(tmp_path / "none.wav").frames == 0


# randomize


@pytest.mark.parametrize("flags", [["--times"], ["--vectors"], ["--times", "--vectors"]])
def test_randomize_changes_what_is_asked_and_no_more(flags: list[str], talk_sic: Path) -> None:
    before, out = read_sic(talk_sic), talk_sic.parent / "out.sic"
    ok("randomize", talk_sic, out, *flags, "--seed", "5")
    after = read_sic(out)
    assert after.header == before.header and len(after) == len(before)
    assert np.array_equal(after.time, before.time) == ("--times" not in flags)
    same = {tuple(row) for row in after.vector} == {tuple(row) for row in before.vector}
    assert same == ("--vectors" not in flags)


def test_randomize_is_drawn_from_its_seed(talk_sic: Path) -> None:
    drawn = [ok("randomize", talk_sic, "-", "--times", *seed) for seed in ([], ["--seed", "0"], ["--seed", "1"])]
    assert drawn[0] == drawn[1] != drawn[2]


def test_randomize_within_and_in_order(talk_sic: Path) -> None:
    before = read_sic(talk_sic)
    own = container.loads(ok("randomize", talk_sic, "-", "--vectors", "--within", "own"))
    assert sorted(own.vector.tolist()) == sorted(before.vector.tolist()) != own.vector.tolist()
    ordered = container.loads(ok("randomize", talk_sic, "-", "--times", "--keep-order"))
    assert np.array_equal(ordered.vector, before.vector) and not np.array_equal(ordered.time, before.time)


# transform


def transformed(path: Path, *args: str) -> EventTable:
    return container.loads(ok("transform", path, "-", *args))


def written(table: EventTable) -> EventTable:
    return container.loads(container.dumps(table))


def test_transform_edits_as_the_library_does(talk_sic: Path) -> None:
    table = read_sic(talk_sic)
    for args, expected in {
        ("--stretch", "1.5"): edit.stretch(table, 1.5),
        ("--stretch", "1.5", "--no-events"): edit.stretch(table, 1.5, events=False),
        ("--transpose", "-4"): edit.transpose(table, -4),
        ("--transpose", "-4", "--timbre", "follows"): edit.transpose(table, -4, timbre="follows"),
        ("--glide", "3"): edit.glide(table, 3),
        ("--contour", "0.5"): edit.contour(table, 0.5),
        ("--reverse",): edit.reverse(table),
        ("--attack", "2"): edit.attack(table, 2),
        ("--decay", "0.5"): edit.decay(table, 0.5),
        ("--whisper",): edit.whisper(table),
        ("--tilt", "-3"): edit.tilt(table, -3),
        ("--room", "-12"): edit.room(table, -12),
        ("--unlink",): edit.unlink(table),
        ("--move-to", "0.5"): edit.move_to(table, 0.5),
        ("--repeat", "3"): edit.repeat(table, 3),
        ("--times", "2", "--every", "0.25"): edit.repeat(table, 2, every_s=0.25),
        ("--echo", "0.5,-6,2"): edit.echo(table, 0.5, -6, 2),
        ("--quantize-times", "0.25"): edit.quantise_times(table, 0.25),
        ("--quantize-times", "120bpm/4"): edit.quantise_times(table, 0.125),
        ("--jitter", "0.1", "--seed", "5"): edit.jitter(table, 0.1, seed=5),
        ("--drop-below", "-32"): edit.drop_below(table, -32),
        ("--gain", "-6"): edit.gain(table, -6),
        ("--shift", "0.5"): edit.shift(table, 0.5),
        ("--shorten-pauses", "0.02"): edit.shorten_pauses(table, 0.02),
        ("--shift", "-0.5"): edit.shift(table, -0.5),
        ("--start", "0.5"): edit.crop(table, 0.5),
        ("--end", "0.5"): edit.crop(table, end_s=0.5),
        ("--keep", "3"): edit.keep(table, 3),
        ("--keep", "25%"): edit.keep_percent(table, 25),
    }.items():
        assert transformed(talk_sic, *args) == written(expected), args


def test_transform_applies_edits_in_the_order_given(talk_sic: Path) -> None:
    table = read_sic(talk_sic)
    assert transformed(talk_sic, "--stretch", "2", "--start", "1") == written(edit.crop(edit.stretch(table, 2), 1))
    assert transformed(talk_sic, "--start", "1", "--stretch", "2") == written(edit.stretch(edit.crop(table, 1), 2))
    once = edit.shift(edit.stretch(edit.shift(table, 1), 2), -1)
    assert transformed(talk_sic, "--shift", "1", "--stretch", "2", "--shift", "-1") == written(once)
    assert transformed(talk_sic, "--reverse", "--shift", "1", "--reverse") == written(
        edit.reverse(edit.shift(edit.reverse(table), 1))
    )
    assert transformed(talk_sic, "--shift=1", "--shift=-1", "--stretch=2") == written(edit.stretch(table, 2))


def test_start_and_end_next_to_each_other_are_one_cut(talk_sic: Path) -> None:
    table = read_sic(talk_sic)
    for args in (["--start", "0.5", "--end", "1"], ["--end", "1", "--start", "0.5"]):
        assert transformed(talk_sic, *args) == written(edit.crop(table, 0.5, 1))
    apart = edit.crop(edit.gain(edit.crop(table, 0.5), 2), end_s=1)
    assert transformed(talk_sic, "--start", "0.5", "--gain", "2", "--end", "1") == written(apart)


EDITS = st.lists(st.tuples(st.sampled_from(["start", "end", "gain"]), st.integers(1, 9)))


@given(EDITS)
def test_merged_crops_hold_every_cut_in_order(edits: list[tuple[str, int]]) -> None:
    edits = [(name, value * (10 if name == "end" else 1)) for name, value in edits]
    merged = transform.merge_crops(edits)
    flat: list[tuple[str, int]] = []
    for name, value in merged:
        if name == "crop":
            assert value != (None, None)
            flat += [(bound, v) for bound, v in zip(("start", "end"), value, strict=True) if v is not None]
        else:
            flat.append((name, value))
    assert sorted(flat) == sorted(edits)
    assert [edit for edit in flat if edit[0] == "gain"] == [edit for edit in edits if edit[0] == "gain"]
    for (name, value), (next_name, next_value) in pairwise(merged):
        if name == next_name == "crop":  # two cuts in a row: only where both have the same bound
            assert any(a is not None and b is not None for a, b in zip(value, next_value, strict=True))


# models and test


def test_models_lists_all_that_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = SimpleNamespace(
        name="tiny",
        description="Two numbers.",
        parameters=1234567,
        encoder_parameters=1234000,
        decoder_parameters=567,
        sample_rate=8000,
        weights_hash=None,
        licence="MIT",
        shipped=False,
    )
    monkeypatch.setattr("sparsecodec_models.list_models", lambda: [tiny], raising=False)
    text = ok("models").decode()
    for words in ("tiny: Two numbers.", "1,234,567", "8000 Hz", "none", "MIT"):
        assert words in text
    (model,) = json.loads(ok("models", "--json"))
    assert model.pop("sample_rate_hz") == 8000
    assert model == {key: value for key, value in vars(tiny).items() if key != "sample_rate"}


def test_test_says_ok(talk_sic: Path) -> None:
    other = write_sic(talk_sic.parent / "other.sic", make_table(0, seconds=0))
    assert ok("test", talk_sic, other).decode() == f"{talk_sic}: ok\n{other}: ok\n"
    assert ok("test", "--decode", talk_sic, other).decode() == f"{talk_sic}: ok\n{other}: ok\n"
    assert ok("test", "-q", talk_sic, other) == b""
    assert ok("test", "-", stdin=talk_sic.read_bytes()) == b"stdin: ok\n"
    assert names_in(talk_sic.parent) == ["other.sic", "talk.sic"]


def test_test_goes_on_after_a_bad_file_and_counts(talk_sic: Path) -> None:
    bad = talk_sic.parent / "bad.sic"
    bad.write_bytes(talk_sic.read_bytes()[:-1])
    result = sic("test", bad, talk_sic.parent / "gone.sic", talk_sic)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        str(bad),
        str(talk_sic.parent / "gone.sic"),
        str(talk_sic),
    ]
    assert lines[2].endswith(": ok") and not any(line.endswith("ok") for line in lines[:2])
    assert result.stderr == "sic: 2 of 3 files are not sound\n"


def test_test_decode_notices_a_wrong_length(talk_sic: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fake_codec.FakeCodec, "decode", lambda *args, **options: iter([np.zeros((5, 1), np.float32)]))
    result = sic("test", "--decode", talk_sic)
    assert result.exit_code == 1 and result.stdout == f"{talk_sic}: decodes to 5 samples, not 16000\n"
    assert ok("test", talk_sic)
