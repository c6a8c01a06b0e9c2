"""A file whose weights are not shipped: found by their hash in the folders of SIC_MODELS or beside the file."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import soundfile
from cli_support import assert_refused, ok, read_sic, sic, write_sic
from note_tables import little_song
from reference_small import sounding, table_of

from sparsecodec_cli import api, decode
from sparsecodec_cli.io import weights_files
from sparsecodec_formats import Header
from sparsecodec_models.errors import OtherWeights
from sparsecodec_models.reference.codec import ReferenceCodec
from sparsecodec_models.weights import hash_of

ROOT = Path(__file__).parents[2]
SENTENCE = ROOT / "tests" / "data" / "only-person-en.sic"


@dataclass(frozen=True)
class Tune:
    """A .sic file in a folder of its own, and the weights that it needs, which are in no file yet."""

    path: Path
    weights: bytes
    hash: str


@pytest.fixture
def tune(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tune:
    monkeypatch.delenv(weights_files.FOLDERS, raising=False)
    codec = ReferenceCodec(sounding(0))
    (tmp_path / "music").mkdir()
    path = write_sic(tmp_path / "music" / "tune.sic", table_of(codec, [0.0, 0.5], 22050))
    return Tune(path, codec.model.to_bytes(), codec.weights_hash.hex())


def with_folders(monkeypatch: pytest.MonkeyPatch, *folders: Path) -> None:
    for folder in folders:
        folder.mkdir(exist_ok=True)
    monkeypatch.setenv(weights_files.FOLDERS, os.pathsep.join(map(str, folders)))


@pytest.mark.parametrize("place", ["SIC_MODELS", "beside"])
@pytest.mark.parametrize("command", ["decode", "stems", "test"])
def test_weights_are_found(
    command: str, place: str, tune: Tune, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tune.path.parent
    if place == "SIC_MODELS":
        folder = tmp_path / "models"
        with_folders(monkeypatch, tmp_path / "empty", tmp_path / "gone", folder)
        (tmp_path / "gone").rmdir()
    (folder / "another.safetensors").write_bytes(tune.weights + b" ")
    (folder / "mine.safetensors").write_bytes(tune.weights)
    if command == "test":
        assert ok("test", "--decode", tune.path) == f"{tune.path}: ok\n".encode()
        return
    ok(command, tune.path, tmp_path / "out.wav")
    if command == "decode":
        assert soundfile.info(tmp_path / "out.wav").frames == 22050


def test_weights_beside_the_file_that_a_link_names(tune: Tune, tmp_path: Path) -> None:
    (tune.path.parent / "mine.safetensors").write_bytes(tune.weights)
    link = tmp_path / "link.sic"
    link.symlink_to(tune.path)
    ok("decode", link, tmp_path / "out.wav")


@pytest.mark.parametrize("command", [["decode"], ["test", "--decode"]])
def test_weights_that_are_nowhere_are_named_with_where_they_were_looked_for(
    command: list[str], tune: Tune, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_folders(monkeypatch, tmp_path / "one", tmp_path / "two\nlines")
    (tmp_path / "one" / "another.safetensors").write_bytes(b"another")
    (tmp_path / "one" / "mine.bin").write_bytes(tune.weights)
    os.mkfifo(tmp_path / "one" / "pipe.safetensors")
    result = sic(*command, tune.path)
    assert result.exit_code == 1
    line = result.stdout if command[0] == "test" else result.stderr
    places = f"looked for *.safetensors in {tmp_path}/one, {tmp_path}/two lines (SIC_MODELS) and beside the file"
    assert line.count("\n") == 1 and f"tune.sic: needs weights {tune.hash} of 'reference'" in line and places in line


def test_a_pipe_has_nothing_beside_it(tune: Tune, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tune.path.parent)
    (tune.path.parent / "mine.safetensors").write_bytes(tune.weights)
    result = sic("decode", "-", tmp_path / "out.wav", stdin=tune.path.read_bytes())
    assert_refused(result, "stdin: needs weights", "looked for *.safetensors in SIC_MODELS, which names no folder;")
    with_folders(monkeypatch, tune.path.parent)
    ok("decode", "-", tmp_path / "out.wav", stdin=tune.path.read_bytes())


def test_weights_that_are_named_are_not_looked_for(tune: Tune, tmp_path: Path) -> None:
    (tune.path.parent / "mine.safetensors").write_bytes(tune.weights)
    assert_refused(sic("decode", tune.path, tmp_path / "out.wav", "--model", "speech"), "needs 'reference'", tune.hash)


def test_python_finds_them_too(tune: Tune, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open(tune.path, "rb") as file:
        table = api.read(file)
    with pytest.raises(OtherWeights, match=f"{tune.hash}.*SIC_MODELS, which names no folder"):
        decode(table)
    with_folders(monkeypatch, tmp_path / "models")
    (tmp_path / "models" / "mine.safetensors").write_bytes(tune.weights)
    audio, sample_rate = decode(table)
    assert audio.shape == (22050, 1) and sample_rate == 22050


@pytest.mark.parametrize("hostile", [b"", b"\xff" * 64, b"\x08\0\0\0\0\0\0\0[[[[[[[[", b"\x02\0\0\0\0\0\0\0{}"])
def test_hostile_weights_of_the_right_hash_are_refused(
    hostile: bytes, tune: Tune, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tune.path.parent / "mine.safetensors").write_bytes(hostile)
    needed = bytes.fromhex(tune.hash)
    monkeypatch.setattr("sparsecodec_models.weights.hash_of_file", lambda file: needed)  # as if it were forged
    assert_refused(sic("decode", tune.path, tmp_path / "out.wav"), "mine.safetensors: these ", "weights")
    assert not (tmp_path / "out.wav").exists()


def same_weights_of_another_hash(header: Header) -> bytes:
    """The decoder of a file of `speech` whose weights were shipped once, with more spaces after its JSON."""
    name = f"speech-{header.weights_hash.hex()}.safetensors"
    data = (ROOT / "models" / "sparsecodec_models" / "weights" / name).read_bytes()
    n = int.from_bytes(data[:8], "little")
    return (n + 8).to_bytes(8, "little") + data[8 : 8 + n] + b" " * 8 + data[8 + n :]


@pytest.mark.parametrize(
    "args",
    [
        ["inspect", "talk.sic", "--segments"],
        ["inspect", "talk.sic", "--segments", "--json"],
        ["inspect", "talk.sic", "--events", "--select", "segment == 3"],
        ["export", "talk.sic", "OUT.txt"],
        ["export", "talk.sic", "OUT.mid"],
        ["similar", "talk.sic", "--to", "3", "--by", "segment"],
        ["similar", "other.sic", "talk.sic", "--to", "3", "--by", "segment"],
        ["morph", "other.sic", "talk.sic", "OUT.sic", "--amount", "0.5"],
        ["replace", "talk.sic", "other.sic", "OUT.sic"],
        ["import", "tune.mid", "OUT.sic", "--instrument", "talk.sic"],
        ["transform", "talk.sic", "OUT.sic", "--select", "10 <= index < 20", "--take"],
    ],
    ids=lambda args: " ".join(args[:2] + args[2:3]),
)
def test_all_that_weights_tell_is_known_where_they_lie_beside_the_file(
    args: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(weights_files.FOLDERS, raising=False)
    sentence = read_sic(SENTENCE)
    weights = same_weights_of_another_hash(sentence.header)
    other = sentence.transpose(3.0, timbre="fixed").replace(header=sentence.header)

    def outcome(folder: str, weights_hash: bytes, beside: bytes | None) -> object:
        (tmp_path / folder).mkdir()
        monkeypatch.chdir(tmp_path / folder)
        api.export(little_song(), tmp_path / folder / "tune.mid")
        table = sentence.replace(header=replace(sentence.header, weights_hash=weights_hash))
        write_sic(tmp_path / folder / "talk.sic", table)
        write_sic(tmp_path / folder / "other.sic", other.replace(header=table.header))
        if beside is not None:
            (tmp_path / folder / "mine.safetensors").write_bytes(beside)
        result = sic(*args)
        written = next((tmp_path / folder / arg for arg in args if arg.startswith("OUT")), None)
        if result.exit_code != 0 or written is None:
            return result.exit_code, result.stdout.replace(weights_hash.hex(), "")
        if written.suffix != ".sic":
            return written.read_bytes()
        made = read_sic(written)
        return made.time.tolist(), made.vector.tolist(), made.channel.tolist(), made.amplitude.tolist()

    expected = outcome("shipped", sentence.header.weights_hash, None)
    assert outcome("beside", hash_of(weights), weights) == expected
    assert outcome("nowhere", hash_of(weights), None) != expected
