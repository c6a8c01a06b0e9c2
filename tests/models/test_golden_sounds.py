"""What files of preset `speech` sound like: golden sounds, docs/sound.md and a decoder written from it agree."""

from __future__ import annotations

import hashlib
import json
import re
import runpy
from pathlib import Path
from typing import Any

import documented_decoder as documented
import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray
from safetensors.torch import load

from sparsecodec_formats import LAYOUTS, EventTable, Header, dumps, loads
from sparsecodec_models import codec_for
from sparsecodec_models.renderer import Renderer
from sparsecodec_models.speech.config import SpeechConfig
from sparsecodec_models.speech.network.decoder import SpeechDecoder
from sparsecodec_models.speech.renderer import SpeechRenderer

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "models" / "golden"
MAKER = runpy.run_path(str(GOLDEN / "make_golden_sounds.py"))
TABLES: dict[str, EventTable] = MAKER["tables"]()
WEIGHTS = documented.weights_by_hash()
NAMES = sorted(path.stem for path in GOLDEN.glob("*.sic"))
DOC = (ROOT / "docs" / "sound.md").read_text(encoding="utf-8")
TOLERANCE = 1e-4  # of full scale


def table_of(name: str) -> EventTable:
    return loads((GOLDEN / f"{name}.sic").read_bytes())


def sound_of(name: str) -> NDArray[np.float64]:
    """float64 [n, channels]."""
    samples, rate = soundfile.read(GOLDEN / f"{name}.flac", always_2d=True)
    assert rate == 22_050
    return samples


def rows(heading: str, columns: int) -> list[list[str]]:
    """Cells of the first table of so many columns after a heading of the page, without its head."""
    section = DOC.split(f"# {heading}\n", 1)[1]
    for block in re.findall(r"(?:^\|.*\n)+", section, re.M):
        lines = [[cell.strip().strip("`") for cell in line.strip("|\n").split("|")] for line in block.splitlines()]
        if len(lines[0]) == columns:
            return lines[2:]
    raise AssertionError(f"no table of {columns} columns under {heading}")


def agrees(text: str, value: float, slack: float = 0.0) -> bool:
    """Whether a value is a printed number, rounded to as many places."""
    places = len(text.partition(".")[2])
    return abs(float(text) - value) <= 0.51 * 10.0**-places + slack


@pytest.fixture(scope="module")
def example() -> documented.Controls:
    table = table_of("example")
    weights = documented.read_weights(WEIGHTS[table.header.weights_hash])
    return documented.controls(table.time, table.vector, table.amplitude, weights)


# the files


def test_every_golden_sound_has_its_files_its_maker_and_its_line_on_the_page() -> None:
    assert NAMES == sorted(path.stem for path in GOLDEN.glob("*.flac")) == sorted(TABLES)
    assert sorted(cells[0] for cells in rows("Golden sounds", 2)) == NAMES


def test_golden_sounds_are_small() -> None:
    assert sum(path.stat().st_size for path in GOLDEN.iterdir() if path.is_file()) < 1_000_000


@pytest.mark.parametrize("name", NAMES)
def test_files_hold_what_their_maker_makes(name: str) -> None:
    assert table_of(name) == loads(dumps(TABLES[name]))


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"empty"}))
def test_golden_sounds_are_heard_and_not_clipped(name: str) -> None:
    peaks = np.abs(sound_of(name)).max(0)
    assert (peaks > 1000 * TOLERANCE).all() and (peaks < 0.99).all()


# the decoders


def renderer_of(header: Header, library: str) -> Renderer:
    """Ours, as it decodes on the CPU (numpy), and as it does on other devices."""
    ours = codec_for(header)
    if library == "numpy":
        return ours
    data = WEIGHTS[header.weights_hash]
    decoder = SpeechDecoder(SpeechConfig.of_fields(config_in(data))).requires_grad_(False)
    of_decoder = {name: tensor for name, tensor in load(data).items() if name.startswith("decoder.")}
    decoder.load_state_dict({name.removeprefix("decoder."): tensor for name, tensor in of_decoder.items()})
    return SpeechRenderer(decoder.tables, ours.counts, weights_hash=header.weights_hash)


