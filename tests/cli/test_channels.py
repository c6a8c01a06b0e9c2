"""Channels that are alike, from recordings to everything that shows, edits or plays them."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile
from cli_support import ok, read_sic

import sparsecodec_cli
from sparsecodec_cli import models
from sparsecodec_cli.report.parts import Span, measure
from sparsecodec_formats import EventTable, dumps

DATA = Path(__file__).parents[1] / "data"
CLIP = DATA / "only-person-en.flac"


@pytest.fixture(scope="module")
def inverted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Speech, nothing and the same speech inverted at half its level, as WAV of 16 bits and encoded."""
    folder = tmp_path_factory.mktemp("channels")
    audio, rate = soundfile.read(CLIP, dtype="float32", frames=24_000)
    soundfile.write(folder / "in.wav", np.stack([audio, 0 * audio, -0.5 * audio], 1), rate, subtype="PCM_16")
    ok("encode", folder / "in.wav", folder / "in.sic", "--effort", "0", "--model", "speech")
    return folder / "in.wav", folder / "in.sic"


def test_the_same_channel_twice_costs_no_more_and_comes_back_the_same(tmp_path: Path) -> None:
    audio, rate = soundfile.read(CLIP, dtype="int16")
    soundfile.write(tmp_path / "mono.wav", audio, rate)
    soundfile.write(tmp_path / "twice.wav", np.stack([audio, audio], 1), rate)
    for name in ("mono", "twice"):
        ok("encode", tmp_path / f"{name}.wav", "--effort", "0")
        ok("decode", tmp_path / f"{name}.sic", tmp_path / f"{name}-out.wav")
    sizes = [(tmp_path / f"{name}.sic").stat().st_size for name in ("mono", "twice")]
    assert sizes[1] == sizes[0] + 4
    mono = soundfile.read(tmp_path / "mono-out.wav", dtype="int16")[0]
    twice = soundfile.read(tmp_path / "twice-out.wav", dtype="int16")[0]
    assert mono.any() and np.array_equal(twice, np.stack([mono, mono], 1))


def test_inspect_says_how_many_streams_there_are(inverted: tuple[Path, Path]) -> None:
    _, path = inverted
    assert b"3 channels from 1 stream, 24000 samples" in ok("inspect", path)
    assert b"channel" not in ok("inspect", path, "--events").splitlines()[0]
    header = json.loads(ok("inspect", path, "--json"))["header"]
    assert header["channels"] == 3 and header["gains"][0] == [1] and header["gains"][1] == [0]
    assert header["gains"][2][0] == pytest.approx(-0.5, rel=1e-3)


def test_channels_of_their_own_are_not_said_to_be_streams(tmp_path: Path) -> None:
    audio, rate = soundfile.read(CLIP, dtype="float32", frames=16_000)
    soundfile.write(tmp_path / "in.wav", np.stack([audio, audio[::-1]], 1), rate)
    ok("encode", tmp_path / "in.wav", "--effort", "0", "--model", "speech")
    assert b"stereo, 16000 samples" in ok("inspect", tmp_path / "in.sic")
    assert json.loads(ok("inspect", tmp_path / "in.sic", "--json"))["header"]["gains"] is None


def test_inspect_says_that_streams_are_more_than_channels(tmp_path: Path) -> None:
    table = read_sic(CLIP.with_suffix(".sic"))
    header = replace(table.header, gains=((1.0, -1.0),), noise=(5, 5))
    (tmp_path / "in.sic").write_bytes(dumps(table.replace(header=header, channel=np.arange(len(table)) % 2)))
    said = ok("inspect", tmp_path / "in.sic")
    assert b"mono from 2 streams" in said and b"channel" not in said
    header = json.loads(ok("inspect", tmp_path / "in.sic", "--json"))["header"]
    assert (header["channels"], header["gains"], header["noise"]) == (1, [[1, -1]], [5, 5])


def test_stems_of_a_stream_are_in_all_its_channels(inverted: tuple[Path, Path], tmp_path: Path) -> None:
    _, path = inverted
    ok("stems", path, tmp_path / "stems")
    whole, _ = sparsecodec_cli.decode(read_sic(path))
    total = np.zeros_like(whole)
    lines = (tmp_path / "stems" / "stems.csv").read_text().splitlines()[1:]
    assert len(lines) > 10
    for line in lines:
        name, start, n_samples = line.split(",")[:3]
        stem = soundfile.read(tmp_path / "stems" / name, dtype="float32")[0]
        assert stem.shape == (int(n_samples), 3)
        total[int(start) : int(start) + len(stem)] += stem
    assert np.abs(total - whole).max() < 1e-5
    assert np.array_equal(whole[:, 1], 0 * whole[:, 1]) and np.abs(whole[:, 2]).max() > 0.01


def test_edits_keep_channels_alike(inverted: tuple[Path, Path], tmp_path: Path) -> None:
    _, path = inverted
    out = tmp_path / "out.sic"
    ok("transform", path, out, "--transpose", "3", "--stretch", "1.5")
    ok("randomize", out, tmp_path / "drawn.sic", "--vectors")
    for table in map(read_sic, (out, tmp_path / "drawn.sic")):
        audio, _ = sparsecodec_cli.decode(table)
        assert table.header.gains == read_sic(path).header.gains
        assert audio.any() and np.array_equal(audio[:, 2], audio[:, 0] * np.float32(table.header.gains[2][0]))


def test_midi_has_a_track_for_each_stream(inverted: tuple[Path, Path], tmp_path: Path) -> None:
    _, path = inverted
    song = mido.MidiFile(file=io.BytesIO(ok("export", path, "-")))
    assert len(song.tracks) == 2


@pytest.mark.parametrize("from_recording", [True, False])
def test_a_page_takes_as_much_energy_out_as_of_mono(from_recording: bool, inverted: tuple[Path, Path]) -> None:
    table = read_sic(inverted[1])
    mono = table.replace(header=table.header.of_streams())
    audio = soundfile.read(inverted[0], dtype="float32")[0] if from_recording else None
    of_three = energy_removed(table, audio)
    of_one = energy_removed(mono, None if audio is None else audio[:, :1])
    np.testing.assert_allclose(of_three, of_one, atol=1e-3)
    assert of_three.sum() > 0.3


def energy_removed(table: EventTable, original: np.ndarray | None) -> np.ndarray:
    codec = models.codec_for(table)
    return measure(codec, table, Span(0, table.header.n_samples), original, seed=0).energy_removed
