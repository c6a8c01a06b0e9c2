"""What a file keeps of an edit: its steps become as fine as it takes, and no number that stays is rounded anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from format_strategies import make_header
from shape_support import BANDS, plain_shape_map

from sparsecodec_formats import EventTable, dumps, edit, layout_of, loads
from sparsecodec_formats.steps import nearest_step

PLAIN = plain_shape_map()
# as weights have it: many decibels in a coefficient
SHAPES = replace(PLAIN, basis=PLAIN.basis * np.where(np.arange(len(PLAIN.mean)) < BANDS, 3.0, 5.0))
STEP = nearest_step(1.09)
N = 40


def talk() -> EventTable:
    """Two voices, all numbers on a coarse grid."""
    rng = np.random.default_rng(16)
    header = make_header(step=(STEP,) * 32, sample_rate=22_050, n_samples=5 * 22_050)
    codes = rng.integers(-2, 3, (N, 32))
    codes[:, layout_of(header).dim("phase_cycles").index] = 0
    codes[:, layout_of(header).dim("room_db").index] = 0
    codes[:, layout_of(header).dim("begins").index] = np.arange(N) % 20 == 0
    return EventTable(header, 0.1 * np.arange(1, N + 1), codes * STEP)


HALF = np.arange(N) < N // 2
# what is edited, and by how much a file may round it
EDITS: list[tuple[str, Callable[..., EventTable], dict[str, float]]] = [
    ("gain", lambda t, **k: edit.gain(t, 1.3, **k), {}),
    ("transpose", lambda t, **k: edit.transpose(t, 7, shape_map=SHAPES, **k), {"f0_semitones": 0.05, "level_db": 0.5}),
    (
        "follows",
        lambda t, **k: edit.transpose(t, 2.3, timbre="follows", shape_map=SHAPES, **k),
        {"f0_semitones": 0.05, "level_db": 0.5},
    ),
    ("glide", lambda t, **k: edit.glide(t, 1.7, **k), {"f0_semitones": 0.05, "glide_semitones": 0.1}),
    ("contour", lambda t, **k: edit.contour(t, 0, shape_map=SHAPES, **k), {"f0_semitones": 0.05}),
    ("tilt", lambda t, **k: edit.tilt(t, 3, shape_map=SHAPES, **k), {}),
    ("whisper", lambda t, **k: edit.whisper(t, shape_map=SHAPES, **k), {}),
    ("attack", lambda t, **k: edit.attack(t, 1.3, **k), {"attack_log2_s": 0.125}),
    ("decay", lambda t, **k: edit.decay(t, 0.7, **k), {"decay_log2_s": 0.125}),
    ("room", lambda t, **k: edit.room(t, -21, **k), {"room_db": 0.5}),
    ("unlink", lambda t, **k: edit.unlink(t, **k), {"attack_log2_s": 0.125, "decay_log2_s": 0.125}),
]


@pytest.mark.parametrize("where", [None, HALF], ids=["all", "some"])
@pytest.mark.parametrize(("name", "call", "limits"), EDITS, ids=[name for name, _, _ in EDITS])
def test_files_keep_what_was_asked_for(
    name: str, call: Callable[..., EventTable], limits: dict[str, float], where: np.ndarray | None
) -> None:
    table = talk()
    asked = call(table, where=where)
    written = loads(dumps(asked))
    dims = layout_of(table.header).dims
    errors = written.vector.astype(np.float64) - asked.vector
    for dim in dims.values():
        if not dim.name.startswith("shape_"):
            most = float(np.abs(errors[:, dim.index] * dim.scale).max())
            assert most <= limits.get(dim.name, 1e-5) * 1.001, dim.name
    outputs = errors[slice(None) if where is None else where, dims["shape_0"].index :] @ SHAPES.basis
    rms = np.sqrt(np.square(outputs).mean(0))
    assert rms[:BANDS].max() <= 1.0 and rms[BANDS:].max() <= 0.5
    assert np.abs(20 * np.log10(written.amplitude / asked.amplitude)).max() <= 0.125 + 1e-3
    if where is not None:  # what was not edited is to the last bit what it was, but for the one that is unlinked from
        others = ~HALF if name != "glide" else np.arange(N) > N // 2
        assert np.array_equal(written.vector[others], table.vector[others])


@pytest.mark.parametrize(("name", "call", "limits"), EDITS, ids=[name for name, _, _ in EDITS])
def test_a_grid_that_is_fine_enough_stays(name: str, call: Callable[..., EventTable], limits: dict[str, float]) -> None:
    once = loads(dumps(call(talk())))
    fine = once.replace(header=replace(once.header, step=(2.0**-6,) * 32))
    assert call(fine).header.step == fine.header.step
    finer = [before / after for before, after in zip(talk().header.step, once.header.step, strict=True)]
    assert all(np.log2(ratio) % 1 == 0 and 1 <= ratio <= 64 for ratio in finer)
    edited = {dim.index for name, dim in layout_of(once.header).dims.items() if name in limits or name[:5] == "shape"}
    assert {i for i, ratio in enumerate(finer) if ratio > 1} <= edited


def test_a_move_by_whole_steps_needs_no_finer_grid() -> None:
    semitones = 4 * STEP * layout_of(talk().header).dim("f0_semitones").scale
    assert edit.glide(talk(), 0).header == edit.contour(talk(), 1, shape_map=SHAPES).header == talk().header
    moved = edit.transpose(talk(), semitones, shape_map=SHAPES)
    pitch = layout_of(moved.header).dim("f0_semitones").index
    assert moved.header.step[pitch] == STEP


def test_steps_stay_those_that_a_file_can_hold() -> None:
    table = talk()
    vector = table.vector.copy()
    vector[-1, layout_of(table.header).dim("f0_semitones").index] = STEP * 2**20  # as far as codes go
    huge = table.replace(vector=vector)
    moved = edit.transpose(huge, 0.1, shape_map=SHAPES, where=HALF)
    assert moved.header.step[layout_of(table.header).dim("f0_semitones").index] == STEP
    assert loads(dumps(moved)).vector[-1] == pytest.approx(huge.vector[-1])


def test_what_is_taken_keeps_its_fades_in_a_file() -> None:
    table = talk()
    asked = edit.take(table, (np.arange(N) % 7 > 1))
    written = loads(dumps(asked))
    for name, limit in (("attack_log2_s", 0.125), ("decay_log2_s", 0.125), ("glide_semitones", 0.1)):
        dim = layout_of(table.header).dim(name)
        assert np.abs((written.vector - asked.vector)[:, dim.index] * dim.scale).max() <= limit * 1.001
    # and so do things that are put on streams of their own
    copies = edit.repeat(table, 2, every_s=0.15, where=(np.arange(N) % 7 > 1))
    assert copies.header.step == asked.header.step
