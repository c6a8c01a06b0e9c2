"""Codec 1: blocks whose numbers are range coded with statistics."""

from __future__ import annotations

import io
import zlib
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import documented_reader
import numpy as np
import pytest
from format_strategies import make_header, quick, tables
from hypothesis import given
from hypothesis import strategies as st
from shape_support import plain_shape_map

from sparsecodec_formats import (
    LAYOUTS,
    EventTable,
    FormatError,
    Header,
    Reader,
    SicError,
    dequantise,
    dumps,
    edit,
    loads,
    nearest_step,
    quantise,
    sizes,
    spending,
    verify,
)
from sparsecodec_formats.blocks import statistics
from sparsecodec_formats.blocks.block import Past, groups
from sparsecodec_formats.blocks.range_codec import CHECK_BYTES, CODEC, part_bits
from sparsecodec_formats.blocks.statistics import GapRule
from sparsecodec_formats.blocks.vector_grid import Grid, code_filling
from sparsecodec_formats.container.framing import Head, pack_end, pack_head
from sparsecodec_formats.container.header_bytes import pack_header
from sparsecodec_formats.steps import code_of_step, step_of_code

DIMS = LAYOUTS["speech"].dims
SPEECH = statistics.load(1)
MUSIC = statistics.load(2)
ATTACK = GapRule(Fraction(3, 50), Fraction(3, 4))  # 0.06 s · 2**(0.75 · value)


