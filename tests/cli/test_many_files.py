"""Several inputs and folders: what is refused before anything is done, and what comes of each file."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fake_codec
import numpy as np
import pytest
import soundfile
from cli_support import (
    ENV,
    assert_refused,
    make_table,
    names_in,
    ok,
    read_sic,
    sic,
    sic_process,
    started,
    write_sic,
    write_wav,
)

from sparsecodec_cli import __version__
from sparsecodec_cli.batch.results import Job, Outcome
from sparsecodec_cli.batch.workers import run_beside
from sparsecodec_cli.commands.told import Told
from sparsecodec_cli.io.progress import progress_bar

pytestmark = pytest.mark.usefixtures("fake")


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    """A folder with recordings in it and below, a text, and what is hidden."""
    folder = tmp_path / "songs"
    (folder / "live").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    write_wav(folder / "a.wav", 8000)
    write_wav(folder / "b.WAV", 4000)
    write_wav(folder / "live" / "c.wav", 16000)
    write_wav(folder / ".hidden" / "d.wav")
    write_wav(folder / ".e.wav")
    (folder / "text.txt").write_text("words")
    return folder


@pytest.fixture
def coded(tmp_path: Path) -> Path:
    """A folder of .sic files."""
    folder = tmp_path / "coded"
    (folder / "live").mkdir(parents=True)
    write_sic(folder / "a.sic")
    write_sic(folder / "live" / "c.sic", make_table(seconds=1.0))
    return folder


def tree(folder: Path) -> list[str]:
    return sorted(os.path.relpath(path, folder) for path in folder.rglob("*") if path.is_file())


# Refused before anything is done


@pytest.mark.parametrize(
    "args, words",
    [
        (["encode", "a.wav", "b.wav"], ["b.wav", "OUT is a .sic file", "--out-dir"]),
        (["encode", "a.wav", "b.wav", "c.wav"], ["Several IN", "--out-dir"]),
        (["encode", "a.wav", "b.sic", "--jobs", "2"], ["--jobs", "--out-dir"]),
        (["encode", "a.wav", "--skip-existing"], ["--skip-existing", "--out-dir"]),
        (["encode", "-r", "songs"], ["-r", "--out-dir"]),
        (["encode", "a.wav", "--report-json", "r.json"], ["--report-json", "--out-dir"]),
        (["encode", "a.wav", "--out-dir", "x", "--skip-existing", "-f"], ["--skip-existing", "--force"]),
        (["encode", "a.wav", "--out-dir", "x", "--jobs", "0"], ["--jobs"]),
        (["encode", "a.wav", "b.wav", "--out-dir", "x", "--bitrate", "2", "--snr-stop", "9"], ["not both"]),
        (["decode", "a.sic", "b.sic"], ["b.sic", "OUT is audio", "--out-dir"]),
        (["decode", "a.sic", "b.sic", "c.sic"], ["Several IN", "--out-dir"]),
        (["inspect", "a.sic", "b.sic", "--plot", "x.png"], ["--plot", "one file"]),
        (["compare", "a.wav"], ["X", "REF"]),
        (["compare", "-r", "a", "b", "c"], ["two folders"]),
    ],
)
def test_wrong_use(args: list[str], words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_wav(tmp_path / "a.wav"), write_wav(tmp_path / "b.wav")
    assert_refused(sic(*args), *words, exit_code=2)
    assert names_in(tmp_path) == ["a.wav", "b.wav"]


def test_an_option_that_suits_no_file_is_told_once(coded: Path, tmp_path: Path) -> None:
    wrong = [("--format", "flac", "--bits", "float"), ("--start", "2", "--end", "1")]
    for options in wrong:
        assert_refused(sic("decode", "-r", coded, "--out-dir", tmp_path / "out", *options), options[-2], exit_code=2)
    assert names_in(tmp_path) == ["coded"]


def test_an_output_folder_that_is_a_file(songs: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    assert_refused(sic("encode", songs / "a.wav", "--out-dir", tmp_path / "out"), "out: is a file; name a folder")


def test_two_recordings_of_one_name_are_both_named(songs: Path, tmp_path: Path) -> None:
    shutil.copy(songs / "a.wav", songs / "a.flac")
    refused = sic("encode", "-r", songs, "--out-dir", tmp_path / "out")
    assert_refused(refused, str(songs / "a.wav"), str(songs / "a.flac"), "out/a.sic")
    other = write_wav(tmp_path / "a.wav")
    assert_refused(
        sic("encode", songs / "a.wav", other, "--out-dir", tmp_path / "out"), str(songs / "a.wav"), str(other)
    )
    twice = sic("encode", songs / "a.wav", songs / ".." / "songs" / "a.wav", "--out-dir", tmp_path / "out")
    assert_refused(twice, "a.wav", "twice")
    assert names_in(tmp_path) == ["a.wav", "songs"]


def test_an_output_that_is_another_input(songs: Path, tmp_path: Path) -> None:
    """With -f it would be overwritten before it is read."""
    shutil.copy(songs / "a.wav", songs / "b.sic")
    refused = sic("encode", songs / "b.WAV", songs / "b.sic", "--out-dir", songs, "-f")
    assert_refused(refused, "b.sic")
    assert soundfile.info(songs / "b.sic").frames == 8000


def test_folders_and_r_go_together(songs: Path, tmp_path: Path) -> None:
    out = ("--out-dir", tmp_path / "out")
    assert_refused(sic("encode", songs, *out), "songs: is a folder", "-r")
    assert_refused(sic("encode", "-r", songs / "a.wav", *out), "a.wav: is not a folder", "-r")
    assert_refused(sic("test", songs, songs), "songs: is a folder", "-r")
    (tmp_path / "empty").mkdir()
    assert_refused(sic("encode", "-r", tmp_path / "empty", *out), "empty: holds no recordings")
    assert_refused(sic("decode", "-r", songs, *out), "songs: holds no .sic files", "4 files of other kinds")
    assert names_in(tmp_path) == ["empty", "songs"]


@pytest.mark.parametrize("command", ["encode", "test", "compare"])
def test_a_pipe_among_several(command: str, songs: Path, tmp_path: Path) -> None:
    out = ("--out-dir", tmp_path / "out") if command == "encode" else ()
    assert_refused(sic(command, songs / "a.wav", "-", songs / "b.WAV", *out), "stdin", "alone")
    os.mkfifo(tmp_path / "pipe")
    assert_refused(sic(command, songs / "a.wav", tmp_path / "pipe", songs / "b.WAV", *out), "pipe", "alone")


def test_a_report_that_exists(coded: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    report.write_text("mine")
    assert_refused(sic("test", "-r", coded, "--report-json", report), "report.json", "exists already")
    assert_refused(sic("test", coded / "a.sic", "--report-json", coded / "a.sic", "-f"), "a.sic", "input too")
    ok("test", "-r", coded, "--report-json", report, "-f")
    assert json.loads(report.read_text())["totals"]["done"] == 2


# What comes of it


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_folders_keep_their_structure(jobs: str, songs: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    more = tmp_path / "more"
    (more / "live").mkdir(parents=True)
    write_wav(more / "live" / "f.wav", 100)
    done = sic_process("encode", "-r", songs, more, "--out-dir", out, "--jobs", jobs, fake=True)
    assert (done.returncode, done.stdout) == (0, b""), done.stderr
    assert tree(out) == ["a.sic", "b.sic", "live/c.sic", "live/f.sic"]
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 5 and lines[-1] == "sic: 4 files, 1 other passed over"
    assert {line.split(": ")[0] for line in lines[:-1]} == {str(out / name) for name in tree(out)}
    for name in ("a", "live/c"):
        alone = tmp_path / "alone.sic"
        ok("encode", songs / f"{name}.wav", alone, "-f")
        assert (out / f"{name}.sic").read_bytes() == alone.read_bytes()

    back = tmp_path / "back"
    decoded = sic_process("decode", "-r", out, "--out-dir", back, "--jobs", jobs, "--format", "flac", "-q", fake=True)
    assert (decoded.returncode, decoded.stderr) == (0, b"")
    assert tree(back) == ["a.flac", "b.flac", "live/c.flac", "live/f.flac"]
    assert soundfile.info(back / "live" / "c.flac").frames == 16000


def test_options_hold_for_every_file(songs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ok("encode", songs / "a.wav", songs / "b.WAV", "--out-dir", out, "--tag", "title=Live", "--seed", "7")
    for name in names_in(out):
        header = read_sic(out / name).header
        assert (header.tags, header.seed) == ({"title": "Live"}, 7)
    ok("decode", "-r", out, "--out-dir", out, "--event", "2-3", "--event", "1", "--end", "0.25", "--rate", "4000")
    assert [soundfile.info(out / f"{name}.wav").frames for name in "ab"] == [1000, 1000]
    assert all(np.any(soundfile.read(out / f"{name}.wav")[0]) for name in "ab")


def test_samples_without_a_header(tmp_path: Path) -> None:
    folder = tmp_path / "calls"
    folder.mkdir()
    (folder / "one.pcm").write_bytes(bytes(1600))
    write_wav(folder / "other.wav")
    result = sic("encode", "-r", folder, "--out-dir", tmp_path, "--raw-rate", "8000")
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (0, "sic: 1 file, 1 other passed over")
    assert read_sic(tmp_path / "one.sic").header.n_samples == 800


def test_the_output_folder_within_the_input_folder_is_no_input(coded: Path) -> None:
    ok("decode", "-r", coded, "--out-dir", coded / "out")
    write_sic(coded / "out" / "left.sic")
    ok("decode", "-r", coded, "--out-dir", coded / "out", "-f")
    assert tree(coded / "out") == ["a.wav", "left.sic", "live/c.wav"]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_bad_file_fails_alone_and_is_listed_at_the_end(jobs: str, songs: Path, tmp_path: Path) -> None:
    out, report, bad, gone = tmp_path / "out", tmp_path / "report.json", songs / "bad.wav", songs / "gone.wav"
    bad.write_bytes(b"no audio")
    (out / "live").mkdir(parents=True)
    (out / "live" / "c.sic").write_bytes(b"of old")
    options = ("--out-dir", out, "--jobs", jobs, "--report-json", report)
    done = sic_process("encode", "-r", songs, gone, *options, fake=True)
    assert (done.returncode, done.stdout) == (1, b"")
    lines = done.stderr.decode().splitlines()
    assert [line.partition(": ")[0] for line in lines[-4:]] == ["sic"] * 4
    assert [line.split(": ")[1] for line in lines[-4:-1]] == [str(bad), str(out / "live" / "c.sic"), str(gone)]
    assert "is not audio" in lines[-4] and "use -f to overwrite" in lines[-3] and "no such file" in lines[-2]
    assert lines[-1] == "sic: 3 of 5 files failed, 1 other passed over"
    assert tree(out) == ["a.sic", "b.sic", "live/c.sic"]
    assert (out / "live" / "c.sic").read_bytes() == b"of old"

    told = json.loads(report.read_text())
    assert list(told) == ["command", "versions", "totals", "files"]
    assert (told["command"], told["versions"]["sic"]) == ("encode", __version__)
    a, b = told["files"][:2]
    assert a == {
        "input": str(songs / "a.wav"),
        "output": str(out / "a.sic"),
        "reference": None,
        "status": "done",
        "error": None,
        "seconds": 1.0,
        "bytes": (out / "a.sic").stat().st_size,
        "bitrate_kbps": round(8e-3 * (out / "a.sic").stat().st_size, 3),
    }
    failed = {row["input"]: row for row in told["files"] if row["status"] == "failed"}
    assert failed.keys() == {str(bad), str(gone), str(songs / "live" / "c.wav")}
    assert failed[str(bad)]["error"] == lines[-4].removeprefix("sic: ")
    assert [failed[str(bad)][key] for key in ("seconds", "bytes", "bitrate_kbps")] == [None] * 3
    counts = {"files": 5, "done": 2, "skipped": 0, "failed": 3, "passed_over": 1}
    totals = told["totals"]
    assert totals == counts | {
        "seconds": 1.5,
        "bytes": a["bytes"] + b["bytes"],
        "bitrate_kbps": round(8e-3 * (a["bytes"] + b["bytes"]) / 1.5, 3),
    }


def test_folders_of_files_that_failed_are_not_left(tmp_path: Path) -> None:
    (tmp_path / "in" / "below").mkdir(parents=True)
    (tmp_path / "in" / "below" / "bad.wav").write_bytes(b"no audio")
    assert sic("encode", "-r", tmp_path / "in", "--out-dir", tmp_path / "x" / "y").exit_code == 1
    assert names_in(tmp_path) == ["in"]


def test_a_damaged_file_that_is_salvaged_among_others(coded: Path, tmp_path: Path) -> None:
    bad = coded / "bad.sic"
    bad.write_bytes((coded / "a.sic").read_bytes()[:-1])
    report = tmp_path / "report.json"
    result = sic("decode", "-r", coded, "--out-dir", tmp_path / "out", "--salvage", "--report-json", report)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-2].startswith(f"sic: {bad}: ")
    assert tree(tmp_path / "out") == ["a.wav", "bad.wav", "live/c.wav"]


# What is there already


def test_skip_existing_makes_anew_what_is_not_whole(songs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ok("encode", "-r", songs, "--out-dir", out)
    whole = {name: (out / name).read_bytes() for name in tree(out)}
    (out / "b.sic").write_bytes(whole["b.sic"][:-3])
    (out / "live" / "c.sic").unlink()
    times = (out / "a.sic").stat().st_mtime_ns
    result = sic("encode", "-r", songs, "--out-dir", out, "--skip-existing", "--report-json", tmp_path / "r.json")
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (
        0,
        "sic: 3 files, 1 were there already, 1 other passed over",
    )
    assert {name: (out / name).read_bytes() for name in tree(out)} == whole
    assert (out / "a.sic").stat().st_mtime_ns == times
    told = json.loads((tmp_path / "r.json").read_text())
    assert [row["status"] for row in told["files"]] == ["skipped", "done", "done"]
    assert told["files"][0]["seconds"] == 1.0 and told["totals"]["skipped"] == 1


@pytest.mark.parametrize("extension", ["wav", "flac", "mp3", "ogg"])
def test_decoded_audio_is_whole_when_it_is_as_long_as_the_file_tells(
    extension: str, coded: Path, tmp_path: Path
) -> None:
    out, args = tmp_path / "out", ("--format", extension)
    decode = ("decode", "-r", coded, "--out-dir", out, *args)
    ok(*decode)
    a, c = out / f"a.{extension}", out / "live" / f"c.{extension}"
    whole = a.read_bytes()
    a.write_bytes(whole[: len(whole) * 2 // 3])
    shutil.copy(a, c)
    result = sic(*decode, "--skip-existing")
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (0, "sic: 2 files")
    assert len(a.read_bytes()) == len(whole) and abs(soundfile.info(c).duration - 1.0) < 0.1
    result = sic(*decode, "--skip-existing")
    assert (result.exit_code, result.stderr) == (0, "sic: 2 files, 2 were there already\n")


def test_a_part_is_whole_when_it_is_as_long_as_the_part(coded: Path, tmp_path: Path) -> None:
    part = ("--start", "0.3", "--end", "0.7", "--rate", "11025")
    decode = ("decode", "-r", coded, "--out-dir", tmp_path / "out", "--skip-existing")
    for options, skipped in ((part, ""), (part, ", 2 were there already"), ((), ""), ((), ", 2 were there already")):
        result = sic(*decode, *options)
        assert (result.exit_code, result.stderr.splitlines()[-1]) == (0, f"sic: 2 files{skipped}")


# Commands that print


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_results_come_in_the_order_of_the_inputs(jobs: str, coded: Path) -> None:
    bad = coded / "bad.sic"
    bad.write_bytes((coded / "a.sic").read_bytes()[:-1])
    done = sic_process("test", "-r", coded, "--jobs", jobs, fake=True)
    assert done.returncode == 1
    lines = done.stdout.decode().splitlines()
    assert [line.split(": ")[0] for line in lines] == [str(coded / "a.sic"), str(bad), str(coded / "live" / "c.sic")]
    assert [line.endswith(": ok") for line in lines] == [True, False, True]
    assert done.stderr == b"sic: 1 of 3 files are not sound\n"
    quiet = sic_process("test", "-q", "-r", coded, "--jobs", jobs, fake=True)
    assert quiet.stdout.decode().splitlines() == [lines[1]]


def test_inspect_prints_a_line_of_json_for_each(coded: Path) -> None:
    rows = [json.loads(line) for line in ok("inspect", "-r", coded, "--json").splitlines()]
    for row, name in zip(rows, ["a.sic", "live/c.sic"], strict=True):
        alone = json.loads(ok("inspect", coded / name, "--json"))
        assert row == {"file": str(coded / name)} | alone
    text = ok("inspect", coded / "a.sic", coded / "live" / "c.sic").decode()
    assert text == ok("inspect", coded / "a.sic").decode() + ok("inspect", coded / "live" / "c.sic").decode()


def test_inspect_tells_of_what_it_cannot_read(coded: Path) -> None:
    (coded / "bad.sic").write_bytes(b"")
    result = sic("inspect", "-r", coded, "--json")
    assert result.exit_code == 1 and len(result.stdout.splitlines()) == 2
    lines = result.stderr.splitlines()
    assert lines[0].startswith(f"sic: {coded / 'bad.sic'}: ") and lines[1] == "sic: 1 of 3 files failed"


def test_compare_several_with_one_and_folders_in_pairs(songs: Path, tmp_path: Path) -> None:
    coded = tmp_path / "coded"
    ok("encode", "-r", songs, "--out-dir", coded)
    other = write_wav(tmp_path / "other.wav")
    rows = [json.loads(line) for line in ok("compare", songs / "a.wav", coded / "a.sic", other, "--json").splitlines()]
    assert [row["file"] for row in rows] == [str(coded / "a.sic"), str(other)]
    assert [row["reference_file"] for row in rows] == [str(songs / "a.wav")] * 2
    alone = json.loads(ok("compare", songs / "a.wav", coded / "a.sic", "--json"))
    assert alone == {key: value for key, value in rows[0].items() if not key.endswith("file")}

    write_sic(coded / "more.sic")
    result = sic("compare", "-r", songs, coded, "--json")
    assert result.exit_code == 1
    assert f"sic: {coded / 'more.sic'}: has no recording of its name" in result.stderr
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    pairs = [(Path(row["file"]).name, Path(row["reference_file"]).name) for row in rows]
    assert pairs == [("a.sic", "a.wav"), ("b.sic", "b.WAV"), ("c.sic", "c.wav")]
    shutil.copy(songs / "a.wav", songs / "a.flac")
    assert_refused(sic("compare", "-r", songs, coded), "a.flac", "a.wav", "same name")


# Processes


def test_a_worker_that_dies_fails_its_file_alone(songs: Path, tmp_path: Path) -> None:
    dies = write_wav(songs / "dies.wav", fake_codec.DIES)
    once = write_wav(songs / "once.wav", fake_codec.DIES_ONCE)
    flag = tmp_path / "flag"
    flag.write_text("")
    out = tmp_path / "out"
    done = sic_process(
        "encode", "-r", songs, "--out-dir", out, "--jobs", "2", "-q", fake=True, env=ENV | {"FAKE_ONCE": str(flag)}
    )
    lines = done.stderr.decode().splitlines()
    assert (done.returncode, len(lines)) == (1, 2), lines
    assert str(dies) in lines[0] and "SIGKILL" in lines[0] and "--jobs" in lines[0]
    assert lines[1] == "sic: 1 of 5 files failed, 1 other passed over"
    assert not flag.exists() and (out / once.with_suffix(".sic").name).exists()
    assert [name for name in tree(out) if name.endswith(".sic")] == ["a.sic", "b.sic", "live/c.sic", "once.sic"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_all_and_leaves_nothing_half_written(number: int, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    waits = [write_wav(tmp_path / f"{i}.wav", fake_codec.WAITS) for i in (1, 2)]
    with started(
        *("encode", *waits, "--out-dir", tmp_path / "out", "--jobs", "2", "--report-json", tmp_path / "r.json"),
        fake=True,
        env=ENV | {"FAKE_GATE": str(gate)},
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        pids: list[int] = []
        while len(pids) < len(waits):
            pids += map(int, gate.read_text().split())
        if number == signal.SIGTERM:
            process.send_signal(number)
        else:
            os.killpg(process.pid, number)  # as a terminal does
        assert process.stderr is not None
        said = process.stderr.read()
        assert process.wait(60) == 128 + number
    assert said.lstrip() == (b"sic: interrupted\n" if number == signal.SIGINT else b"")
    assert names_in(tmp_path) == ["1.wav", "2.wav", "gate"]
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


# What is told meanwhile


def test_one_bar_moves_by_what_is_done_of_all_files() -> None:
    drawn: list[tuple[float, str]] = []
    jobs = [Job("long.wav", "long.sic", n_bytes=300), Job("short.wav", "short.sic", n_bytes=100)]
    told = Told(jobs, in_order=False, quiet=True, draw=lambda share, words: drawn.append((share, words)))
    told.of_progress(0, 0.5)
    told.of_progress(0, 0.25)  # a second part of the work begins anew
    told.of_outcome(1, Outcome("done"))
    told.of_outcome(0, Outcome("failed", error="long.wav: is no audio"))
    assert drawn == [
        (0.375, "0 of 2 files"),
        (0.375, "0 of 2 files"),
        (0.625, "1 of 2 files"),
        (1.0, "2 of 2 files"),
    ]


def test_progress_comes_from_processes_too(songs: Path, tmp_path: Path) -> None:
    """The function of a command gets the listener in place of a bar of its own, here and in a worker."""
    shares: dict[int, list[float]] = {0: [], 1: []}
    jobs = [Job(str(songs / "a.wav"), str(tmp_path / "a.sic")), Job(str(songs / "b.WAV"), str(tmp_path / "b.sic"))]
    outcomes: dict[int, Outcome] = {}
    run_beside(jobs, [1, 0], Counts(), 2, outcomes.__setitem__, lambda number, share: shares[number].append(share))
    assert shares == {0: [0.25, 0.5], 1: [0.25, 0.5]}
    assert {number: outcome.printed for number, outcome in outcomes.items()} == {0: jobs[0].input, 1: jobs[1].input}


class Counts:
    """Work that tells how far it is."""

    @contextmanager
    def session(self) -> Iterator[Callable[[Job, bool], Outcome]]:
        yield self.do

    @staticmethod
    def do(job: Job, is_again: bool) -> Outcome:
        with progress_bar("counting", quiet=True) as progress:
            assert progress is not None and not is_again
            for share in (0.25, 0.5, 0.501):  # the last is too near to be worth a word
                progress(share)
        return Outcome("done", printed=job.input)


@pytest.mark.parametrize(
    "given, threads", [((), 6), (("--jobs", "2"), 3), (("--jobs", "9"), 3), (("--threads", "5", "--jobs", "2"), 5)]
)
def test_files_that_are_encoded_at_a_time_share_the_processors(
    given: tuple[str, ...], threads: int, songs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def run(jobs: list[Job], order: list[int], work: Any, *args: Any) -> None:
        asked.append(work.options["threads"])

    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(6)), raising=False)
    monkeypatch.setattr("sparsecodec_models.threads.MOST_UNASKED", 16)
    monkeypatch.setattr("sparsecodec_cli.batch.workers.run_here", run)
    monkeypatch.setattr("sparsecodec_cli.batch.workers.run_beside", run)
    sic("encode", songs / "a.wav", songs / "b.WAV", "--out-dir", tmp_path / "out", *given)
    assert asked == [threads]
