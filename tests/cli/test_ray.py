"""`--ray`: files in work on a Ray cluster, here one of two processors, of which a worker is lost."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import fake_codec
import pytest
import soundfile
from cli_support import ENV, FAKE, assert_refused, names_in, sic, sic_process, started, write_sic, write_wav

ray = pytest.importorskip("ray", reason="the extra [ray] is not installed")
OBJECT_STORE_BYTES = 80 << 20


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a local cluster, whose workers have the codec of fake_codec.py."""
    hook = tmp_path_factory.mktemp("hook")
    (hook / "sitecustomize.py").write_text("import fake_codec\nfake_codec.install()\n")
    paths = os.pathsep.join([str(hook), os.path.dirname(FAKE), ENV["PYTHONPATH"]])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", paths)
        patch.setenv("FAKE_ONCE", str(hook / "once"))
        patch.setenv("FAKE_GATE", str(hook / "gate"))
        os.mkfifo(hook / "gate")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(
            "local",
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.CRITICAL,
            object_store_memory=OBJECT_STORE_BYTES,
        )
        try:
            yield ray.get_runtime_context().gcs_address
        finally:
            ray.shutdown()


def environment() -> dict[str, str]:
    """With what Ray has said there of how it lets programs in."""
    return ENV | {name: value for name, value in os.environ.items() if name.startswith("RAY_")}


def on_ray(cluster: str, *args: str | Path, **options: object) -> tuple[int, list[str]]:
    """Exit code and stderr of `sic ARGS --ray`."""
    done = sic_process(*args, "--ray", cluster, fake=True, timeout=200, env=environment(), **options)
    assert done.stdout == b""
    return done.returncode, done.stderr.decode().splitlines()


def test_files_in_a_folder(cluster: str, tmp_path: Path) -> None:
    (tmp_path / "songs" / "live").mkdir(parents=True)
    for name in ("a.wav", "live/b.wav"):
        write_wav(tmp_path / "songs" / name, 4000)
    once = write_wav(tmp_path / "songs" / "once.wav", fake_codec.DIES_ONCE)
    Path(os.environ["FAKE_ONCE"]).write_text("")
    (tmp_path / "songs" / "bad.wav").write_text("no audio")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.sic").write_bytes(b"of old")
    encode = ("encode", "-r", "songs", "--out-dir", "out", "--report-json", "r.json")
    code, lines = on_ray(cluster, *encode, cwd=tmp_path)
    assert code == 1
    assert lines[-1] == "sic: 2 of 4 files failed"
    assert "a.sic: exists already" in lines[-3] and "bad.wav: is not audio" in lines[-2]
    assert not Path(os.environ["FAKE_ONCE"]).exists()  # the worker was lost
    assert sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.sic")) == [
        "a.sic",
        "live/b.sic",
        "once.sic",
    ]
    here = sic_process("encode", once, tmp_path / "here.sic", fake=True)
    assert here.returncode == 0
    assert (tmp_path / "out" / "once.sic").read_bytes() == (tmp_path / "here.sic").read_bytes()
    told = json.loads((tmp_path / "r.json").read_text())
    rows = {row["input"]: row["status"] for row in told["files"]}
    assert rows == {
        "songs/a.wav": "failed",
        "songs/bad.wav": "failed",
        "songs/once.wav": "done",
        "songs/live/b.wav": "done",
    }
    code, lines = on_ray(cluster, *encode, "--skip-existing", "-q", cwd=tmp_path)
    assert "r.json: exists already" in lines[0]
    (tmp_path / "songs" / "bad.wav").unlink()
    code, lines = on_ray(cluster, *encode[:-2], "--skip-existing", cwd=tmp_path)
    assert (code, lines[-1]) == (0, "sic: 3 files, 2 were there already")
    code, lines = on_ray(cluster, "decode", "-r", "out", "--out-dir", "back", "--jobs", "1", cwd=tmp_path)
    assert (code, lines[-1]) == (0, "sic: 3 files")
    assert soundfile.info(tmp_path / "back" / "live" / "b.wav").frames == 4000


def test_a_file_that_loses_two_workers_fails_alone(cluster: str, tmp_path: Path) -> None:
    dies, good = write_wav(tmp_path / "dies.wav", fake_codec.DIES), write_wav(tmp_path / "good.wav", 4000)
    code, lines = on_ray(cluster, "encode", dies, good, "--out-dir", tmp_path / "out", "-q")
    assert (code, len(lines)) == (1, 2), "\n".join(lines)
    assert str(dies) in lines[0] and "lost twice" in lines[0]
    assert [name for name in names_in(tmp_path / "out") if not name.endswith(".part")] == ["good.sic"]


def test_an_interrupt_ends_the_run_and_leaves_no_output(cluster: str, tmp_path: Path) -> None:
    waits = write_wav(tmp_path / "waits.wav", fake_codec.WAITS)
    encode = ("encode", waits, "--out-dir", tmp_path / "out", "--ray", cluster)
    with started(*encode, fake=True, env=environment(), stderr=subprocess.PIPE) as process:
        Path(os.environ["FAKE_GATE"]).read_text()  # once the worker is at work
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert process.stderr.read().strip() == b"sic: interrupted"
        assert process.wait(60) == 130
    assert not (tmp_path / "out" / "waits.sic").exists()


def test_refusals(tmp_path: Path) -> None:
    talk = write_sic(tmp_path / "talk.sic")
    out = ("--out-dir", tmp_path / "out")
    assert_refused(sic("decode", *out, "--ray", talk), "talk.sic", "no address", exit_code=2)
    assert_refused(sic("decode", talk, "--ray"), "--ray", "--out-dir", exit_code=2)


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sparsecodec_cli.extras.find_spec", lambda name: None)
    talk = write_sic(tmp_path / "talk.sic")
    refused = sic("decode", talk, "--out-dir", tmp_path / "out", "--ray")
    assert_refused(refused, "--ray needs ray", "sparsecodec[ray]")
