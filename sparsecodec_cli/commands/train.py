"""`sic train`: weights from recordings."""

from __future__ import annotations

import math
import os
import shlex
from typing import TYPE_CHECKING, Any

import click

from sparsecodec_cli import api

from .options import FOLDER, POSITIVE, SECONDS, FileName, FiniteFloat, device_option, model_names, quiet_option

if TYPE_CHECKING:
    from pathlib import Path

    from click.shell_completion import CompletionItem

    from sparsecodec_models.training.corpus import Corpus
    from sparsecodec_models.training.data import TrainingRecording
    from sparsecodec_models.training.run import Training

COUNT = click.IntRange(min=1)
NOT_NEGATIVE_COUNT = click.IntRange(min=0)


class PresetChoice(click.ParamType):
    """A preset that is trained here. Their table is read only when it is needed: `sic --help` imports no models."""

    name = "preset"

    def _choice(self) -> click.Choice[str]:
        from sparsecodec_models.presets import trained_presets

        return click.Choice(trained_presets())

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:
        return self._choice().get_metavar(param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return self._choice().shell_complete(ctx, param, incomplete)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from sparsecodec_models.presets import PRESETS, trained_presets

        if value in PRESETS and value not in trained_presets():
            others = " or ".join(trained_presets())
            self.fail(f"{value!r} is not trained by this command; see docs/training.md, or name {others}.", param, ctx)
        return self._choice().convert(value, param, ctx)


@click.command(name="train")
@click.argument("out", metavar="OUT", type=FOLDER)
@click.option(
    "--data", type=FOLDER, multiple=True, metavar="DIR", help="A folder of recordings to train on. Repeatable."
)
@click.option(
    "--valid",
    type=FOLDER,
    multiple=True,
    metavar="DIR",
    help="A folder to validate on, which may be inside a --data folder. Repeatable. [default: a part of the data]",
)
@click.option("--preset", type=PresetChoice(), help="Preset to train. [default: speech]")
@click.option(
    "--from",
    "weights",
    type=FileName("file", model_names),
    metavar="NAME|PATH",
    help="Start from these weights: a model that 'sic models' lists as shipped, or a .safetensors file.",
)
@click.option("--resume", is_flag=True, help="Continue the run in OUT from its last checkpoint.")
@click.option(
    "--steps",
    type=COUNT,
    metavar="N",
    help="Length of the whole run; the learning rate is scheduled for it. [default: 6000; with --from 2000; for"
    " reference 100000]",
)
@click.option("--max-steps", type=COUNT, metavar="N", help="Stop at step N. The run can be resumed.")
@click.option("--max-hours", type=POSITIVE, metavar="HOURS", help="Stop after this time. The run can be resumed.")
@click.option("--batch", type=COUNT, metavar="N", help="Windows in each step. [default: 8; for reference 2]")
@click.option(
    "--seconds",
    type=FiniteFloat(0.5, 60),
    metavar=SECONDS,
    help="Length of a window, for the preset speech. [default: 2]",
)
@click.option(
    "--imitation-steps",
    type=NOT_NEGATIVE_COUNT,
    metavar="N",
    help="Number of first steps that imitate the teacher, before the loss is of the sound; for the preset speech."
    " [default: 0.4 of --steps; with --from 0]",
)
@click.option(
    "--half-weight",
    multiple=True,
    metavar="FOLDER",
    help="Name of a folder in the data whose recordings are drawn half as often. Repeatable.",
)
@click.option(
    "--vary/--no-vary",
    default=None,
    help="Augment the recordings with other speeds and filters, so that few voices stand for many. [default: --vary;"
    " with --from, and for reference, --no-vary]",
)
@click.option(
    "--sample-every",
    type=NOT_NEGATIVE_COUNT,
    metavar="N",
    default=500,
    show_default=True,
    help="Write a page of samples to listen to every N steps; 0 writes none.",
)
@click.option(
    "--workers",
    type=NOT_NEGATIVE_COUNT,
    metavar="N",
    help="Number of processes that prepare batches. [default: half the processors, at most 8]",
)
@click.option(
    "--threads", type=COUNT, metavar="N", help="Number of threads of the model. [default: the other processors]"
)
@device_option
@click.option("-f", "--force", is_flag=True, help="Start a new run in OUT even if it holds one.")
@quiet_option
@click.pass_context
def command(
    ctx: click.Context,
    out: str,
    data: tuple[str, ...],
    valid: tuple[str, ...],
    resume: bool,
    max_steps: int | None,
    max_hours: float | None,
    sample_every: int,
    workers: int | None,
    threads: int | None,
    device: str,
    force: bool,
    quiet: bool,
    **shape: Any,
) -> None:
    """Train a model on folders of recordings.

    \b
    Examples:
      sic train --data LJSpeech-1.1 runs/lj
      sic train --data anna --from speech runs/anna    # fine-tune the shipped weights
      sic train --resume runs/lj                       # continue where it stopped
      sic train --data vctk --data own --valid vctk/p225 --max-hours 8 runs/both
      sic encode talk.wav --model runs/lj/weights.safetensors

    The folders of --data are searched with all their subfolders, for audio of any format and sample rate. OUT is a
    folder for weights.safetensors (for --model), checkpoint.pt (for --resume), log.jsonl with the losses, and
    samples/index.html with originals and decoded recordings. Ctrl-C saves the run, which can then be resumed.

    Several GPUs or machines train one model where torchrun begins a process for each (docs/training.md); --batch is
    then the number of windows of each process.
    """
    if resume and force:
        raise click.UsageError("Give --resume or --force, not both.")
    if not (resume or data):
        raise click.UsageError("Name a folder of recordings with --data, or go on with a run with --resume.")
    for name in ("seconds", "imitation_steps"):
        if shape[name] is not None:
            _refuse_where_it_is_of_other_presets(name, shape["preset"])

    from sparsecodec_cli.errors import about_os, shown
    from sparsecodec_cli.io.progress import note
    from sparsecodec_cli.train import run_folder

    with run_folder.open_run(out, resume=resume, force=force) as folder:
        import torch

        from sparsecodec_models.training.corpus import find_corpus
        from sparsecodec_models.training.plan import TrainingPlan
        from sparsecodec_models.training.ranks import joined
        from sparsecodec_models.training.run import Training

        device = api.resolve_device(device)
        with joined(device) as ranks:
            quiet = quiet or not ranks.is_first
            processors = max(1, (os.cpu_count() or 1) // ranks.here)
            if workers is None:
                workers = max(1, min(8, processors // 2))
            torch.set_num_threads(threads or max(1, processors - workers))
            checkpoint, plan = run_folder.load_run(folder) if resume else (None, None)
            given = shape | {
                "data": tuple(map(os.path.abspath, data)),
                "valid": tuple(map(os.path.abspath, valid)),
                "weights": run_folder.weights_name(shape["weights"]),
            }
            plan = run_folder.same_plan(out, plan, given) if plan else TrainingPlan.of(**given)
            weights = run_folder.read_weights(plan.weights) if plan.weights and not resume else None
            corpus = find_corpus(data or plan.data, valid or plan.valid)
            note(_told(corpus), quiet=quiet)
            training = Training(plan, corpus, weights=weights, checkpoint=checkpoint, device=device, ranks=ranks)
            if ranks.size > 1:
                note(f"{ranks.size} processes, together {plan.batch * ranks.size} windows in each step", quiet=quiet)
            note(f"{training.parameters:,} parameters, steps {training.first_step} to {plan.steps}", quiet=quiet)
            with about_os(out):
                if ranks.is_first and not resume:
                    run_folder.clear(folder)
                limits = {"max_steps": max_steps or math.inf, "max_hours": max_hours or math.inf}
                done, signal_number = _run(
                    training, folder, device, quiet, workers=workers, sample_every=sample_every, **limits
                )
    if damaged := training.task.windows.unreadable:
        note(f"{len(damaged)} damaged on the way, and passed over ({shown(os.fspath(min(damaged)))})", quiet=quiet)
    if done >= plan.steps:
        note(f"{shown(out)}: all {done} steps are done; the weights are in {run_folder.WEIGHTS}", quiet=quiet)
        return
    how = f"stopped at step {done} of {plan.steps}; go on with: sic train --resume {shlex.quote(shown(out))}"
    note(f"{shown(out)}: {how}", quiet=quiet and (signal_number is None or not ranks.is_first))
    if signal_number is not None:
        ctx.exit(128 + signal_number)


def _refuse_where_it_is_of_other_presets(name: str, preset: str | None) -> None:
    from sparsecodec_models.presets import DEFAULT_PRESET, presets_with

    if (preset or DEFAULT_PRESET) not in presets_with(name):
        raise click.UsageError(f"--{name.replace('_', '-')} is for --preset {' or '.join(presets_with(name))} alone.")


def _told(corpus: Corpus) -> str:
    """The recordings in one line."""
    from sparsecodec_cli.errors import shown

    text = f"{_counted(corpus.train)} to train on, {_counted(corpus.valid)} to validate on"
    if corpus.held_out:
        text += f", held out: {shown(corpus.held_out)} (--valid names others)"
    if corpus.unreadable:
        n = len(corpus.unreadable)
        text += f"; {n} left out that cannot be read ({shown(os.fspath(corpus.unreadable[0]))}"
        text += ", ...)" if n > 1 else ")"
    return text


def _counted(recordings: list[TrainingRecording]) -> str:
    n, seconds = len(recordings), sum(r.seconds for r in recordings)
    units = ((3600, "h"), (60, "min"), (1, "s"))
    unit, name = next((unit for unit in units if seconds >= 2 * unit[0]), units[-1])
    return f"{n} recording{'s' * (n != 1)} ({seconds / unit:.1f} {name})"


def _run(training: Training, folder: Path, device: str, quiet: bool, **limits: Any) -> tuple[int, int | None]:
    """Train; the steps done, and the signal that ended it, if one did."""
    from sparsecodec_cli.train import run_folder
    from sparsecodec_cli.train.live_line import TrainingLine, figures
    from sparsecodec_cli.train.sample_pages import pick_excerpts, write_page
    from sparsecodec_cli.train.stop_signals import StopSignals
    from sparsecodec_models.training.loop import Watch

    def sample(line: dict[str, Any]) -> None:
        codec = api.load_codec(os.fspath(folder / run_folder.WEIGHTS), device=device)
        excerpts = pick_excerpts(training.corpus.valid, codec.model_rate)
        write_page(folder / run_folder.SAMPLES, line["step"], figures(line), excerpts, codec)

    with (
        StopSignals(quiet=quiet) as signals,
        TrainingLine(training.plan.steps, training.first_step, quiet=quiet) as shown,
    ):
        watch = Watch(shown.step, shown.line, sample, signals.asked)
        return training.run(run_folder.RunFolder(folder), watch=watch, **limits), signals.number
