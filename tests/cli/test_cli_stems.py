"""`sic stems`: what it refuses, what it leaves alone, and that the stems add up to the recording."""

from __future__ import annotations

import csv
import os
import resource
import struct
from collections.abc import Iterator
from pathlib import Path

import fake_codec
import numpy as np
import opentimelineio as otio
import pytest
import soundfile
import soxr
from cli_support import assert_refused, make_table, names_in, ok, read_sic, sic, sic_process, write_sic
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sparsecodec_cli
from sparsecodec_cli.stems import EDIT_LIST, FIRST, NAME, OF_SEGMENTS, TABLE, earlier_stems, stems
from sparsecodec_formats import EventTable
from sparsecodec_formats.interchange.segment_rows import segment_rows
from sparsecodec_models.events.sounds import event_sounds
from sparsecodec_models.speech.codec import SpeechCodec

CLIP = Path(__file__).parents[1] / "data" / "only-person-en.flac"


@pytest.fixture
def talk_sic(tmp_path: Path) -> Path:
    return write_sic(tmp_path / "talk.sic", make_table(5, seconds=0.5))


def rows_of(folder: Path) -> list[dict[str, str]]:
    with open(folder / TABLE, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def total(folder: Path, table: EventTable) -> np.ndarray:
    """Every stem that the folder's table lists, from its start: float64 [n, channels]."""
    header = table.header
    out = np.zeros((header.n_samples, header.channels))
    for row in rows_of(folder):
        audio, rate = soundfile.read(folder / row["file"], always_2d=True)
        assert (rate, audio.shape) == (header.sample_rate, (int(row["n_samples"]), header.channels))
        start = int(row["start_sample"])
        out[start : start + len(audio)] += audio
    return out


# what is refused


@pytest.mark.parametrize("folder", ["-", ""])
def test_stems_need_a_folder(folder: str, talk_sic: Path) -> None:
    assert_refused(sic("stems", talk_sic, folder), "name a folder", exit_code=2)


@pytest.mark.parametrize("args", [["--top", "0"], ["--top", "x"], ["--seed", "-1"], ["--rate", "8000"]])
def test_wrong_use(args: list[str], talk_sic: Path) -> None:
    assert_refused(sic("stems", talk_sic, talk_sic.parent / "out", *args), args[0], exit_code=2)
    assert names_in(talk_sic.parent) == ["talk.sic"]


def test_bad_inputs(tmp_path: Path) -> None:
    assert_refused(sic("stems", tmp_path / "gone.sic", tmp_path / "out"), "gone.sic", "no such file")
    (tmp_path / "bad.sic").write_bytes(b"RIFF....WAVEfmt ")
    assert_refused(sic("stems", tmp_path / "bad.sic", tmp_path / "out"), "bad.sic", "not a .sic file")
    write_sic(tmp_path / "other.sic", make_table(weights_hash=b"else"))
    assert_refused(sic("stems", tmp_path / "other.sic", tmp_path / "out"), "other.sic: ", "weights")
    assert names_in(tmp_path) == ["bad.sic", "other.sic"]


def test_bad_folders(talk_sic: Path) -> None:
    folder = talk_sic.parent
    assert_refused(sic("stems", talk_sic, folder / "gone" / "out"), "out: its folder does not exist")
    (folder / "file").write_bytes(b"precious")
    for target in (folder / "file", talk_sic, "/dev/null"):
        assert_refused(sic("stems", talk_sic, target, "-f"), f"{target}: is a file; name a folder")
    (folder / "full").mkdir()
    (folder / "full" / "mine.txt").write_bytes(b"precious")
    assert_refused(sic("stems", talk_sic, folder / "full"), "full: is not empty", "-f")
    assert names_in(folder) == ["file", "full", "talk.sic"] and names_in(folder / "full") == ["mine.txt"]


@pytest.mark.parametrize("content", [b"", b"name,size\na,1\n", b'"' + b"x" * 200_000, b"\xff\x00\x01"])
def test_another_table_of_this_name_is_not_overwritten(content: bytes, talk_sic: Path) -> None:
    (talk_sic.parent / TABLE).write_bytes(content)
    assert_refused(sic("stems", talk_sic, talk_sic.parent, "-f"), f"{TABLE}: is not a table of 'sic stems'")
    assert (talk_sic.parent / TABLE).read_bytes() == content and len(names_in(talk_sic.parent)) == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(talk_sic: Path) -> None:
    (talk_sic.parent / "locked").mkdir(mode=0o500)
    assert_refused(sic("stems", talk_sic, talk_sic.parent / "locked"), "locked: permission denied")


def test_a_rate_that_wav_cannot_hold(fake: fake_codec.FakeCodec, tmp_path: Path) -> None:
    path = write_sic(tmp_path / "fast.sic", make_table(1, seconds=1e-6, rate=2**31))
    assert_refused(sic("stems", path, tmp_path / "out"), "out: WAV cannot hold", "2147483648 Hz", "--rate")
    assert names_in(tmp_path) == ["fast.sic"]


# whole or not at all


@pytest.mark.parametrize("error, exit_code", [(MemoryError(), 1), (KeyboardInterrupt(), 130)])
@pytest.mark.parametrize("there", [False, True])
def test_nothing_is_left_after_a_failure(
    error: BaseException,
    exit_code: int,
    there: bool,
    fake: fake_codec.FakeCodec,
    talk_sic: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decode, n_calls = fake.decode, 0

    def fails(*args: object, **options: object) -> Iterator[np.ndarray]:
        nonlocal n_calls
        n_calls += 1
        if n_calls == 3:
            raise error
        return decode(*args, **options)  # type: ignore[arg-type]

    # one at a time, so that some are written already
    monkeypatch.setattr("sparsecodec_models.events.sounds.BATCH_SAMPLES", 1)
    out = talk_sic.parent / "out"
    if there:
        ok("stems", talk_sic, out)
    before = {name: (out / name).read_bytes() for name in names_in(out)} if there else {}
    monkeypatch.setattr(fake, "decode", fails)
    result = sic("stems", talk_sic, out, "-f")
    assert (result.exit_code, n_calls) == (exit_code, 3) and "Traceback" not in result.stderr
    assert names_in(talk_sic.parent) == ["out"] * there + ["talk.sic"]
    assert not there or {name: (out / name).read_bytes() for name in names_in(out)} == before


def test_a_disk_that_takes_no_more(talk_sic: Path) -> None:
    done = sic_process(
        "stems",
        talk_sic,
        talk_sic.parent / "out",
        fake=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
    )
    assert_refused(done, "out: the file grew past what this disk or the limit on file sizes allows")
    assert names_in(talk_sic.parent) == ["talk.sic"]


# earlier stems


def test_force_replaces_earlier_stems_and_nothing_else(fake: fake_codec.FakeCodec, talk_sic: Path) -> None:
    out, outside = talk_sic.parent / "out", talk_sic.parent / "9999-1.000s.wav"
    ok("stems", talk_sic, out)
    outside.write_bytes(b"precious")
    mine = ["mine.wav", "0077-0.100s.wav", "notes.txt"]  # the second: not in the table
    for name in mine:
        (out / name).write_bytes(b"precious")
    with open(out / TABLE, "a") as file:
        file.write("notes.txt,1\n../9999-1.000s.wav,2\n" + f"{outside},3\n\n0099-0.100s.wav,4\n")
    ok("stems", talk_sic, out, "-f", "--top", "2")
    stems_now = [row["file"] for row in rows_of(out)]
    assert len(stems_now) == 2
    assert names_in(out) == sorted([*stems_now, *mine, TABLE])
    assert all((out / name).read_bytes() == b"precious" for name in mine) and outside.exists()
    assert names_in(talk_sic.parent) == ["9999-1.000s.wav", "out", "talk.sic"]


@given(st.lists(st.text(max_size=20) | st.from_regex(NAME, fullmatch=True), max_size=8))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_only_names_of_stems_are_taken_from_a_table(tmp_path: Path, names: list[str]) -> None:
    with open(tmp_path / TABLE, "w", encoding="utf-8", errors="replace", newline="") as file:
        csv.writer(file).writerows([FIRST, *([name, 1] for name in names)])
    assert earlier_stems(tmp_path) == {TABLE} | {name for name in names if NAME.fullmatch(name)}
    assert all(os.path.basename(name) == name for name in earlier_stems(tmp_path))


def test_an_empty_folder_may_be_there(fake: fake_codec.FakeCodec, talk_sic: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    ok("stems", talk_sic, tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and len(names_in(tmp_path / "real")) == 6


# what is in the files


def test_names_and_table(fake: fake_codec.FakeCodec, tmp_path: Path) -> None:
    table = make_table(12_000, seconds=100).select([0, 1, 2, *range(11_998, 12_000)])
    path, out = write_sic(tmp_path / "talk.sic", table), tmp_path / "out"
    ok("stems", path, out)
    table = read_sic(path)
    rows = rows_of(out)
    assert names_in(out) == [*(f"{i:04d}-{time_s:.3f}s.wav" for i, time_s in enumerate(table.time)), TABLE]
    assert [row["file"] for row in rows] == names_in(out)[:-1]
    assert [int(row["index"]) for row in rows] == list(range(5)) and {row["channel"] for row in rows} == {"0"}
    assert np.array([row["time_s"] for row in rows], float) == pytest.approx(table.time, abs=1e-9)
    assert list(rows[0]) == [
        *(*FIRST, "level_db", "attack_s", "decay_s", "f0_hz"),
        *("glide_semitones", "phase_cycles", "begins", "room_db"),
    ]
    assert float(rows[0]["level_db"]) == pytest.approx(-30 + 1.5 * table.vector[0, 0])
    assert float(rows[0]["attack_s"]) == pytest.approx(0.06 * 2 ** (0.75 * table.vector[0, 1]), abs=1e-6)
    assert soundfile.info(out / rows[0]["file"]).subtype == "FLOAT"


def test_names_of_many_events_have_more_digits(codec: SpeechCodec) -> None:
    from sparsecodec_cli.stems import Stem, _Places

    places = _Places(make_table(10_001, seconds=1000, weights_hash=codec.weights_hash))
    assert places.add(Stem(7, 0, np.ones((1, 1), np.float32))).startswith("00007-")


def test_nothing_is_clipped_and_the_same_bytes_come_twice(fake: fake_codec.FakeCodec, tmp_path: Path) -> None:
    path = write_sic(tmp_path / "loud.sic", make_table(3, seconds=0.1).replace(amplitude=[1000, 0, 1]))
    result = sic("stems", path, tmp_path / "a")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"{tmp_path / 'a'}: 2 stems, 0.10 s; 1 event is not heard\n"
    loud = rows_of(tmp_path / "a")[0]["file"]
    assert np.abs(soundfile.read(tmp_path / "a" / loud)[0]).max() > 1.5
    assert sic("stems", "-", tmp_path / "b", "-q", stdin=path.read_bytes()).stderr == ""
    for name in names_in(tmp_path / "a"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize("n_events, seconds", [(0, 0.0), (0, 1.0), (3, 0.0)])
def test_nothing_to_hear(n_events: int, seconds: float, fake: fake_codec.FakeCodec, tmp_path: Path) -> None:
    table = make_table(n_events, seconds=1.0)
    table = EventTable.empty(make_table(0, seconds=seconds).header) if not n_events else table
    path = write_sic(tmp_path / "none.sic", table.replace(header=make_table(0, seconds=seconds).header))
    ok("stems", path, tmp_path / "out", "--top", "2")
    assert names_in(tmp_path / "out") == [TABLE] and rows_of(tmp_path / "out") == []


# with the shipped decoder


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [16000, 22050, 44100])
def test_stems_add_up_to_the_decoded_file(rate: int, channels: int, tmp_path: Path) -> None:
    audio, source_rate = soundfile.read(CLIP, dtype="float32")
    audio = soxr.resample(audio[: int(1.6 * source_rate)], source_rate, rate)
    soundfile.write(tmp_path / "talk.wav", np.stack([audio, np.roll(audio, rate // 4)], 1)[:, :channels], rate)
    path, out = tmp_path / "talk.sic", tmp_path / "out"
    ok("encode", tmp_path / "talk.wav", path, "--effort", "0")
    ok("stems", path, out)
    table = read_sic(path)
    whole, _ = sparsecodec_cli.decode(table)
    assert np.abs(total(out, table) - whole).max() < 1e-5  # 1e-4 is promised
    assert len(rows_of(out)) == len(table) > 20 * channels
    for row in rows_of(out):
        stem = soundfile.read(out / row["file"], always_2d=True)[0]
        assert not np.delete(stem, int(row["channel"]), axis=1).any()
        assert np.abs(stem[[0, -1]]).max(1).min() > 1e-6  # cut to where it sounds
    ok("decode", path, tmp_path / "out.wav")
    assert np.abs(total(out, table) - soundfile.read(tmp_path / "out.wav", always_2d=True)[0]).max() < 1e-4


@given(st.data())
@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_stems_of_any_table_add_up(codec: SpeechCodec, data: st.DataObject) -> None:
    rate, channels = data.draw(st.sampled_from([8000, 11025, 22050, 22051, 48000])), data.draw(st.integers(1, 3))
    n = data.draw(st.integers(0, 25))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    table = make_table(n, seconds=0.7, channels=channels, rate=rate, weights_hash=codec.weights_hash)
    table = table.replace(
        time=np.sort(rng.uniform(0, 0.8, n)),
        vector=rng.normal(0, data.draw(st.sampled_from([0.5, 2.0])), (n, 32)),
        amplitude=rng.choice([0.0, 0.5, 1.0, 2.0], n),
    )
    whole = np.concatenate([np.zeros((0, channels), np.float32), *codec.decode(table, seed=4)])
    found = np.zeros(whole.shape)
    for stem in stems(codec, table, seed=4):
        assert stem.start >= 0 and len(stem.audio) and stem.start + len(stem.audio) <= len(whole)
        found[stem.start : stem.start + len(stem.audio)] += stem.audio
    assert np.abs(found - whole).max(initial=0) < 1e-4 * max(1.0, np.abs(whole).max(initial=0))


def test_top_keeps_those_with_most_energy(codec: SpeechCodec, tmp_path: Path) -> None:
    path = tmp_path / "talk.sic"
    ok("encode", CLIP, path, "--effort", "0")
    table = read_sic(path)
    energy = np.array([np.sum(s.samples.astype(float) ** 2) for s in event_sounds(codec, table, sample_rate=16000)])
    result = sic("stems", path, tmp_path / "top", "--top", "10")
    assert result.stderr == f"{tmp_path / 'top'}: 10 stems of {len(table)} events, 3.16 s\n"
    chosen = sorted(np.argsort(-energy)[:10].tolist())
    assert [int(row["index"]) for row in rows_of(tmp_path / "top")] == chosen
    some, _ = sparsecodec_cli.decode(table, events=chosen)
    assert np.abs(total(tmp_path / "top", table) - some).max() < 1e-5
    ok("stems", path, tmp_path / "all", "--top", "1000")
    assert len(rows_of(tmp_path / "all")) == len(table)
    name = rows_of(tmp_path / "top")[0]["file"]
    assert (tmp_path / "all" / name).read_bytes() == (tmp_path / "top" / name).read_bytes()


def test_seed_draws_the_noise(tmp_path: Path) -> None:
    path = tmp_path / "talk.sic"
    ok("encode", CLIP, path, "--effort", "0")
    ok("stems", path, tmp_path / "out", "--seed", "9")
    table = read_sic(path)
    for seed, same in ((9, True), (0, False)):
        whole, _ = sparsecodec_cli.decode(table, seed=seed)
        assert (np.abs(total(tmp_path / "out", table) - whole).max() < 1e-4) == same


# by segment


CLIPS = {
    "speech": CLIP,
    "music": CLIP.parent / "melodies" / "ode-to-joy-plucked.flac",
}


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("model", ["speech", "music"])
def test_stems_by_segment_add_up_to_the_decoded_file(model: str, channels: int, tmp_path: Path) -> None:
    audio, rate = soundfile.read(CLIPS[model], dtype="float32")
    audio = audio[: 2 * rate]
    soundfile.write(tmp_path / "talk.wav", np.stack([audio, np.roll(audio, rate // 4)], 1)[:, :channels], rate)
    path, out = tmp_path / "talk.sic", tmp_path / "out"
    ok("encode", tmp_path / "talk.wav", path, "--effort", "0", "--model", model)
    result = sic("stems", path, out, "--by", "segment")
    table = read_sic(path)
    segments = sparsecodec_cli.segments_of(table)
    assert result.stderr == f"{out}: {len(segments)} stems, 2.00 s\n" and len(segments) > 4 * channels
    whole, _ = sparsecodec_cli.decode(table)
    assert np.abs(total(out, table) - whole).max() < 1e-4
    rows = rows_of(out)
    assert tuple(rows[0]) == OF_SEGMENTS
    for row, said in zip(rows, segment_rows(segments), strict=True):
        assert {key: row[key] for key in said} == {k: "" if v is None else str(v) for k, v in said.items()}
        # each is what its events sound like
        assert row["file"] == f"{int(row['index']):04d}-{float(row['start_s']):.3f}s.wav"
    i = len(rows) // 2
    some, _ = sparsecodec_cli.decode(table, events=segments.rows(i).tolist())
    alone, _ = soundfile.read(out / rows[i]["file"], always_2d=True)
    start = int(rows[i]["start_sample"])
    assert np.abs(some[start : start + len(alone)] - alone).max() < 1e-5


def test_top_of_segments(tmp_path: Path) -> None:
    path, out = tmp_path / "talk.sic", tmp_path / "out"
    ok("encode", CLIP, path, "--effort", "0")
    ok("stems", path, tmp_path / "all", "--by", "segment")
    ok("stems", path, out, "--by", "segment", "--top", "3")
    energy = {}
    for row in rows_of(tmp_path / "all"):
        energy[row["file"]] = np.sum(soundfile.read(tmp_path / "all" / row["file"])[0] ** 2)
    loudest = sorted(sorted(energy, key=energy.__getitem__)[-3:])
    assert names_in(out) == [*loudest, TABLE]
    table = read_sic(path)
    segments = sparsecodec_cli.segments_of(table)
    chosen = np.isin(segments.number, [int(row["index"]) for row in rows_of(out)])
    some, _ = sparsecodec_cli.decode(table, events=np.flatnonzero(chosen).tolist())
    assert np.abs(total(out, table) - some).max() < 1e-5
    ok("stems", path, out, "-f")  # stems of segments give way to those of events
    assert not set(loudest) & set(names_in(out)) and tuple(rows_of(out)[0])[: len(FIRST)] == FIRST


def test_a_preset_without_links_has_no_segments(tmp_path: Path, fake: fake_codec.FakeCodec) -> None:
    path = write_sic(tmp_path / "ref.sic", make_table(3, model="reference", statistics=0))
    assert_refused(sic("stems", path, tmp_path / "out", "--by", "segment"), "ref.sic: has no segments", "'reference'")
    assert_refused(sic("stems", path, tmp_path / "out", "--by", "day"), "--by", exit_code=2)
    assert names_in(tmp_path) == ["ref.sic"]


@pytest.mark.parametrize("by", ["event", "segment"])
def test_files_tell_their_place_as_broadcast_wave(by: str, tmp_path: Path) -> None:
    path, out = tmp_path / "talk.sic", tmp_path / "out"
    ok("encode", CLIP, path, "--effort", "0")
    ok("stems", path, out, "--by", by)
    rows = rows_of(out)
    assert int(rows[-1]["start_sample"]) > 30_000
    for row in rows:
        data = (out / row["file"]).read_bytes()
        assert data[:4] == b"RIFF" and data[8:16] == b"WAVEbext"
        (size,) = struct.unpack("<I", data[16:20])
        bext = data[20 : 20 + size]
        # EBU Tech 3285: description, originator, its reference, date, time, time reference, version
        assert size == 602 and bext[:256].rstrip(b"\0").decode() == f"{by} {row['index']}"
        assert bext[256:288].rstrip(b"\0") == b"sic" and not any(bext[288:338])
        assert struct.unpack("<QH", bext[338:348]) == (int(row["start_sample"]), 1) and not any(bext[348:])


# edit lists


def test_an_edit_list_in_samples_makes_the_recording(tmp_path: Path) -> None:
    path, out = tmp_path / "talk.sic", tmp_path / "out"
    ok("encode", CLIP, path, "--effort", "0")
    ok("stems", path, out, "--by", "segment", "--edl", "samples")
    table = read_sic(path)
    whole, rate = sparsecodec_cli.decode(table)
    found = np.zeros(whole.shape)
    lines = [line.split() for line in (out / EDIT_LIST).read_text().splitlines() if line.endswith('.wav"')]
    placed = [line for line in lines if len(line) > 2]
    assert [line[1].strip('"') for line in lines if len(line) == 2] == names_in(out)[:-2] and len(placed) > 5
    for line in placed:
        play_in, play_out, record_in, record_out = map(int, line[2:6])
        audio, _ = soundfile.read(out / line[-1].strip('"'), always_2d=True)
        assert (play_in, play_out) == (0, len(audio))
        found[record_in:record_out] += audio
    assert np.abs(found - whole).max() < 1e-4
    assert f"Sample Rate: {rate}\nOutput Channels: 1\n" in (out / EDIT_LIST).read_text()


def test_an_edit_list_in_frames_shows_all_of_each_file(fake: fake_codec.FakeCodec, tmp_path: Path) -> None:
    path, out = write_sic(tmp_path / "talk.sic", make_table(3, seconds=2.0)), tmp_path / "out"
    ok("stems", path, out, "--edl", "25")
    timeline = otio.adapters.read_from_string((out / EDIT_LIST).read_text(), "cmx_3600", rate=25)
    clips = {clip.name: clip.source_range for clip in timeline.find_clips()}
    rate = read_sic(path).header.sample_rate
    for row in rows_of(out):
        start_s = int(row["start_sample"]) / rate
        shown = clips.pop(row["file"])
        assert shown.start_time.to_seconds() <= start_s < shown.start_time.to_seconds() + 0.04
        end_s = start_s + int(row["n_samples"]) / rate
        assert end_s - 1e-9 <= shown.end_time_exclusive().to_seconds() < end_s + 0.04
    assert not clips


def test_what_an_edit_list_cannot_hold_leaves_nothing(fake: fake_codec.FakeCodec, tmp_path: Path) -> None:
    table = make_table(6, seconds=1.0)
    path = write_sic(tmp_path / "talk.sic", table.replace(time=np.full(6, 0.5)))
    result = sic("stems", path, tmp_path / "out", "--edl", "30")
    assert_refused(result, "talk.sic: has 6 sounds in one frame", "4 tracks", "in samples")
    assert names_in(tmp_path) == ["talk.sic"]
    assert_refused(sic("stems", path, tmp_path / "out", "--edl", "29.97"), "--edl", exit_code=2)


def test_earlier_edit_lists_go_with_their_stems_and_others_stay(fake: fake_codec.FakeCodec, tmp_path: Path) -> None:
    path, out = write_sic(tmp_path / "talk.sic", make_table(3, seconds=1.0)), tmp_path / "out"
    for edl in ("samples", "24"):
        ok("stems", path, out, "-f", "--edl", edl)
        assert EDIT_LIST in names_in(out)
    ok("stems", path, out, "-f")
    assert EDIT_LIST not in names_in(out)
    (out / EDIT_LIST).write_bytes(b"TITLE: my film\n")
    assert_refused(sic("stems", path, out, "-f", "--edl", "samples"), "stems.edl: is not an edit list of 'sic stems'")
    ok("stems", path, out, "-f")  # which writes none
    assert (out / EDIT_LIST).read_bytes() == b"TITLE: my film\n"
