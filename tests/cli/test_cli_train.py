"""`sic train`: what it refuses, runs that resume, fine-tuning, pages of samples, what it tells, signals."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from cli_support import ENV, ROOT, assert_refused, command_line, default_signals, names_in, ok, sic, started
from click.testing import Result
from reference_small import TINY
from safetensors.torch import load_file

from sparsecodec_cli.train.run_folder import RunFolder, load_run
from sparsecodec_cli.train.spectrogram import levels_db
from sparsecodec_models.reference.model import ReferenceModel
from sparsecodec_models.speech.config import SpeechConfig
from sparsecodec_models.speech.model import SpeechModel
from sparsecodec_models.weights import preset_of

CLIP = ROOT / "tests" / "data" / "only-person-en.flac"
FAST = ("--workers", "0", "--threads", "1")
SMALL = ("--seconds", "0.6", "--batch", "1", *FAST)


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of six recordings, half a second each."""
    folder = tmp_path_factory.mktemp("voices")
    audio, rate = soundfile.read(CLIP)
    for i, part in enumerate(np.array_split(audio, 6)):
        soundfile.write(folder / f"{i}.flac", part, rate)
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Weights of each preset, small and untrained: to begin from, so that steps are quick."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    made = {
        "speech": SpeechModel(replace(SpeechConfig(), channels=16, dilations=(1, 2))).to_bytes(),
        "reference": ReferenceModel(TINY).draw_weights(0).to_bytes(),
    }
    for preset, data in made.items():
        (folder / f"{preset}.safetensors").write_bytes(data)
    return {preset: folder / f"{preset}.safetensors" for preset in made}


@pytest.fixture(scope="module")
def speech(voices: Path, weights: dict[str, Path]) -> tuple[str | Path, ...]:
    """Arguments of a quick run of the speech preset."""
    return ("--data", voices, "--from", weights["speech"], *SMALL)


