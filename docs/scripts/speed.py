"""How fast sic is, beside its peers, in one run on one machine and one core; and the table of what was asked of it.

    python docs/scripts/speed.py OUT_DIR --peers PEERS/bin/python            # about an hour on a quiet machine
    python docs/scripts/speed.py OUT_DIR --peers PEERS/bin/python --asked    # one to two hours; 2 GB of disk meanwhile
    python docs/scripts/speed.py OUT_DIR --most-seconds 6 --repeats 1 --clips 6 [--asked]    # to try it

The first writes speed.json, speed.md and speed.svg (cost over length), the second asked.json and asked.md; both print
the tables. Nothing else should run beside it. Figures are medians by CPU time, with those by the wall's in brackets;
repetitions of all contestants take turns, so that what slows the machine slows all alike.

Contestants: `speech` at its own bitrate and `music` at 3 kbit/s, at effort 0 and at the default; `reference`; Encodec,
SNAC, DAC and Mimi (speed_worker.py) in an environment of their own; opusenc and opusdec; c2enc and c2dec, these only as
whole processes. What is not installed is left out, and named. For the peers:

    python -m venv PEERS
    PEERS/bin/pip install torch==2.13.0 encodec==0.1.1 snac==1.2.1 descript-audio-codec==1.0.0
    PEERS/bin/pip install einops==0.8.2 huggingface-hub==2.4.0 safetensors==0.8.0 sentencepiece==0.2.3
    PEERS/bin/pip install --no-deps moshi==0.2.13
    apt-get install opus-tools codec2

Each contestant has one thread and, where the system lets it choose, one core; only --jobs has all. It needs a POSIX
system, and matplotlib for the picture. In a source tree: PYTHONPATH=.:models:formats.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path

import speed_asked
from speed_bench import Failed, Run, Runs, Work, Worker, available_cores, in_turn, stay_on, write_joined
from speed_codecs import CLIP_S, FASTEST, Contestant, all_contestants
from speed_tables import draw_lengths, slope_table, warm_table, whole_table

LONG_S = 30.0  # of a whole process; of a clip's, nearly all is start
LENGTHS_S = (1.0, 3.0, 10.0, 60.0, 600.0, 3600.0)
SEVERAL_UP_TO_S = 60.0  # longer ones are measured once
JOINED_FROM_S = 60.0  # a longer .sic file is one of these over and over


def measure(
    folder: Path,
    contestants: Sequence[Contestant],
    *,
    repeats: int,
    most_s: float,
    note: Callable[[str], None],
) -> tuple[Runs, dict[str, str], dict[str, str]]:
    """Warm, whole processes and lengths: runs; what was left out, with why; what the workers are.

    folder: for files; most_s: no sound is longer.
    """
    runs, left_out, about = Runs(), dict[str, str](), dict[str, str]()
    with ExitStack() as stack:
        warm: dict[str, Work] = {}
        for contestant in contestants:
            try:
                contestant.check()
                if contestant.worker:
                    worker = stack.enter_context(Worker(contestant.worker))
                    about[contestant.name] = worker.about
                    warm[contestant.name] = partial(contestant.warm, worker, folder, min(contestant.warm_s, most_s))
            except Failed as failure:
                left_out[contestant.name] = str(failure)
                note(f"{contestant.name}: left out: {failure}")
        plans = [(warm, repeats)]
        for seconds in sorted({min(CLIP_S, most_s), min(LONG_S, most_s)}):
            plans.append(
                ({c.name: partial(c.whole, folder, seconds, "whole") for c in those(contestants, seconds)}, repeats)
            )
        # one setting of a preset is enough to see how its cost grows
        settled = [c for c in contestants if c.extension != ".sic" or c in FASTEST.values()]
        for seconds in (seconds for seconds in LENGTHS_S if seconds <= most_s):
            works = {c.name: partial(at_length, c, folder, seconds) for c in those(settled, seconds)}
            plans.append((works, repeats if seconds <= SEVERAL_UP_TO_S else 1))
        for works, n in plans:
            there = {name: work for name, work in works.items() if name not in left_out}
            made, failed = in_turn(there, n, note, warm_up=n > 1)
            runs += made
            left_out |= failed
    return runs, left_out, about


def those(contestants: Sequence[Contestant], seconds: float) -> list[Contestant]:
    """Who gets sounds so long."""
    return [contestant for contestant in contestants if seconds <= contestant.up_to_s]


def at_length(contestant: Contestant, folder: Path, seconds: float) -> list[Run]:
    """Whole processes; of sic, a long file to decode is a short one's events over and over."""
    coded = None
    if contestant.extension == ".sic" and seconds > JOINED_FROM_S:
        minute = folder / f"{contestant.file_name}-minute.sic"
        if not minute.exists():
            contestant.code(folder, JOINED_FROM_S, minute)
        coded = write_joined(folder / f"{contestant.file_name}-joined.sic", minute, seconds)
    return contestant.whole(folder, seconds, "length", coded)


def machine() -> dict[str, str]:
    """What the figures depend on besides the programs."""
    info = Path("/proc/cpuinfo")
    names = (
        [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        if info.exists()
        else []
    )
    blas = {name: value for name, value in os.environ.items() if name.startswith("OPENBLAS_")}
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": str(os.cpu_count()),
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "torch")},
        **blas,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--peers", metavar="PYTHON", help="of the environment with the neural peers")
    parser.add_argument("--asked", action="store_true", help="measure the table of what was asked instead")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--clips", type=int, default=1000, help="for --jobs, with --asked")
    parser.add_argument("--most-seconds", type=float, default=math.inf, help="no sound is longer")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="contestants: speech, music, reference, encodec, …")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    cores = available_cores()
    stay_on({max(cores)} if cores else set())

    def note(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="sic-speed-") as name:
        folder = Path(name)
        if args.asked:
            lengths = speed_asked.Lengths.up_to(args.most_seconds)
            runs, left_out, about = speed_asked.measure(
                folder, args.peers, lengths, n_clips=args.clips, repeats=args.repeats, cores=cores, note=note
            )
            tables = [speed_asked.asked_table(speed_asked.rows_of(runs, lengths, args.clips))]
        else:
            contestants = all_contestants(args.peers)
            if args.only:
                contestants = [c for c in contestants if c.name.split(",")[0] in args.only]
            runs, left_out, about = measure(
                folder, contestants, repeats=args.repeats, most_s=args.most_seconds, note=note
            )
            clip_s, long_s = min(CLIP_S, args.most_seconds), min(LONG_S, args.most_seconds)
            tables = [warm_table(runs), whole_table(runs, clip_s, long_s), slope_table(runs)]
            draw(runs, args.out / "speed.svg")
    if left_out:
        tables.append("Left out: " + "; ".join(f"{name} ({why})" for name, why in left_out.items()) + ".")
    stem = args.out / ("asked" if args.asked else "speed")
    facts = {"machine": machine(), "about": about, "left_out": left_out, "runs": [asdict(run) for run in runs]}
    stem.with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n")
    stem.with_suffix(".md").write_text("\n\n".join(tables) + "\n")
    print("\n\n".join(tables))


def draw(runs: Runs, path: Path) -> None:
    from rate_quality import save

    save(draw_lengths(runs), path)


if __name__ == "__main__":
    main()
