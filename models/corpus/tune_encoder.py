"""Train the encoder of `speech` after fitted windows, resumable: run again to go on.

    python tune_encoder.py --from WIDE.safetensors --fitted FOLDER [FOLDER ...] --out OUT --steps 1000

Each FOLDER holds what fit_windows.py left: t*.npz to train on, v*.npz to validate on. OUT gets checkpoint.pt,
weights.safetensors and log.jsonl (a line each 50 steps). Ctrl-C ends it after a step, and saves.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
from pathlib import Path
from typing import Any

import torch

from sparsecodec_models.speech.model import SpeechModel
from sparsecodec_models.training.fitted_task import FittedTask
from sparsecodec_models.training.loop import Schedule, Watch, load_checkpoint, train


class Folder:
    """A `RunStore`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / "log.jsonl"

    def _write(self, name: str, data: bytes) -> None:
        part = self.folder / f"{name}.part"
        part.write_bytes(data)
        os.replace(part, self.folder / name)

    def save_checkpoint(self, data: bytes) -> None:
        self._write("checkpoint.pt", data)

    def save_weights(self, data: bytes) -> None:
        self._write("weights.safetensors", data)

    def append_log(self, line: dict[str, Any]) -> None:
        print(json.dumps(line), flush=True)
        with open(self.log, "a") as file:
            file.write(json.dumps(line) + "\n")

    def cut_log(self, last_step: int) -> None:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        kept = [line for line in lines if json.loads(line)["step"] <= last_step]
        self.log.write_text("".join(line + "\n" for line in kept))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="given", type=Path, required=True)
    parser.add_argument("--fitted", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=2e-4, help="of learning")
    parser.add_argument("--validate-every", type=int, default=100)
    parser.add_argument("--max-steps", type=int)
    args = parser.parse_args()
    torch.set_num_threads(1)
    files = [sorted(p for folder in args.fitted for p in folder.glob(f"{kind}*.npz")) for kind in "tv"]
    task = FittedTask(SpeechModel.from_bytes(args.given.read_bytes()), *files)
    schedule = Schedule(
        args.steps,
        args.rate,
        warmup=50,
        validate_every=args.validate_every,
        save_every=args.validate_every,
        max_steps=args.max_steps or args.steps,
    )
    held = args.out / "checkpoint.pt"
    checkpoint = None
    if held.exists():
        with open(held, "rb") as file:
            checkpoint = load_checkpoint(file)
    asked: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda caught, frame: asked.append(caught))
    print(
        len(files[0]),
        "windows,",
        len(files[1]),
        "to validate on",
        {k: round(v, 4) for k, v in task.validate().items()},
        flush=True,
    )
    train(
        task, schedule, Folder(args.out), workers=0, checkpoint=checkpoint, watch=Watch(should_stop=lambda: bool(asked))
    )


if __name__ == "__main__":
    main()