def config_in(weights: bytes) -> dict[str, Any]:
    about = json.loads(weights[8 : 8 + int.from_bytes(weights[:8], "little")])
    config: dict[str, Any] = json.loads(about["__metadata__"]["sparsecodec"])["config"]
    return config


@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize("name", NAMES)
def test_our_decoder_gives_the_golden_sound(name: str, library: str) -> None:
    table, golden = table_of(name), sound_of(name)
    ours = np.concatenate(list(renderer_of(table.header, library).decode(table)))
    assert ours.shape == golden.shape
    assert np.abs(ours - golden).max() < TOLERANCE


@pytest.mark.parametrize("name", NAMES)
def test_the_documented_decoder_gives_the_golden_sound(name: str) -> None:
    table, golden = table_of(name), sound_of(name)
    theirs = documented.decode(table, documented.read_weights(WEIGHTS[table.header.weights_hash]))
    assert theirs.shape == golden.shape
    assert np.abs(theirs - golden).max() < TOLERANCE


# what the page states


def test_the_pages_constants_are_those_of_its_decoder() -> None:
    known = {
        "rate": documented.RATE,
        "hop": documented.HOP,
        "size": documented.SIZE,
        "bins": documented.BINS,
        "bin_hz": documented.BIN_HZ,
        "top_hz": documented.TOP_HZ,
        "turn": documented.TURN,
        "longest_link_s": documented.LONGEST_LINK_S,
        "reach_s": documented.REACH_S,
        "mark": documented.MARK,
        "least_age": documented.LEAST_AGE,
        "voiced_from": documented.VOICED_FROM,
        "spread": documented.SPREAD,
        "room_off_db": documented.ROOM_OFF_DB,
        "room_samples": documented.ROOM_LENGTH,
        "room_silent": documented.ROOM_GAP,
        "room_seed": documented.ROOM_SEED,
    }
    assert {name: float(value) for name, value, _ in rows("Numbers", 3)} == known


@pytest.mark.parametrize("name", ["example", "contrast"])
def test_the_page_tells_what_a_weights_file_holds(name: str) -> None:
    data = WEIGHTS[table_of(name).header.weights_hash]
    about, config = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")]), config_in(data)
    stated = {name: float(value) for name, value in rows("Config", 2)}
    assert len(stated) == 8
    assert stated == {name: config[name] for name in stated}
    for tensor, kind, shape, _ in rows("Weights file", 4):
        assert (about[tensor]["dtype"], str(about[tensor]["shape"])) == (kind, shape)


def test_the_page_names_all_decoders_that_were_kept() -> None:
    section = DOC.split("# Weights file\n", 1)[1].split("#", 1)[0]
    assert set(re.findall(r"`([0-9a-f]{8})`", section)) == {
        of.hex() for of, data in WEIGHTS.items() if hashlib.sha256(data).digest()[:4] != of
    }


def test_the_pages_controls_are_the_layouts() -> None:
    stated = rows("Controls", 7)
    assert len(stated) == 8
    for index, name, _, scale, offset, _, _ in stated:
        dim = LAYOUTS["speech"].dims[name]
        assert dim.index == int(index)
        assert agrees(scale, dim.scale) and agrees(offset, dim.offset)


def test_controls_end_where_the_page_says(codec: Any) -> None:
    vectors = torch.zeros(2, 32)
    vectors[0, :8], vectors[1, :8] = -1e4, 1e4
    controls = codec.model.decoder.controls(vectors)
    semitones = 12 * np.log2(controls.f0_hz.numpy() / 110)
    found = {
        "level_db": controls.level_db.tolist(),
        "attack_log2_s": controls.attack_s.log2().tolist(),
        "decay_log2_s": controls.decay_s.log2().tolist(),
        "f0_semitones": semitones.tolist(),
        "glide_semitones": controls.glide_semitones.tolist(),
        "room_db": [None, 20 * float(torch.log10(controls.room_gain[1] + 10 ** (-54 / 20)))],
    }
    stated = {name: (least, most) for _, name, _, _, _, least, most in rows("Controls", 7) if least or most}
    assert stated.keys() == found.keys()
    for name, (least, most) in stated.items():
        for text, value in zip((least, most), found[name], strict=True):
            assert value is None if not text else value == pytest.approx(float(text), abs=1e-4)
    assert controls.room_gain[0] == 0


