"""python -m sparsecodec_models.training DATA… --valid DIR… --out DIR: trains a preset (see docs/training.md)."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from ..reference.model import ReferenceModel
from ..speech.model import SpeechModel
from .data import Recording, Windows, find_recordings
from .klt import Klt
from .loop import Schedule, Task, train
from .reference_task import ReferenceTask, schedule
from .speech_task import SpeechTask


def _speech(
    args: argparse.Namespace, train_on: list[Recording], valid: list[Recording], klt: Klt | None
) -> tuple[Task, Schedule]:
    model = SpeechModel()
    rate = model.config.sample_rate
    samples = int(args.seconds * rate)
    windows = Windows(train_on, samples, rate, 0, dict.fromkeys(args.half_weight, 0.5))
    held_out = Windows(valid, 2 * samples, rate, 1).batch(0, 12)
    task = SpeechTask(model, windows, held_out, batch_size=args.batch, imitation_steps=args.imitation_steps, klt=klt)
    return task, Schedule(args.steps, max_hours=args.max_hours)


def _reference(args: argparse.Namespace, train_on: list[Recording], valid: list[Recording]) -> tuple[Task, Schedule]:
    model = ReferenceModel().draw_weights(0)
    window, rate = model.config.window, model.config.sample_rate
    windows = Windows(train_on, window, rate, 0, dict.fromkeys(args.half_weight, 0.5))
    held_out = Windows(valid, window, rate, 1).batch(0, 4)
    return ReferenceTask(model, windows, held_out, batch_size=args.batch), schedule(args.steps, args.max_hours)


def main() -> None:
    ask = argparse.ArgumentParser(prog="python -m sparsecodec_models.training", description=__doc__)
    ask.add_argument("data", nargs="+", type=Path, help="folders of audio to train on")
    ask.add_argument("--preset", choices=["speech", "reference"], default="speech")
    ask.add_argument("--valid", nargs="+", type=Path, required=True, help="folders of other speakers, to validate on")
    ask.add_argument("--out", type=Path, required=True, help="gets checkpoint.pt, log.jsonl, weights.safetensors")
    ask.add_argument("--steps", type=int, default=6000)
    ask.add_argument(
        "--imitation-steps",
        type=int,
        default=3000,
        help="speech: steps after the teacher alone, before sound counts",
    )
    ask.add_argument("--batch", type=int, default=8)
    ask.add_argument("--seconds", type=float, default=2.0, help="speech: length of a window")
    ask.add_argument(
        "--half-weight",
        nargs="*",
        default=[],
        metavar="FOLDER",
        help="folders drawn half as often (band-limited ones)",
    )
    ask.add_argument("--max-hours", type=float, default=1e9)
    ask.add_argument("--workers", type=int, default=1)
    ask.add_argument("--device", default="cpu", help="cpu, cuda, …: where the model is; batches are made on the CPU")
    ask.add_argument("--threads", type=int, default=1)
    ask.add_argument("--resume", action="store_true", help="go on from OUT/checkpoint.pt")
    args = ask.parse_args()
    torch.set_num_threads(args.threads)
    held_out = set(args.valid)
    recordings = [r for r in find_recordings(args.data) if not any(v in r.path.parents for v in held_out)]
    valid = find_recordings(args.valid)
    checkpoint = torch.load(args.out / "checkpoint.pt", weights_only=False, map_location="cpu") if args.resume else None
    if args.preset == "reference":
        task, rates = _reference(args, recordings, valid)
    else:
        task, rates = _speech(args, recordings, valid, Klt(*checkpoint["task"]["klt"]) if checkpoint else None)
    hours = sum(r.seconds for r in recordings) / 3600
    parameters = sum(p.numel() for p in task.model.parameters())
    print(f"{len(recordings)} recordings, {hours:.2f} h; {parameters:,} parameters", flush=True)
    task.model.to(args.device)
    train(task, rates, args.out, workers=args.workers, checkpoint=checkpoint)


if __name__ == "__main__":
    main()
