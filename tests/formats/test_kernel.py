"""The kernel in WebAssembly: it does what `block.py` does, to the bit, and whatever it is given."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from format_strategies import make_header, quick
from hypothesis import given
from hypothesis import strategies as st

from sparsecodec_formats import FormatError, dumps, loads
from sparsecodec_formats.blocks import block, kernel, range_codec, statistics
from sparsecodec_formats.blocks.block import Coded
from sparsecodec_formats.quantiser import MAX_VECTOR_CODE, QuantisedEvents
from sparsecodec_formats.steps import step_of_code

GOLDEN = Path(__file__).parents[2] / "formats" / "golden"
ROOMY = 10**6
numbers_of_statistics = pytest.mark.parametrize("number", statistics.numbers())


@pytest.fixture
def of_wasm() -> kernel.Kernel:
    found = kernel.of_this_thread()
    assert found is not None
    return found


def events_of(seed: int, n: int, spread: float, loud: bool, begins: float, gap: float) -> QuantisedEvents:
    """Events whose numbers wander, jump, or are out of all proportion."""
    rng = np.random.default_rng(seed)
    wandering = rng.normal(0, spread, (n, 32)).cumsum(0)
    jumping = rng.standard_cauchy((n, 32)) * spread
    vector = np.where(rng.random(32) < 0.6, wandering, jumping)
    vector[:, rng.random(32) < 0.3] = 0
    vector[:, [0, 6]] = np.where(rng.random((n, 2)) < begins, rng.choice([-2, 1, 1, 3], (n, 2)), 0)
    gaps = np.minimum(rng.exponential(gap, n), 2**40).astype(np.int64) << int(rng.integers(3))
    return QuantisedEvents(
        gaps.cumsum(),
        np.clip(np.rint(vector), -MAX_VECTOR_CODE, MAX_VECTOR_CODE).astype(np.int32),
        rng.integers(-1024, 1024, n).astype(np.int32) * loud,
        np.zeros(n, np.uint8),
    )


def same(a: Coded, b: Coded) -> None:
    for name in ("time_index", "vector", "amplitude"):
        np.testing.assert_array_equal(getattr(a.events, name), getattr(b.events, name))
        assert getattr(a.events, name).dtype == getattr(b.events, name).dtype
    assert list(a.bits) == list(b.bits) and list(a.bits.values()) == pytest.approx(list(b.bits.values()), abs=1e-6)
    assert a.data == b.data


@numbers_of_statistics
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 90),
    st.sampled_from([0, 0.3, 1, 5, 100, 1e5, 1e9]),
    st.booleans(),
    st.sampled_from([0, 0.2, 0.9]),
    st.sampled_from([0, 3, 30, 1000, 1e9]),
    st.integers(0, 255) | st.integers(100, 150),
)
@quick
def test_both_write_the_same_bytes_and_read_them(
    number: int, seed: int, n: int, spread: float, loud: bool, begins: float, gap: float, step: int
) -> None:
    of_wasm = kernel.of_this_thread()
    assert of_wasm is not None
    events = events_of(seed, n, spread, loud, begins, gap)
    header, known = make_header(step=(step_of_code(step),) * 32), statistics.load(number)
    written = block.write(events, header, known, ROOMY)
    same(of_wasm.write(events, header, known, ROOMY), written)
    assert written.data is not None
    first_time = int(events.time_index[0])
    read = of_wasm.read(written.data, header, known, n, first_time)
    same(read, block.read(written.data, header, known, n, first_time))
    np.testing.assert_array_equal(read.events.vector, events.vector)
    np.testing.assert_array_equal(read.events.time_index, events.time_index)
    np.testing.assert_array_equal(read.events.amplitude, events.amplitude)


@numbers_of_statistics
@given(st.binary(max_size=300), st.integers(1, 40), st.integers(0, 255), st.integers(0, 2**48 - 1))
@quick
def test_both_read_any_bytes_alike_or_refuse_them(number: int, data: bytes, n: int, step: int, first_time: int) -> None:
    of_wasm = kernel.of_this_thread()
    assert of_wasm is not None
    case: Any = data, make_header(step=(step_of_code(step),) * 32), statistics.load(number), n, first_time
    try:
        expected = block.read(*case)
    except FormatError:
        with pytest.raises(FormatError):
            of_wasm.read(*case)
        return
    same(of_wasm.read(*case), expected)


def test_numbers_beyond_64_bits_are_refused(of_wasm: kernel.Kernel) -> None:
    """At the finest steps numbers are coded with up to 67 bits below what is spread about the mean."""
    rng, refused = np.random.default_rng(0), 0
    for _ in range(300):
        header = make_header(step=(step_of_code(int(rng.integers(20))),) * 32)
        for read in (of_wasm.read, block.read):
            try:
                read(rng.bytes(60), header, statistics.load(2), 1, 0)
            except FormatError:
                refused += 1
    assert refused > 500


def test_each_kind_of_damage_is_named(of_wasm: kernel.Kernel) -> None:
    rng = np.random.default_rng(0)
    said: set[str] = set()
    for i in range(3000):
        header = make_header(step=(step_of_code(int(rng.integers(256))),) * 32)
        first_time = 2**48 - 1 if i % 5 == 0 else 0
        try:
            of_wasm.read(rng.bytes(60), header, statistics.load(1 + i % 2), 3, first_time)
        except FormatError as error:
            said.add(str(error))
    assert said <= set(kernel.MESSAGES.values()) and len(said) >= 3


def test_a_block_as_large_as_one_may_be_is_coded_and_leaves_small_ones_as_they_were(of_wasm: kernel.Kernel) -> None:
    header, known = make_header(), statistics.load(2)
    small = events_of(1, 20, 1, True, 0.2, 30)
    before = of_wasm.write(small, header, known, ROOMY)
    large = events_of(2, 2**16, 1, False, 0.2, 3)
    written = of_wasm.write(large, header, known, 2**24)
    assert written.data is not None
    read = of_wasm.read(written.data, header, known, len(large), int(large.time_index[0]))
    np.testing.assert_array_equal(read.events.vector, large.vector)
    np.testing.assert_array_equal(read.events.time_index, large.time_index)
    same(of_wasm.write(small, header, known, ROOMY), before)


@pytest.mark.parametrize("short_of", [1, 4, 5, 100, 10**5])
def test_what_takes_more_bytes_than_asked_for_is_not_written(of_wasm: kernel.Kernel, short_of: int) -> None:
    header, known, events = make_header(), statistics.load(1), events_of(3, 60, 1, False, 0.2, 30)
    whole = of_wasm.write(events, header, known, ROOMY)
    assert whole.data is not None
    same(of_wasm.write(events, header, known, len(whole.data)), whole)
    limit = max(0, len(whole.data) - short_of)
    for code in (of_wasm.write, block.write):
        cut = code(events, header, known, limit)
        assert cut.data is None and list(cut.bits.values()) == pytest.approx(list(whole.bits.values()))


def test_files_of_several_steps_and_statistics_in_turn(of_wasm: kernel.Kernel) -> None:
    rng = np.random.default_rng(4)
    for i in range(12):
        header = make_header(step=tuple(step_of_code(int(code)) for code in rng.integers(110, 145, 32)))
        events, known = events_of(i, 20 + i, 2, i % 2 == 0, 0.2, 30), statistics.load(1 + i // 2 % 2)
        same(of_wasm.write(events, header, known, ROOMY), block.write(events, header, known, ROOMY))


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.sic")), ids=lambda path: path.stem)
def test_without_a_kernel_the_same_files_are_read_and_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = path.read_bytes()
    table = loads(data)
    written = dumps(table)
    monkeypatch.setattr(kernel, "of_this_thread", lambda: None)
    assert loads(data) == table and dumps(table) == written


def test_a_machine_without_wasmtime_has_no_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wasmtime", None)
    kernel._module.cache_clear()
    monkeypatch.setattr(kernel, "_of_thread", threading.local())
    try:
        assert kernel.of_this_thread() is None
    finally:
        kernel._module.cache_clear()


def test_a_clip_is_left_to_python_and_what_follows_to_the_kernel() -> None:
    coder = range_codec.Choice()
    assert coder(100) is block
    assert isinstance(coder(100), kernel.Kernel)
    assert isinstance(coder(1), kernel.Kernel)


def test_threads_have_kernels_of_their_own() -> None:
    path = GOLDEN / "coded-music.sic"
    expected = loads(path.read_bytes())
    failed: list[object] = []

    def work() -> None:
        for _ in range(20):
            if loads(path.read_bytes()) != expected:
                failed.append(threading.current_thread())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