def talk(n: int = 60, step: float = 1.5, seed: int = 0, **header: Any) -> EventTable:
    """Events that go on as those of speech do, on the grid."""
    rng = np.random.default_rng(seed)
    gap = 4 * rng.integers(2, 7, n)
    vector = np.zeros((n, 32))
    vector[:, 8:] = rng.normal(0, 1, (n, 24)).cumsum(0) * 0.5
    vector[:, 0] = 5 + rng.normal(0, 2, n)
    vector[:, 3] = np.repeat(rng.normal(10, 2, n // 5 + 1), 5)[:n]
    vector[:, 6] = rng.random(n) < 0.1
    grid = Grid(code_of_step(nearest_step(step)))
    unit = Fraction(64, 22_050)
    vector[:, 1] = [code_filling(int(g), unit, grid, ATTACK) * nearest_step(step) for g in gap]
    head = make_header(step=(nearest_step(step),) * 32, **header)
    time = np.cumsum(gap) * float(unit)
    return dequantise(head, quantise(EventTable(head, time, vector)))


def raw_of(table: EventTable) -> Any:
    (raw,) = Reader(io.BytesIO(dumps(table))).raw_blocks()
    return raw


def file_of(data: bytes, n_events: int, header: Header, check: bytes | None = None) -> bytes:
    """A file of one block of codec 1 with this range-coded data."""
    payload = (zlib.crc32(data).to_bytes(4, "little")[:CHECK_BYTES] if check is None else check) + data
    head = Head(CODEC, 0, n_events, 0, 0, len(payload))
    whole = pack_header(header) + pack_head(head, header) + payload
    return whole + pack_end(zlib.crc32(whole))


# Refusals


def test_every_flipped_byte_and_every_truncation_is_noticed() -> None:
    table = talk(8)
    data = dumps(table)
    for i in range(len(data)):
        for damaged in (data[:i], data[:i] + bytes([data[i] ^ 0x10]) + data[i + 1 :]):
            with pytest.raises(FormatError) as caught:
                loads(damaged)
            assert "\n" not in str(caught.value) and verify(io.BytesIO(damaged))


@given(st.binary(max_size=120), st.integers(1, 12), st.integers(0, 255))
@quick
def test_any_numbers_that_pass_the_check_are_events_or_refused(data: bytes, n: int, step: int) -> None:
    header = make_header(step=(step_of_code(step),) * 32)
    file = file_of(data, n, header)
    try:
        table = loads(file)
    except FormatError as error:
        assert "\n" not in str(error) and verify(io.BytesIO(file))
        return
    assert len(table) == n and np.isfinite(table.vector).all()
    assert loads(dumps(table)) == table


@given(st.data())
@quick
def test_damage_that_passes_the_check_is_events_or_refused(data: st.DataObject) -> None:
    table = talk(12, step=data.draw(st.sampled_from([0.05, 0.4, 1.5, 9.0])))
    coded = bytearray(raw_of(table).payload[CHECK_BYTES:])
    for _ in range(data.draw(st.integers(1, 3))):
        coded[data.draw(st.integers(0, len(coded) - 1))] ^= data.draw(st.integers(1, 255))
    file = file_of(bytes(coded), len(table), table.header)
    try:
        assert len(loads(file)) == len(table)
    except FormatError as error:
        assert "\n" not in str(error)


def test_what_is_wrong_is_said() -> None:
    table = talk(8)
    coded = raw_of(table).payload[CHECK_BYTES:]
    assert len(loads(file_of(coded, 8, table.header))) == 8
    for file, says in (
        (file_of(coded, 8, table.header, b"??"), "check"),
        (file_of(b"", 8, table.header, b"?"), "check"),
        (file_of(b"", 2**16, table.header), "65536 events cannot be in 2 bytes"),
        (file_of(coded, 8, replace(table.header, statistics=0)), "needs statistics, and the header names none"),
        (file_of(coded, 8, replace(table.header, statistics=9)), "number 9 are not known.* a newer one is needed"),
    ):
        with pytest.raises(FormatError, match=says):
            loads(file)


# Known answers


def test_files_with_statistics_are_range_coded_and_others_are_not() -> None:
    table = talk()
    assert raw_of(table).head.codec == 1
    other = table.replace(header=replace(table.header, statistics=0))
    assert raw_of(other).head.codec == 0 and loads(dumps(other)) == other


def test_statistics_code_events_of_any_preset() -> None:
    table = talk()
    other = table.replace(header=replace(table.header, model="music-9"))
    assert raw_of(other).head.codec == 1 and raw_of(other).payload == raw_of(table).payload
    assert loads(dumps(other)) == other


def test_a_file_of_unknown_statistics_tells_its_header_and_what_is_missing() -> None:
    table = talk(8)
    header = replace(table.header, statistics=9)
    file = file_of(raw_of(table).payload[CHECK_BYTES:], 8, header)
    reader = Reader(io.BytesIO(file))
    assert reader.header == header
    assert list(reader.blocks(damaged="skip")) == []
    assert len(reader.problems) == 1 and "statistics number 9" in reader.problems[0]
    assert verify(io.BytesIO(file)) == reader.problems
    assert dumps(EventTable.empty(header))
    with pytest.raises(SicError, match="statistics number 9"):
        dumps(table.replace(header=header))


def test_blocks_without_statistics_are_read_whatever_the_header_names() -> None:
    table = talk(8)
    raw = raw_of(table.replace(header=replace(table.header, statistics=0)))
    header = replace(table.header, statistics=9)
    data = pack_header(header) + pack_head(raw.head, header) + raw.payload
    assert loads(data + pack_end(zlib.crc32(data))) == table.replace(header=header)


def test_numbers_as_no_speech_has_are_left_to_the_other_codec() -> None:
    rng = np.random.default_rng(0)
    header = make_header(step=(step_of_code(255),) * 32)
    codes = rng.integers(-(2**20), 2**20, (5, 32))
    table = dequantise(header, quantise(EventTable(header, rng.random(5).cumsum(), codes * header.step[0])))
    assert raw_of(table).head.codec == 0 and loads(dumps(table)) == table


def test_silence_told_a_thousand_times_is_left_to_the_other_codec_too() -> None:
    table = EventTable(make_header(step=(step_of_code(255),) * 32), np.zeros(3000), np.zeros((3000, 32)))
    assert loads(dumps(table)) == table
    assert raw_of(table).head.codec == 0 or len(raw_of(table).payload) * 64 >= 3000


@pytest.mark.parametrize("step", [0.2, 0.6, 1.5, 3.0])
def test_a_clip_takes_what_its_numbers_demand(step: float) -> None:
    table = talk(80, step)
    raw = raw_of(table)
    ideal = sum(part_bits(quantise(table), table.header, SPEECH).values()) / 8
    assert ideal < len(raw.payload) <= ideal + CHECK_BYTES + 1.01


def test_what_is_not_heard_costs_next_to_nothing() -> None:
    bits = part_bits(quantise(talk(80)), talk(80).header, SPEECH)
    unheard = ("attack_log2_s", "decay_log2_s", "glide_semitones", "phase_cycles", "room_db")
    assert sum(bits[name] for name in unheard) / 80 < 2
    assert bits["amplitude"] < 1


def test_attacks_that_fill_a_gap_are_at_least_as_long() -> None:
    unit = Fraction(64, 22_050)
    for code in range(100, 146):
        step, grid = step_of_code(code), Grid(code)
        for gap in (0, 1, 4, 8, 12, 20, 137, 10_000):
            octaves = np.log2(max(gap * float(unit), 1e-9) / 0.06)
            assert code_filling(gap, unit, grid, ATTACK) == max(0, np.ceil(octaves / 0.75 / step - 1e-3))


def test_amplitudes_cost_only_where_there_are_any() -> None:
    table = talk()
    louder = edit.gain(table, 3)
    assert sizes(io.BytesIO(dumps(table)))["amplitude"] == 0
    assert 0 < sizes(io.BytesIO(dumps(louder)))["amplitude"] <= 8
    assert loads(dumps(louder)) == dequantise(louder.header, quantise(louder))


@pytest.mark.parametrize("number", statistics.numbers())
def test_statistics_tell_of_every_dim(number: int) -> None:
    known = statistics.load(number)
    assert len(set(known.names)) == len(known.names) == 32
    assert sorted([*known.order, known.begins_dim]) == list(range(32))
    assert sorted(known.dims) == sorted(known.order)
    done = set()
    for dim in known.order:
        of, n_kinds = known.dims[dim], known.n_kinds(dim)
        n_contexts = {"begins": 2, "ends": 2, "kind": n_kinds}
        for numbers in (of.mean, of.last, of.before, of.average, of.scale, *of.kinds):
            assert len(numbers) == n_kinds
        assert len(of.kinds) == 2 and set(of.kinds[0] + of.kinds[1]) <= set(range(n_kinds))
        earlier = {other for other, _ in of.change}
        if of.spike:
            assert [len(row) for row in of.spike.logits] == [n_contexts[of.spike.context]] * 2
            earlier |= {other for other, _ in of.spike.telling}
        assert earlier <= done  # what is decoded before
        done.add(dim)


def test_the_statistics_of_speech_are_those_of_its_layout() -> None:
    assert LAYOUTS["speech"].statistics == 1 and list(SPEECH.names) == list(DIMS)
    attack = SPEECH.dims[DIMS["attack_log2_s"].index].spike
    assert attack is not None and attack.code == ATTACK
    assert float(ATTACK.octaves) == DIMS["attack_log2_s"].scale
    assert np.log2(float(ATTACK.seconds)) == pytest.approx(DIMS["attack_log2_s"].offset)


def test_the_statistics_of_music_are_those_of_its_layout() -> None:
    assert LAYOUTS["music"].statistics == 2 and list(MUSIC.names) == list(LAYOUTS["music"].dims)
    assert MUSIC.nearest is not None
    told = {MUSIC.names[dim] for dim in MUSIC.told_by_nearest}
    assert told == set(LAYOUTS["music"].dims) - {"begins", "kind", "f0_semitones"}


def test_the_nearest_event_is_the_latest_of_the_closest_that_are_alike() -> None:
    alike = groups(np.array([1, 0, 2, 1, 1, 0.5, -1, -0.6]), 0.5)
    assert alike.tolist() == [1, 0, 1, 1, 1, 0, 2, 2]
    near = np.array([100, 100, 300, 100, 110, 900, 100, 121])
    past = Past.by_nearest(alike, near, (20, 250))
    assert past.first.tolist() == [-1, -1, 0, 0, 3, 1, -1, 6]
    assert past.second.tolist() == [-1, -1, 0, 2, 3, 1, -1, 6]
    assert past.kind.tolist() == [4, 0, 6, 5, 5, 3, 8, 10]


def test_a_note_that_was_heard_before_costs_less_though_others_came_between() -> None:
    header, dims = make_header(model="music", statistics=2), LAYOUTS["music"].dims
    rng = np.random.default_rng(1)
    kept = rng.normal(0, 3, (4, 32))
    vector = kept[np.arange(40) % 4]
    vector[:, dims["kind"].index] = vector[:, dims["begins"].index] = 1
    vector[:, dims["f0_semitones"].index] = np.array([50, 90, 130, 170])[np.arange(40) % 4]
    time = np.arange(40) * 0.1
    table = EventTable(header, time, vector)
    bits = part_bits(quantise(table), header, MUSIC)
    in_time = replace(MUSIC, nearest=None)
    other = part_bits(quantise(table), header, in_time)
    shapes = [name for name in dims if name.startswith("shape_")]
    assert sum(bits[name] for name in shapes) < 0.7 * sum(other[name] for name in shapes)


def test_unknown_statistics_are_refused() -> None:
    with pytest.raises(FormatError, match="number 9 are not known"):
        statistics.load(9)


# Round trips


coded_presets = pytest.mark.parametrize("preset", ["speech", "music"])


@coded_presets
@given(tables())
@quick
def test_any_table_comes_back(preset: str, table: EventTable) -> None:
    table = table.replace(header=replace(table.header, model=preset, statistics=LAYOUTS[preset].statistics))
    data = dumps(table)
    assert loads(data) == dequantise(table.header, quantise(table))
    assert dumps(loads(data)) == data
    found = spending(io.BytesIO(data))
    assert sum(found.parts.values()) == len(data)


@coded_presets
@given(st.integers(0, 255), st.integers(1, 90), st.integers(0, 2**32 - 1), st.floats(0, 40))
@quick
def test_events_come_back_at_any_step(preset: str, step: int, n: int, seed: int, spread: float) -> None:
    header = make_header(step=(step_of_code(step),) * 32, model=preset, statistics=LAYOUTS[preset].statistics)
    rng = np.random.default_rng(seed)
    codes = np.rint(rng.standard_cauchy((n, 32)) * spread)
    time = np.cumsum(rng.integers(0, 150, n)) * float(header.time_unit)
    table = dequantise(header, quantise(EventTable(header, time, codes * header.step[0])))
    assert loads(dumps(table)) == table


@pytest.mark.parametrize(
    "change",
    [
        lambda table: edit.transpose(table, 5, shape_map=plain_shape_map()),
        lambda table: edit.transpose(table, -0.3, shape_map=plain_shape_map()),
        lambda table: edit.stretch(table, 1.37),
        lambda table: edit.gain(table, -7.3),
        lambda table: edit.shift(table, 0.1),
        lambda table: edit.randomize_times(table, 3),
        lambda table: edit.randomize_vectors(table, 3),
        lambda table: edit.keep(table, 20),
        lambda table: table.replace(amplitude=np.arange(len(table)) % 3),
    ],
)
def test_edited_speech_comes_back(change: Any) -> None:
    table = change(talk())
    data = dumps(table)
    assert {raw.head.codec for raw in Reader(io.BytesIO(data)).raw_blocks()} == {1}
    assert loads(data) == dequantise(table.header, quantise(table))


# Accounting


def test_parts_add_up_and_come_with_their_ideal() -> None:
    table = edit.gain(talk(80), 2)
    data = dumps(table)
    found = spending(io.BytesIO(data))
    assert found.parts == sizes(io.BytesIO(data)) and sum(found.parts.values()) == len(data)
    assert found.ideal is not None and list(found.ideal) == ["times", "vectors", "amplitude"]
    assert list(found.dims) and set(found.dims) == set(DIMS)
    for at in (0, 1):
        whole = (found.parts["vectors"], found.ideal["vectors"])[at]
        assert sum(dim[at] for dim in found.dims.values()) == pytest.approx(whole, abs=1)
    head_and_end = raw_of(table).head_bytes + len(pack_end(0))
    assert found.parts["framing"] == pytest.approx(head_and_end + CHECK_BYTES, abs=1)


def test_a_file_of_the_other_codec_tells_no_ideal() -> None:
    table = talk()
    other = table.replace(header=replace(table.header, statistics=0))
    found = spending(io.BytesIO(dumps(other)))
    assert found.ideal is None and not found.dims and found.parts["vectors"] > 0


# The page


@pytest.mark.parametrize("name", ["coded", "coded-stereo", "coded-edges", "coded-music", "live"])
def test_the_golden_files_are_read_by_the_documented_reader(name: str) -> None:
    data = (Path(__file__).parents[2] / "formats" / "golden" / f"{name}.sic").read_bytes()
    reader = Reader(io.BytesIO(data))
    header = reader.header
    unit = header.time_unit.as_integer_ratio()
    steps = [code_of_step(step) for step in header.step]
    for raw in reader.raw_blocks():
        head = raw.head
        found = documented_reader.decode(
            raw.payload[2:], head.n_events, head.first_time, steps, unit, header.statistics
        )
        expected = reader.decode(raw)
        assert found["time"] == expected.time_index.tolist()
        assert found["vector"] == expected.vector.tolist()
        assert found["amplitude"] == expected.amplitude.tolist()