# its worked example


def test_the_examples_events_are_the_golden_ones() -> None:
    table = table_of("example")
    stated = rows("Worked example", 11)
    assert len(stated) == len(table) == 2
    vector = np.zeros((2, 32))
    for event, sample, *values in stated:
        assert round(table.time[int(event)] * 22_050) == int(sample)
        vector[int(event), [0, 1, 2, 3, 4, 5, 6, 11, 13]] = [float(value) for value in values]
    assert np.array_equal(table.vector, vector)


def test_the_examples_hash_and_noise() -> None:
    hashes = rows("Hash and noise", 2)
    asked = np.array([int(x, 16) for x, _ in hashes], np.uint64)
    assert [f"{int(x):08x}" for x in documented.mix(asked)] == [told for _, told in hashes]
    for seed, channel, place, told in rows("Hash and noise", 4):
        texts = told.split(", ")
        drawn = documented.noise(int(seed), int(channel), int(place), len(texts))
        assert all(agrees(text, value) for text, value in zip(texts, drawn, strict=True))


def test_the_examples_controls(codec: Any) -> None:
    controls = codec.model.decoder.controls(torch.tensor(table_of("example").vector))
    for cells in rows("Controls", 10):
        event = int(cells[0])
        found = [
            controls.level_db[event],
            controls.attack_s[event],
            controls.decay_s[event],
            controls.f0_hz[event],
            controls.glide_semitones[event],
            controls.phase_cycles[event],
            controls.room_gain[event],
            controls.voicing[event].mean(),
        ]
        assert all(agrees(text, float(value), 1e-5) for text, value in zip(cells[1:9], found, strict=True))
        bands = controls.shape_db[event, [0, 1, 2, 31]].tolist()
        assert all(agrees(text, value, 1e-4) for text, value in zip(cells[9].split(", "), bands, strict=True))


def test_the_examples_frames(example: documented.Controls) -> None:
    assert documented.voices(example) == [[0, 1]]
    frames = documented.frames(example, [0, 1])
    stated = rows("Frames", 7)
    assert [frame.number for frame in frames] == [int(cells[0]) for cells in stated]
    for frame, (_, before, after, weight_before, weight_after, f0, turns) in zip(frames, stated, strict=True):
        assert [before, after] == ["" if row is None else str(row) for row in (frame.before, frame.after)]
        assert agrees(weight_before or "0", frame.weight_before, 1e-6)
        assert agrees(weight_after or "0", frame.weight_after, 1e-6)
        assert agrees(f0, frame.f0, 1e-4)
        assert abs((int(turns, 16) - frame.turns + 2**31) % 2**32 - 2**31) < 2**32 * 1e-6


def test_the_examples_bins(example: documented.Controls) -> None:
    frame = documented.frames(example, [0, 1])[2]
    assert frame.number == 4
    drawn = documented.noise(0, 0, 4 * 128 - 256, 512) * documented.ANALYSIS
    noise = np.fft.rfft(np.fft.ifftshift(drawn)) * 16
    harmonics = documented.harmonics(frame.f0, frame.turns, example.harmonic[0])
    for bin_, harmonic, hiss, told_noise, told_harmonics in rows("Bins", 5):
        b = int(bin_)
        assert agrees(harmonic, example.harmonic[0, b]) and agrees(hiss, example.noise[0, b])
        for told, value in ((told_noise, noise[b]), (told_harmonics, harmonics[b])):
            assert abs(complex(re.sub(r"[ *]", "", told)) - value) < 2e-4


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_the_examples_samples(library: str) -> None:
    table = table_of("example")
    ours = np.concatenate(list(renderer_of(table.header, library).decode(table)))[:, 0]
    for sample, value in rows("Samples", 2):
        assert agrees(value, ours[int(sample)], 1e-6)
    heard = np.flatnonzero(np.abs(ours) > 1e-9)
    first, last = re.search(r"Samples up to (\d+) and from (\d+) on are 0", DOC).groups()  # type: ignore[union-attr]
    assert (heard[0], heard[-1]) == (int(first) + 1, int(last) - 1)
