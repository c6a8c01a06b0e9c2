"""What a run over many files tells while it goes on and at its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from sparsecodec_cli.io.progress import note

if TYPE_CHECKING:
    from sparsecodec_cli.batch.results import Job, Outcome


class Told:
    """Prints outcomes as they come, or in the order of the jobs, and draws one bar over all."""

    def __init__(
        self, jobs: Sequence[Job], *, in_order: bool, quiet: bool, draw: Callable[[float, str], None] | None
    ) -> None:
        self._jobs, self._in_order, self._quiet, self._draw = jobs, in_order, quiet, draw
        self._outcomes: list[Outcome | None] = [None] * len(jobs)
        self._n_printed = 0
        self._share = [0.0] * len(jobs)  # done of each

    def of_progress(self, number: int, share: float) -> None:
        self._share[number] = max(share, self._share[number])
        if self._draw is not None:
            weights = [max(1, job.n_bytes) for job in self._jobs]
            done = sum(weight * share for weight, share in zip(weights, self._share, strict=True)) / sum(weights)
            n_done = sum(outcome is not None for outcome in self._outcomes)
            self._draw(done, f"{n_done} of {len(self._jobs)} files")

    def of_outcome(self, number: int, outcome: Outcome) -> None:
        """UsageError where the options are wrong, so that all other jobs would come to the same."""
        if outcome.usage_error is not None:
            raise click.UsageError(outcome.usage_error, click.get_current_context(silent=True))
        self._outcomes[number] = outcome
        if not self._in_order:
            self._print(outcome)
        while self._in_order and self._n_printed < len(self._jobs):
            following = self._outcomes[self._n_printed]
            if following is None:
                break
            self._print(following)
            self._n_printed += 1
        self.of_progress(number, 1.0)

    def _print(self, outcome: Outcome) -> None:
        if outcome.printed:
            click.echo(outcome.printed, nl=False)
        for line in outcome.notes:
            note(line, quiet=self._quiet)

    def outcomes(self) -> list[Outcome]:
        """Of all jobs, in their order."""
        return [outcome for outcome in self._outcomes if outcome is not None]

    def at_the_end(self, n_passed_over: int, said: str) -> int:
        """Tell what failed, and how many files there were; returns how many failed.

        said: of files that failed.
        """
        outcomes = self.outcomes()
        counts = {status: sum(outcome.status == status for outcome in outcomes) for status in ("skipped", "failed")}
        for outcome in outcomes:
            if outcome.error is not None and not outcome.printed:
                click.echo(f"sic: {outcome.error}", err=True)
        n, n_failed = len(outcomes), counts["failed"]
        parts = [f"{n_failed} of {n} files {said}"] if n_failed else [f"{n} file{'s' * (n != 1)}"]
        if counts["skipped"]:
            parts.append(f"{counts['skipped']} were there already")
        if n_passed_over:
            parts.append(f"{n_passed_over} other{'s' * (n_passed_over != 1)} passed over")
        line = f"sic: {', '.join(parts)}"
        if n_failed:
            if n > 1:
                click.echo(line, err=True)
        elif not self._in_order or len(parts) > 1:  # what is printed in order needs no count
            note(line, quiet=self._quiet)
        return n_failed
