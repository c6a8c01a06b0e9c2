"""Commands of one file as commands of many.

    @click.command(name="encode")
    @many_files(ManyFiles(…))
    def command(input_path, output_path, …): ...     # one file

With one input the function is called as it is. Of more, each is a job of `sparsecodec_cli.batch`, in which the same
function is called with its paths.
"""

from __future__ import annotations

import functools
import inspect
import os
import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from .file_work import FUNCTIONS, FileWork, ManyFiles, are_recordings
from .options import FILE, FOLDER, F, force_option
from .told import Told

if TYPE_CHECKING:
    from sparsecodec_cli.batch.plan import Plan
    from sparsecodec_cli.batch.results import Job


OWN_RAY = "this machine's"


class RayAddress(click.ParamType):
    """Of a Ray cluster. A path is refused: an option with an optional value takes the word that follows."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value not in (OWN_RAY, "auto") and not re.fullmatch(r"(ray://)?[A-Za-z0-9_.\[\]:-]+:[0-9]{1,5}", value):
            self.fail(f"{value!r} is no address, such as HOST:PORT; give files before --ray.", param, ctx)
        return str(value)


def many_files(how: ManyFiles) -> Callable[[F], F]:
    """Arguments and options for one input or many. The function that is decorated does one: `input_path`, and
    `output_path` where the command writes, `reference_path` where it compares."""

    def decorate(function: F) -> F:
        FUNCTIONS[function.__module__] = function, how
        has_force = "force" in inspect.signature(function).parameters

        @functools.wraps(function)
        def run(
            paths: tuple[str, ...],
            recursive: bool,
            n_jobs: int | None,
            report_path: str | None,
            out_dir: str | None = None,
            skip_existing: bool = False,
            ray_address: str | None = None,
            **options: Any,
        ) -> Any:
            force = bool(options["force"] if has_force else options.pop("force"))
            many = _Many(
                click.get_current_context(), function.__module__, how, paths, options,
                recursive, n_jobs, report_path, out_dir, skip_existing, force, ray_address,
            )  # fmt: skip
            return function(**many.paths_of_one(), **options) if many.is_one else many.run()

        given: Any = run if has_force else force_option("Overwrite the file of --report-json if it exists.")(run)
        for option in reversed(_options_for(how)):
            given = option(given)
        decorated: F = click.argument("paths", metavar=how.metavar, type=FILE, nargs=-1, required=True)(given)
        return decorated

    return decorate


def _options_for(how: ManyFiles) -> list[Callable[[Any], Any]]:
    writing = [
        click.option(
            "--out-dir",
            type=FOLDER,
            metavar="DIR",
            help="Write the output of every IN into this folder, which is made if need be.",
        ),
        click.option(
            "--skip-existing",
            is_flag=True,
            help="Leave outputs alone that are in DIR and whole; what is not whole is made anew.",
        ),
    ]
    on_ray = [
        click.option(
            "--ray",
            "ray_address",
            is_flag=False,
            flag_value=OWN_RAY,
            type=RayAddress(),
            metavar="[ADDRESS]",
            help="Work on the machines of a Ray cluster, which must all see the files. Without ADDRESS, the Ray that"
            " runs on this machine, or one that is started.",
        )
    ]
    return [
        click.option("-r", "--recursive", is_flag=True, help=f"Take folders: all {how.kind} in them and below."),
        *(writing if how.writes is not None else []),
        click.option(
            "--jobs",
            "n_jobs",
            type=click.IntRange(min=1),
            metavar="N",
            help="Work on so many files at a time, each in a process of its own. [default: 1; with --ray as many as it"
            " has processors]"
            if how.writes is not None
            else "Work on so many files at a time, each in a process of its own. [default: 1]",
        ),
        *(on_ray if how.writes is not None else []),
        click.option(
            "--report-json",
            "report_path",
            type=FILE,
            metavar="FILE",
            help="Write to FILE what came of each file. The keys of this JSON stay the same from version to version.",
        ),
    ]


class _Many(NamedTuple):
    """A command as it was given."""

    ctx: click.Context
    module: str
    how: ManyFiles
    paths: tuple[str, ...]
    options: dict[str, Any]
    recursive: bool
    n_jobs: int | None
    report_path: str | None
    out_dir: str | None
    skip_existing: bool
    force: bool
    ray_address: str | None

    @property
    def is_one(self) -> bool:
        """Whether this is the command as it is for one file, where '-' and OUT are what they are."""
        if self.recursive or self.report_path is not None or self.out_dir is not None:
            return False
        return self.how.writes is not None or len(self.paths) == (2 if self.how.compares else 1)

    def paths_of_one(self) -> dict[str, str | None]:
        """The arguments of the command's function that are paths. UsageError where there are too many."""
        if self.how.compares:
            return {"reference_path": self.paths[0], "input_path": self.paths[1]}
        if self.how.writes is None:
            return {"input_path": self.paths[0]}
        if len(self.paths) > 2:
            self._refuse("Several IN need --out-dir, the folder for their outputs.")
        for option, is_given in (
            ("--skip-existing", self.skip_existing),
            ("--jobs", self.n_jobs is not None),
            ("--ray", self.ray_address is not None),
        ):
            if is_given:
                self._refuse(f"{option} goes with --out-dir.")
        output_path = self.paths[1] if len(self.paths) == 2 else None
        if output_path is not None and self.how.check_output is not None:
            self.how.check_output(self.ctx, output_path)
        return {"input_path": self.paths[0], "output_path": output_path}

    def run(self) -> None:
        """Do all files, and exit with 1 if one failed. UsageError and CliError for what cannot be, before any is
        done."""
        self._check()
        from sparsecodec_cli.batch import plan, ray_workers, results
        from sparsecodec_cli.io.files import open_output
        from sparsecodec_cli.io.progress import bar

        planned = self._plan()
        jobs, quiet = planned.jobs, bool(self.options.get("quiet"))
        work = FileWork(self.module, self._options_anywhere() | self._threads_each(len(jobs)), self.skip_existing)
        order = list(range(len(jobs)))
        if self.how.writes is not None:  # else the last worker might be alone with the longest
            order.sort(key=lambda number: -jobs[number].n_bytes)
        with ExitStack() as opened:
            report = None
            if self.report_path is not None:
                inputs = [job.input for job in jobs]
                report = opened.enter_context(open_output(self.report_path, force=self.force, input_paths=inputs))
            opened.enter_context(plan.folders_for(jobs))
            if self.ray_address is not None:
                opened.enter_context(ray_workers.silent_core())
            draw = opened.enter_context(bar(f"0 of {len(jobs)} files", quiet=quiet))
            told = Told(jobs, in_order=self.how.writes is None, quiet=quiet, draw=draw)
            self._work(jobs, order, work, told)
            if report is not None:
                text = results.as_json(self.ctx.info_name or "", jobs, told.outcomes(), planned.n_passed_over)
                report.write(text.encode())
        n_failed = told.at_the_end(planned.n_passed_over, self.how.said)
        self.ctx.exit(1 if n_failed else 0)

    def _work(self, jobs: Sequence[Job], order: Sequence[int], work: FileWork, told: Told) -> None:
        from sparsecodec_cli.batch import ray_workers, workers

        if self.ray_address is not None:
            ray_workers.run_on_ray(
                None if self.ray_address == OWN_RAY else self.ray_address,
                jobs,
                order,
                work,
                self.n_jobs,
                told.of_outcome,
                replaces=self.force or self.skip_existing,
                needs_gpu=self.options["device"] == "cuda",
            )
        elif self.n_jobs is None or self.n_jobs == 1:
            workers.run_here(jobs, order, work, told.of_outcome, told.of_progress)
        else:
            n_workers = min(self.n_jobs, len(jobs))
            workers.run_beside(jobs, order, work, n_workers, told.of_outcome, told.of_progress)

    def _options_anywhere(self) -> dict[str, Any]:
        """With the path of a model that does not hang on the folder that this program runs in."""
        model = self.options.get("model")
        if model is None or not os.path.isfile(model):
            return self.options
        return self.options | {"model": os.path.abspath(model)}

    def _threads_each(self, n_files: int) -> dict[str, Any]:
        """The option of that name, where there is one and it is not given, for each of the files that are worked on at
        a time."""
        if "threads" not in self.options or self.options["threads"] is not None:
            return {}
        from sparsecodec_models.threads import usual_threads

        if self.ray_address is not None:
            return {"threads": 1}  # of a cluster, each worker has one processor
        return {"threads": usual_threads(max(1, min(self.n_jobs or 1, n_files)))}

    def _check(self) -> None:
        if self.how.writes is not None:
            if self.out_dir is None:
                self._refuse("Several IN, -r and --report-json need --out-dir, the folder for outputs.")
            if self.skip_existing and self.force:
                self._refuse("Give --skip-existing or --force, not both.")
        if self.ray_address is not None:
            from sparsecodec_cli.extras import check_installed

            check_installed("--ray", "ray")
        for name in self.how.of_one:
            if self.options[name] not in (None, False):
                option = next(param.opts[0] for param in self.ctx.command.params if param.name == name)
                self._refuse(f"{option} is for one file alone.")
        if self.how.compares and len(self.paths) < 2:
            self._refuse("Missing X, which is compared with REF.")
        if self.how.compares and self.recursive and len(self.paths) > 2:
            self._refuse("With -r, give two folders: one of recordings, one of what came of them.")

    def _refuse(self, message: str) -> None:
        raise click.UsageError(message, self.ctx)

    def _plan(self) -> Plan:
        from sparsecodec_cli.batch import plan

        wanted = _ends_in(self.how.extensions(self.options))
        if self.how.compares:
            reference, *others = self.paths
            if self.recursive:
                recordings = _ends_in(are_recordings(self.options))
                return plan.plan_pairs(reference, others[0], recordings, wanted, self.how.kind)
            return plan.plan_beside(reference, others, wanted, self.how.kind)
        return plan.plan(
            self.paths,
            recursive=self.recursive,
            wanted=wanted,
            kind=self.how.kind,
            out_dir=self.out_dir,
            extension="" if self.how.writes is None else self.how.writes(self.options),
        )


def _ends_in(extensions: set[str]) -> Callable[[str], bool]:
    return lambda name: os.path.splitext(name)[1][1:].lower() in extensions
