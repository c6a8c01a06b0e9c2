"""Fit the statistics that codec 1 codes the events of a preset with.

    python formats/statistics/encode_corpus.py --preset speech /data/corpus/speech /data/statistics  # 30 minutes
    python formats/statistics/fit_statistics.py --preset speech /data/statistics --write 3           # two minutes
    python formats/golden/make_golden.py

Events are those of all .sic files below the folders, each point of operation and each folder of recordings in a folder
of its own (POINT/FOLDER/*.sic). --hold-out NAME, again for each, leaves folders of recordings out of the fit, and tells
what codec 1 takes there. A number whose statistics are in a released version must keep them: take the next one, and
tell it in `LAYOUTS`, so that new files are written with it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from events_of_files import Block, Blocks, load
from numpy.typing import NDArray
from plans import PLANS, Plan
from torch import Tensor

from sparsecodec_formats.blocks import range_codec, statistics
from sparsecodec_formats.blocks.block import GAP_BITS
from sparsecodec_formats.blocks.logistic import LEAST_SCALE
from sparsecodec_formats.blocks.vector_grid import VALUE_BITS

PACKAGE = Path(statistics.__file__).parent
UNIT = 1 << VALUE_BITS
SMALLEST_WEIGHT = 5  # in units of 2**-8; smaller ones are left out


@dataclass
class Fit:
    """What was found of one dim, whole numbers as in the JSON file, and bits of every row."""

    numbers: dict
    bits: NDArray[np.float64]


def inside(value: Tensor, mean: Tensor, scale: Tensor, step: Tensor) -> Tensor:
    """Probability of the interval of a number."""
    away = (value - mean).abs()
    return torch.sigmoid((step / 2 - away) / scale) - torch.sigmoid((-step / 2 - away) / scale)


def fit_dim(rows: Blocks, name: str, done: Iterable[str]) -> Fit:
    """The statistics of one dim, given those that are coded before it."""
    plan, dims = rows.plan, rows.dims
    dim = dims[name].index
    tensor = lambda x: torch.tensor(x, dtype=torch.float64)  # noqa: E731
    told = rows.told(name)
    value, step, weight = tensor(rows.value[:, dim]), tensor(rows.step), tensor(rows.weight)
    kind, log2_step = torch.tensor(rows.kind_of(name)), torch.log2(step)
    others = [] if name in plan.spikes else [dims[other].index for other in done]
    change, changes = tensor(told.change[:, others]), torch.tensor(told.changes)
    n_logits = 0
    if name in plan.spikes:
        contexts, n_contexts = rows.context_of(name)
        n_logits = n_contexts * (2 if plan.spikes[name]["code"] == "before" else 1)
        context, at_spike = torch.tensor(contexts), tensor(rows.at_spike(name))
    telling = tensor(rows.value[:, [dims[other].index for other in done]]) if name in plan.told else None
    x = torch.stack([tensor(column[:, dim]) for column in (told.last, told.before, told.average)])

    n_kinds = told.n_kinds
    spread = float(np.std(told.change[:, dim])) + 0.2
    free = {
        "mean": torch.zeros(n_kinds),
        "weights": torch.tensor([[0.6], [0.0], [0.2]]).repeat(1, n_kinds),
        "scale": torch.full((n_kinds,), np.log2(spread * 0.5)),
        "coarser": torch.zeros(1),
        "change": torch.zeros(len(others)),
        "spike": torch.zeros(n_logits),
        "telling": torch.zeros(telling.shape[1] if telling is not None else 0),
    }
    free = {key: of.double().requires_grad_() for key, of in free.items()}
    kept = {"change": torch.ones(len(others)), "telling": torch.ones(len(free["telling"]))}

    def rows_bits(of: dict[str, Tensor]) -> Tensor:
        mean = of["mean"][kind] + (of["weights"][:, kind] * x).sum(0)
        if others:
            mean = mean + torch.where(changes, change @ (of["change"] * kept["change"]), 0.0)
        log2_scale = (of["scale"][kind] + of["coarser"] * log2_step).clamp(-4.0, 12.0)
        log2_scale = torch.maximum(log2_scale, log2_step + LEAST_SCALE / 8)
        p = inside(value, mean, torch.exp2(log2_scale), step)
        if name in plan.spikes:
            logit = of["spike"][context]
            if telling is not None:
                logit = logit + telling @ (of["telling"] * kept["telling"])
            w = torch.sigmoid(logit.clamp(-10, 10))
            p = (1 - w) * p + w * at_spike
        return -torch.log2(p * (1 - 2**-10) + 2**-14)

    def solve() -> None:
        optimizer = torch.optim.LBFGS(list(free.values()), max_iter=60, line_search_fn="strong_wolfe", history_size=20)

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = (rows_bits(free) * weight).sum() / weight.sum()
            # kinds that are rare stay near the others
            for key in ("mean", "weights", "scale"):
                loss = loss + 2e-3 * ((free[key] - free[key].mean(-1, keepdim=True)) ** 2).sum()
            loss = loss + 1e-4 * (free["change"] ** 2).sum()
            loss = loss + 1e-4 * (free["spike"] ** 2).sum() + 1e-4 * (free["telling"] ** 2).sum()
            loss.backward()
            return loss

        optimizer.step(closure)

    solve()
    if len(others) or telling is not None:
        for key in kept:
            kept[key] = (free[key].detach().abs() * UNIT >= SMALLEST_WEIGHT).double()
        solve()

    def whole(key: str, unit: float) -> list[int]:
        return np.rint(free[key].detach().numpy() * unit).astype(int).tolist()

    weights = np.rint(free["weights"].detach().numpy() * UNIT).astype(int).tolist()
    numbers: dict = {"start": round(float(np.average(rows.value[:, dim], weights=rows.weight)) * UNIT)}
    if name in plan.kinds:
        numbers["kinds"] = plan.kinds[name]
    numbers |= {"mean": whole("mean", UNIT), **dict(zip(("last", "before", "average"), weights, strict=True))}
    numbers |= {"scale": whole("scale", 8), "coarser": whole("coarser", UNIT)[0]}

    def by_name(key: str, unit: float, names: list[str]) -> dict[str, dict[str, int]]:
        found = (np.rint(free[key].detach().numpy() * unit) * kept[key].numpy()).astype(int).tolist()
        return {key: {name: w for name, w in zip(names, found, strict=True) if w}} if any(found) else {}

    if others:
        numbers |= by_name("change", UNIT, [list(dims)[i] for i in others])
    if name in plan.spikes:
        logits = whole("spike", 4)
        numbers["spike"] = plan.spikes[name] | {"logits": [logits[:n_contexts], logits[-n_contexts:]]}
        if telling is not None:
            numbers["spike"] |= by_name("telling", 4 * UNIT, list(done))
    with torch.no_grad():
        bits = rows_bits(free).numpy()
    return Fit(numbers, bits)


def fit_vectors(rows: Blocks) -> dict[str, dict]:
    """All dims, in the order in which they are coded."""
    done: list[str] = []
    out: dict[str, dict] = {}
    total = 0.0
    for name in rows.plan.order:
        fit = fit_dim(rows, name, done)
        out[name] = fit.numbers
        bits = float(np.average(fit.bits, weights=rows.weight))
        total += bits
        print(f"{name:16} {bits:7.3f} bits, {total:7.3f} in all", flush=True)
        if name not in rows.plan.spikes:
            done.append(name)
    return out


def fit_begins(rows: Blocks) -> list[list[int]]:
    """How often an event begins by itself, by the one before."""
    out = []
    for context in (0, 1, 2):
        mine = rows.begins_context == context
        yes = float(rows.weight[mine] @ rows.flag[mine]) + 1
        no = float(rows.weight[mine] @ (1 - rows.flag[mine])) + 1
        out.append([round(4000 * no / (yes + no)), round(4000 * yes / (yes + no)), 4])
    return out


def fit_gaps(rows: Blocks, classes: int = 4, size: int = 48) -> list[list[list[int]]]:
    """Histograms of gaps, [classes][contexts][size + 1]; a block is of the class that takes the fewest bits."""
    later = rows.place > 0
    coarse = np.minimum(rows.gap[later] >> GAP_BITS, size)
    context, block = rows.gap_context[later], rows.block[later]
    n_blocks = int(rows.block.max()) + 1
    density = np.bincount(block, coarse, n_blocks) / np.maximum(np.bincount(block, minlength=n_blocks), 1)
    of = np.searchsorted(np.quantile(density, np.arange(1, classes) / classes), density)
    for _ in range(8):
        tables = np.empty((classes, 4, size + 1))
        for i in range(classes):
            for c in range(4):
                mine = (context == c) & ((of[block] == i) | (c == 0 and not rows.plan.gaps_by_class))
                counts = np.bincount(coarse[mine], rows.weight[later][mine], size + 1)
                every = np.bincount(coarse[context == c], minlength=size + 1).astype(float)
                smooth = np.convolve(counts, [0.25, 0.5, 0.25], "same") if c == 0 else counts
                tables[i, c] = smooth + 20 * every / max(1, every.sum()) + 0.02
            tables[i] /= tables[i].sum(1, keepdims=True)
        cost = np.stack([np.bincount(block, -np.log2(tables[i][context, coarse]), n_blocks) for i in range(classes)])
        of = cost.argmin(0)
    print(f"gaps {cost.min(0).sum() / later.sum():.3f} bits")
    return np.maximum(1, np.rint(tables * 4000)).astype(int).tolist()


def held_out(plan: Plan, blocks: Iterable[Block], known: statistics.Statistics) -> None:
    """Print what codec 1 takes for blocks, by point of operation."""
    spent: dict[str, list[dict[str, float]]] = {}
    counts: dict[str, int] = {}
    for point, header, events in blocks:
        spent.setdefault(point, []).append(range_codec.part_bits(events, header, known))
        counts[point] = counts.get(point, 0) + len(events)
    print(f"{'held out':24} events  times begins  level shapes  pitch  rest    whole, bits an event")
    for point, parts in spent.items():
        n = counts[point]
        mean = {key: sum(part.get(key, 0.0) for part in parts) / n for key in parts[0]}
        shapes = sum(mean[name] for name in plan.order if name.startswith("shape_"))
        main = [mean[key] for key in ("times", "begins", "level_db")] + [shapes, mean["f0_semitones"]]
        whole = sum(mean.values())
        print(f"{point:24} {n:6}" + "".join(f"{x:7.2f}" for x in [*main, whole - sum(main)]) + f"  {whole:7.2f}")


def main() -> None:
    """Fit, tell, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=list(PLANS), required=True)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--hold-out", action="append", default=[], metavar="NAME", help="leave this folder out")
    parser.add_argument("--write", type=int, metavar="NUMBER", help="write them into the package, as this number")
    args = parser.parse_args()
    torch.set_num_threads(1)
    plan = PLANS[args.preset]
    fitted, apart = load(plan, args.folders, args.hold_out)
    rows = Blocks(plan, fitted)
    print(f"{len(rows)} events in {len(fitted)} blocks, {len(apart)} blocks held out")
    found = {
        "about": f"Statistics of events of preset {plan.preset} for block codec 1, made by fit_statistics.py;"
        " docs/format.md says what each field means",
        "names": list(plan.layout.dims),
        "order": list(plan.order),
        "gap_limits": list(plan.gap_limits),
        "amplitude": [8, 12],
        **({"nearest": plan.nearest} if plan.nearest else {}),
        "begins": {"dim": "begins", "shares": fit_begins(rows)},
        "gaps": fit_gaps(rows),
        "dims": fit_vectors(rows),
    }
    if apart:
        held_out(plan, apart, statistics.parse(found))
    if args.write:
        (PACKAGE / f"{args.write}.json").write_text(as_text(found), encoding="utf-8")


def as_text(found: dict) -> str:
    """JSON with a line for each list."""
    text = json.dumps(found, indent=1)
    out, depth = [], 0
    for line in text.splitlines():
        stripped = line.strip()
        opens = stripped.endswith("[")
        if depth:
            out[-1] += stripped if stripped[0] == "]" else (" " if out[-1][-1] == "," else "") + stripped
        else:
            out.append(line)
        depth += opens
        depth -= stripped[0] == "]"
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    main()
