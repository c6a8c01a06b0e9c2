"""Train the note finder of `music`, resumable: run again with more --minutes to go on.

    python train_finder.py train --clips CLIPS/train --validation CLIPS/val-* --out OUT --minutes 35
    python train_finder.py rules --validation CLIPS/val-* --weights OUT/best.safetensors

OUT gets last.pt, best.safetensors and log.jsonl (one line each 50 steps and each validation). `rules` tries
thresholds on the validation clips and prints F1 for each.
"""

from __future__ import annotations

import argparse
import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sparsecodec_models.music.network.finder import NoteFinder, load_finder, parameter_count
from sparsecodec_models.music.network.picking import PickingRule, pick_notes
from sparsecodec_models.music.training import Examples, Trainer, TrainingPlan, heads_of, score


def train(args: argparse.Namespace) -> None:
    args.out.mkdir(parents=True, exist_ok=True)

    def log(row: dict[str, Any]) -> None:
        line = json.dumps(row)
        print(line, flush=True)
        with open(args.out / "log.jsonl", "a") as file:
            file.write(line + "\n")

    finder = NoteFinder()
    trainer = Trainer(finder, TrainingPlan(minutes=args.minutes, seed=args.seed), args.out)
    log(dict(parameters=parameter_count(finder), resumed_at_step=trainer.progress.step))
    trainer.run(Examples(args.clips, at_once=80), {p.name: Examples(p) for p in args.validation}, log)


def rules(args: argparse.Namespace) -> None:
    finder = load_finder(args.weights)
    held = [(e, heads_of(finder, e)) for folder in args.validation for e in Examples(folder).examples]
    for onset, apart_s in product((0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7), (0.04, 0.06)):
        rule = PickingRule(onset=onset, drum=onset, apart_s=apart_s)
        rows = [score(e.notes, pick_notes(h, rule)) for e, h in held]
        print(onset, apart_s, {k: round(float(np.nanmean([r[k] for r in rows])), 4) for k in rows[0]}, flush=True)


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("what", choices=("train", "rules"))
    ask.add_argument("--clips", type=Path)
    ask.add_argument("--validation", type=Path, nargs="+", required=True)
    ask.add_argument("--out", type=Path)
    ask.add_argument("--weights", type=Path)
    ask.add_argument("--minutes", type=float, default=35.0)
    ask.add_argument("--seed", type=int, default=1)
    ask.add_argument("--threads", type=int, default=1)
    args = ask.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    dict(train=train, rules=rules)[args.what](args)


if __name__ == "__main__":
    main()