@pytest.fixture(scope="module")
def run(speech: tuple[str | Path, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of four steps, with samples of the second and the last."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    assert train(*speech, "--steps", "4", "--sample-every", "2", out).exit_code == 0
    return out


def train(*args: str | os.PathLike[str]) -> Result:
    return sic("train", *args)


def trained(*args: str | os.PathLike[str]) -> str:
    """What a run that must succeed tells on stderr."""
    result = train(*args)
    assert result.exit_code == 0, result.stderr
    assert result.stdout_bytes == b""
    return result.stderr


def lines_of(run: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


# refusals


@pytest.mark.parametrize(
    "args, words",
    [
        (["out"], ["--data", "--resume"]),
        (["--data", "d"], ["OUT"]),
        (["--resume", "-f", "out"], ["--resume", "--force"]),
        (["--data", "d", "out", "--steps", "0"], ["--steps"]),
        (["--data", "d", "out", "--max-hours", "nan"], ["finite"]),
        (["--data", "d", "out", "--seconds", "0.1"], ["--seconds"]),
        (["--data", "d", "out", "--preset", "brass"], ["brass", "speech"]),
        (["--data", "d", "out", "--preset", "music"], ["music", "docs/training.md", "speech or reference"]),
        (["--data", "d", "out", "--preset", "reference", "--seconds", "2"], ["--seconds", "speech"]),
        (["--data", "d", "out", "--preset", "reference", "--imitation-steps", "2"], ["--imitation-steps"]),
        (["--data", "d", "out", "--device", "tpu"], ["tpu"]),
    ],
)
def test_wrong_use(args: list[str], words: list[str]) -> None:
    assert_refused(train(*args), *words, exit_code=2)


def refused_start(tmp_path: Path, *args: str | Path, words: list[str]) -> None:
    """Refused, and no folder made."""
    result = train(*args, *FAST, "-q", tmp_path / "runs" / "new")
    assert_refused(result, *words)
    assert not (tmp_path / "runs").exists()


def test_folders_that_cannot_be_trained_on(voices: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "notes.txt").write_text("nothing to hear")
    refused_start(tmp_path, "--data", tmp_path / "gone", words=["gone", "no such folder"])
    refused_start(tmp_path, "--data", voices / "0.flac", words=["0.flac", "a file", "folder"])
    refused_start(tmp_path, "--data", empty, words=["empty", "no audio", "FLAC"])
    refused_start(tmp_path, "--data", voices, "--valid", empty, words=["empty", "no audio"])
    refused_start(tmp_path, "--data", voices, "--valid", voices, words=["voices", "--valid"])
    refused_start(tmp_path, "--data", voices, "--half-weight", "elsewhere", words=["elsewhere", "--half-weight"])


def test_a_single_recording_needs_others_to_validate_on(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.flac").write_bytes(CLIP.read_bytes())
    refused_start(tmp_path, "--data", tmp_path / "data", words=["a.flac", "only", "--valid"])


def test_silence_is_refused(tmp_path: Path, weights: dict[str, Path]) -> None:
    for name in ("a.wav", "b.wav"):
        soundfile.write(tmp_path / name, np.zeros(8000), 8000)
    refused_start(tmp_path, "--data", tmp_path, "--from", weights["speech"], words=[".wav", "silent"])


def test_weights_that_cannot_be_begun_from(voices: Path, weights: dict[str, Path], tmp_path: Path) -> None:
    data = ("--data", voices)
    gone = tmp_path / "gone.safetensors"
    refused_start(tmp_path, *data, "--from", gone, words=["gone.safetensors", "no such file"])
    refused_start(tmp_path, *data, "--from", voices / "0.flac", words=["0.flac", "not weights", "--from"])
    for preset, other in (("speech", "reference"), ("reference", "speech")):
        words = [weights[other].name, "weights are" if preset == "reference" else "weights of", "--preset " + preset]
        refused_start(tmp_path, *data, "--from", weights[other], "--preset", preset, words=words)


def test_a_device_that_is_not_there(voices: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    refused_start(tmp_path, "--data", voices, "--device", "cuda", words=["no cuda device", "--device cpu"])


def test_folders_that_cannot_hold_a_run(voices: Path, run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("precious")
    data = ("--data", voices, *FAST)
    assert_refused(train(*data, tmp_path / "file"), "file: is a file")
    assert_refused(train(*data, tmp_path / "file" / "run"), "not a folder")
    assert_refused(train(*data, tmp_path / "full"), "full: is not empty; use -f")
    assert_refused(train(*data, run), "whole: is not empty", "--resume", "-f")
    assert_refused(train(*data, "-"), "stdout")
    assert names_in(tmp_path) == ["file", "full"] and names_in(tmp_path / "full") == ["file"]


def test_runs_that_cannot_be_resumed(tmp_path: Path) -> None:
    assert_refused(train("--resume", tmp_path / "gone"), "gone: has no checkpoint.pt", "--resume")
    assert names_in(tmp_path) == []
    (tmp_path / "checkpoint.pt").write_text("not a checkpoint")
    assert_refused(train("--resume", tmp_path), "checkpoint.pt: is not a checkpoint")
    state = dict.fromkeys(("model", "optimizer", "step", "rng", "cuda_rng", "task")) | {"about": {"plan": {}}}
    torch.save(state, tmp_path / "checkpoint.pt")
    assert_refused(train("--resume", tmp_path), "checkpoint.pt: is of another version", "--from")


@pytest.mark.parametrize(
    "args, words",
    [
        (["--steps", "5"], "has --steps 4, not 5"),
        (["--batch", "2"], "has --batch 1, not 2"),
        (["--preset", "reference"], "has --preset speech, not reference"),
        (["--imitation-steps", "3"], "has --imitation-steps 0, not 3"),
        (["--half-weight", "x", "--half-weight", "y"], "has --half-weight nothing, not x y"),
        (["--from", "speech"], "speech.safetensors, not speech"),
        (["--vary"], "has --no-vary, not --vary"),
    ],
)
def test_a_run_keeps_what_it_was_begun_with(args: list[str], words: str, run: Path) -> None:
    assert_refused(train("--resume", run, *args), "whole", words, f"leave {args[0]} out")


def test_a_run_keeps_its_recordings(run: Path, voices: Path, tmp_path: Path) -> None:
    for name in names_in(voices)[1:]:
        (tmp_path / name).write_bytes((voices / name).read_bytes())
    assert_refused(train("--resume", run, "--data", tmp_path, "-q"), tmp_path.name, "not those", "--from")


# runs


def test_new_weights_code_speech(voices: Path, tmp_path: Path) -> None:
    """The real sizes and the map from the recordings, at the defaults but for the windows."""
    told = trained("--data", voices, *SMALL, "--steps", "2", "--imitation-steps", "1", tmp_path / "run")
    assert "5 recordings" in told and "the last files" in told and "--valid" in told
    assert names_in(tmp_path / "run") == ["checkpoint.pt", "log.jsonl", "samples", "weights.safetensors"]
    assert [line["step"] for line in lines_of(tmp_path / "run")] == [2]
    model = tmp_path / "run" / "weights.safetensors"
    ok("encode", CLIP, tmp_path / "a.sic", "--model", model, "--effort", "0", "-q")
    ok("decode", tmp_path / "a.sic", tmp_path / "a.wav", "--model", model, "-q")
    assert soundfile.info(tmp_path / "a.wav").frames == soundfile.info(CLIP).frames


def test_a_resumed_run_is_the_same(speech: tuple[str | Path, ...], run: Path, voices: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    told = trained(*speech, "--steps", "4", "--max-steps", "1", out)
    assert f"stopped at step 1 of 4; go on with: sic train --resume {out}" in told
    torch.manual_seed(99)  # another process draws other numbers
    told = trained(*speech, "--steps", "4", "--max-hours", "1e-9", "--resume", out)  # the same line, with --resume
    assert "stopped at step 2 of 4" in told
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in names_in(voices):
        (moved / name).write_bytes((voices / name).read_bytes())
    told = trained("--resume", out, "--data", moved, *FAST)
    assert "all 4 steps are done" in told
    assert (out / "weights.safetensors").read_bytes() == (run / "weights.safetensors").read_bytes()
    assert [line["step"] for line in lines_of(out)] == [1, 2, 4]
    assert "all 4 steps are done" in trained("--resume", out, *FAST)


def test_fine_tuning_begins_with_the_weights(
    speech: tuple[str | Path, ...], weights: dict[str, Path], run: Path
) -> None:
    def parameters(path: Path) -> torch.Tensor:
        return torch.cat([p.detach().flatten() for p in SpeechModel.from_bytes(path.read_bytes()).parameters()])

    before, after = parameters(weights["speech"]), parameters(run / "weights.safetensors")
    assert 0 < (after - before).abs().max() < 0.02  # four steps, none longer than the rate of learning


def test_shipped_weights_go_by_their_name(voices: Path, tmp_path: Path) -> None:
    trained("--data", voices, "--from", "speech", *SMALL, "--steps", "1", "--sample-every", "0", tmp_path / "run")
    assert load_run(tmp_path / "run")[0]["about"]["plan"]["weights"] == "speech"
    shipped = ROOT / "models" / "sparsecodec_models" / "weights" / "speech.safetensors"
    old, new = (SpeechModel.from_bytes(p.read_bytes()) for p in (shipped, tmp_path / "run" / "weights.safetensors"))
    assert (old.decoder.shape_basis - new.decoder.shape_basis).abs().max() < 0.01  # not made anew


def test_the_reference_preset(voices: Path, weights: dict[str, Path], tmp_path: Path) -> None:
    args = ("--data", voices, "--preset", "reference", "--from", weights["reference"], *FAST, "--steps", "2")
    trained(*args, "--max-steps", "1", "--sample-every", "1", tmp_path / "parts")
    trained("--resume", *FAST, tmp_path / "parts")
    trained(*args, tmp_path / "whole")
    parts, whole = ((tmp_path / run / "weights.safetensors").read_bytes() for run in ("parts", "whole"))
    assert parts == whole and preset_of(whole) == "reference"
    assert "1-decoded.flac" in names_in(tmp_path / "parts" / "samples" / "step-000001")


def test_lines_after_the_checkpoint_are_dropped_from_the_log(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.cut_log(5)
    assert names_in(tmp_path) == []
    for step in (50, 100, 150):
        folder.append_log({"step": step, "total": 1.5})
    folder.cut_log(100)
    folder.append_log({"step": 120})
    assert lines_of(tmp_path) == [{"step": 50, "total": 1.5}, {"step": 100, "total": 1.5}, {"step": 120}]
    assert names_in(tmp_path) == ["log.jsonl"]


def test_force_removes_the_run_that_was_there_and_nothing_else(speech: tuple[str | Path, ...], tmp_path: Path) -> None:
    out = tmp_path / "run"
    (out / "samples" / "mine").mkdir(parents=True)
    (out / "notes.txt").write_text("precious")
    trained(*speech, "--steps", "2", "--sample-every", "1", "-f", out)
    trained(*speech, "--steps", "1", "--sample-every", "1", "-f", out)
    assert [line["step"] for line in lines_of(out)] == [1]
    assert names_in(out / "samples") == ["index.html", "mine", "step-000001"]
    assert (out / "notes.txt").read_text() == "precious"


def test_a_start_that_fails_leaves_the_run_that_was_there(run: Path, tmp_path: Path) -> None:
    before = {name: (run / name).read_bytes() for name in ("checkpoint.pt", "log.jsonl", "weights.safetensors")}
    assert_refused(train("--data", tmp_path, "-f", run), "no audio")
    assert {name: (run / name).read_bytes() for name in before} == before


# pages of samples


class Links(HTMLParser):
    """What a page refers to, and its text."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.text = ""
        self.feed(page.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value for name, value in attrs if name in ("src", "href") and value]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_sample_pages(run: Path) -> None:
    samples = run / "samples"
    assert names_in(samples) == ["index.html", "step-000002", "step-000004"]
    index = Links(samples / "index.html")
    assert [link for link in index.links if link.endswith(".html")] == [f"step-00000{n}/index.html" for n in (4, 2)]
    for link in index.links:
        assert (samples / link).is_file()
    page = samples / "step-000004"
    shown = Links(page / "index.html")
    last = lines_of(run)[-1]
    assert f"total {last['total']:.4g}" in shown.text and "sound_own" in shown.text and "kbit/s" in shown.text
    assert {link for link in shown.links if link != "../index.html"} == set(names_in(page)) - {"index.html"}
    for link in shown.links:
        assert (page / link).is_file()
    original, decoded = (soundfile.info(page / f"1-{what}.flac") for what in ("original", "decoded"))
    assert original.frames == decoded.frames > 5000 and original.samplerate == decoded.samplerate == 22050
    assert (page / "1.png").read_bytes().startswith(b"\x89PNG")


def test_names_of_recordings_are_escaped_and_damaged_ones_left_out(
    speech: tuple[str | Path, ...], voices: Path, tmp_path: Path
) -> None:
    valid = tmp_path / "valid"
    valid.mkdir()
    (valid / "a<b>&'c.flac").write_bytes((voices / "0.flac").read_bytes())
    cut = (voices / "1.flac").read_bytes()
    (valid / "cut.flac").write_bytes(cut[: len(cut) // 8])
    trained(*speech, "--valid", valid, "--steps", "1", tmp_path / "run")
    page = tmp_path / "run" / "samples" / "step-000001" / "index.html"
    assert "a&lt;b&gt;&amp;&#x27;c.flac" in page.read_text()
    assert "a<b>&'c.flac" in Links(page).text and "cut.flac" not in Links(page).text


def test_pages_do_without_matplotlib(
    speech: tuple[str | Path, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sparsecodec_cli.train.sample_pages.find_spec", lambda name: None)
    trained(*speech, "--steps", "1", tmp_path / "run")
    page = tmp_path / "run" / "samples" / "step-000001"
    assert "1.png" not in names_in(page)
    assert "pip install 'sparsecodec[train]'" in Links(page / "index.html").text


def test_no_samples_where_none_are_asked_for(speech: tuple[str | Path, ...], tmp_path: Path) -> None:
    trained(*speech, "--steps", "1", "--sample-every", "0", tmp_path / "run")
    assert "samples" not in names_in(tmp_path / "run")


def test_a_spectrogram_shows_a_tone_where_it_is() -> None:
    rate = 8000
    audio = np.r_[np.zeros(rate), 0.5 * np.sin(2 * np.pi * 1000 * np.arange(rate) / rate)].astype(np.float32)
    levels = levels_db(audio, rate)
    bins, frames = levels.shape
    assert np.argmax(levels[:, frames * 3 // 4]) * rate / 2 / (bins - 1) == pytest.approx(1000, abs=20)
    assert levels[:, frames // 4].max() < levels[:, frames * 3 // 4].max() - 100


# what is told


def test_a_line_of_the_log_is_a_line_on_stderr(speech: tuple[str | Path, ...], tmp_path: Path) -> None:
    told = trained(*speech, "--steps", "3", "--sample-every", "2", tmp_path / "run").splitlines()
    assert re.match(r"step 2/3  \S+ a second  0:\d\d:\d\d left  total [\d.]+ .*sound ", told[-3])
    assert told[-2].startswith("step 3/3") and "| valid " in told[-2] and "sound_own" in told[-2]
    assert told[-1] == f"{tmp_path / 'run'}: all 3 steps are done; the weights are in weights.safetensors"


def test_quiet_tells_nothing(speech: tuple[str | Path, ...], tmp_path: Path) -> None:
    assert trained(*speech, "--steps", "2", "--max-steps", "1", "-q", tmp_path / "run") == ""


def test_files_that_cannot_be_read_are_told_in_a_line(
    speech: tuple[str | Path, ...], voices: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    cut = (voices / "1.flac").read_bytes()
    (data / "cut.flac").write_bytes(cut[: len(cut) // 8])
    for name in ("bad1.wav", "bad2.mp3"):
        (data / name).write_text("not audio")
    (data / "good.flac").write_bytes((voices / "0.flac").read_bytes())
    args = [data if arg == voices else arg for arg in speech]
    told = trained(*args, "--valid", voices, "--steps", "2", "--sample-every", "0", tmp_path / "run")
    assert re.search(r"; 2 left out that cannot be read \(.*bad1\.wav, \.\.\.\)\n", told)
    assert re.search(r"\n1 damaged on the way, and passed over \(.*cut\.flac\)\n", told)
    assert lines_of(tmp_path / "run")[-1]["unreadable"] == 1


def test_a_terminal_gets_a_live_line(speech: tuple[str | Path, ...], tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    command = command_line("train", *speech, "--steps", "2", "--sample-every", "0", tmp_path / "run")
    with open(theirs, "wb") as terminal:
        done = subprocess.run(command, env=ENV | {"TERM": "xterm", "COLUMNS": "200"}, stderr=terminal, timeout=60)
    assert done.returncode == 0
    shown = b""
    while True:
        try:
            shown += os.read(ours, 1 << 16)
        except OSError:  # Linux's way to say that nobody holds the terminal any more
            break
    os.close(ours)
    assert re.search(rb"\x1b\[2K[^\n]*step 2/2  \S+ a second", shown)  # in the place of the line before
    assert shown.count(b"step 1/2") == 1
    last, note = shown.splitlines()[-2:]
    assert b"step 2/2" in last and b"| valid " in last and note.endswith(b"in weights.safetensors")  # these stay


# signals


@pytest.mark.parametrize("number, exit_code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_save_first(
    number: signal.Signals, exit_code: int, speech: tuple[str | Path, ...], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    args = (*speech, "--steps", "1000000", "--sample-every", "0", "--workers", "1", out)
    with started("train", *args, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stderr is not None
        assert any(line.startswith("step 50/") for line in iter(process.stderr.readline, ""))
        os.killpg(process.pid, number)  # as a terminal does: to the workers too
        told = process.stderr.read()
        assert process.wait(60) == exit_code
    assert "Traceback" not in told
    step = load_run(out)[0]["step"]
    assert step >= 50 and f"stopped at step {step} of 1000000; go on with: sic train --resume {out}" in told
    assert names_in(out) == ["checkpoint.pt", "log.jsonl", "weights.safetensors"]
    assert f"stopped at step {step + 1} of" in trained(
        "--resume", "--max-steps", str(step + 1), *FAST, "--sample-every", "0", out
    )


def test_an_interrupt_before_the_first_step_leaves_nothing(
    speech: tuple[str | Path, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sparsecodec_models.training.corpus.find_corpus", interrupt)
    result = train(*speech, tmp_path / "runs" / "new")
    assert result.exit_code == 130 and "interrupted" in result.stderr
    assert names_in(tmp_path) == []


def test_a_file_that_may_not_grow_is_told_and_leaves_no_part(speech: tuple[str | Path, ...], tmp_path: Path) -> None:
    done = subprocess.run(
        command_line("train", *speech, "--steps", "1", "-q", tmp_path / "run"),
        env=ENV,
        capture_output=True,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
    )
    assert_refused(done, "run: the file grew", "limit on file sizes")
    assert names_in(tmp_path / "run") == ["log.jsonl"]


# several processes


def torchrun(*args: str | Path) -> list[str]:
    """`torchrun --nproc-per-node 2 -m sparsecodec_cli train ARGS`"""
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return [*start, "-m", "sparsecodec_cli", "train", *map(os.fspath, args)]


def test_two_processes_of_torchrun_train_as_one_with_both_their_batches(
    voices: Path, weights: dict[str, Path], tmp_path: Path
) -> None:
    shape = ("--data", voices, "--preset", "reference", "--from", weights["reference"], *FAST, "--sample-every", "0")
    both, steps = tmp_path / "both", ("--steps", "3", "--batch")
    goes_on = ("--resume", *FAST, "--sample-every", "0", both)
    for args, end in (((*shape, *steps, "1", "--max-steps", "2", both), "stopped at step 2"), (goes_on, "all 3 steps")):
        done = subprocess.run(torchrun(*args), env=ENV, capture_output=True, timeout=200)
        said = done.stderr.decode()
        assert done.returncode == 0 and done.stdout == b"", said
        assert said.count("2 processes, together 2 windows in each step") == said.count(end) == 1
    assert names_in(both) == ["checkpoint.pt", "log.jsonl", "weights.safetensors"]
    assert [line["step"] for line in lines_of(both)] == [2, 3]
    trained(*shape, *steps, "2", tmp_path / "one")
    begun, ours, theirs = (
        torch.cat([value.reshape(-1) for _, value in sorted(load_file(path).items()) if value.is_floating_point()])
        for path in (weights["reference"], both / "weights.safetensors", tmp_path / "one" / "weights.safetensors")
    )
    assert (theirs - begun).norm() > 0
    assert (ours - theirs).norm() < 0.01 * (theirs - begun).norm()


def test_a_signal_saves_the_run_of_two_processes(voices: Path, weights: dict[str, Path], tmp_path: Path) -> None:
    args = ("--data", voices, "--preset", "reference", "--from", weights["reference"], *FAST, "--sample-every", "0")
    with subprocess.Popen(
        torchrun(*args, "--steps", "100000", tmp_path / "run"),
        env=ENV,
        stderr=subprocess.PIPE,
        preexec_fn=default_signals,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("step 50/"):
                process.send_signal(signal.SIGTERM)
                break
        said = process.stderr.read()
        process.wait(100)
    assert said.count("go on with: sic train --resume") == 1, said
    assert load_run(tmp_path / "run")[0]["step"] >= 50
