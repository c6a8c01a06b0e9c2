"""Runs the bench at several bitrates and efforts, for docs/scripts/rate_quality.py.

    python docs/scripts/measure_rates.py OUT_DIR [--rates 0.8 1.2 ...] [--efforts 0 3 ...] [--limit N]

Leaves OUT_DIR/rate-KBPS.json (`sic encode --bitrate KBPS`), OUT_DIR/effort-N.json (`sic encode --effort N`, at the
default rate, or the one that --effort-rate gives), and the bench's tables in OUT_DIR/log.txt. Results that are there
are passed over, so a run that was broken off goes on where it stopped. `sic` is the one beside this Python, which needs
../shared/bench/requirements.txt too.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RATES = (0.8, 1.2, 1.6, 2.0, 2.4, 3.2, 4.8, 6.0)
EFFORTS = tuple(range(10))


def measure(bench: Path, out: Path, name: str, options: str, limit: int | None) -> bool:
    """One run of the bench; whether it went well. The result appears whole or not at all."""
    result, part = out / f"{name}.json", out / f"{name}.json.part"
    if result.exists():
        say(out, f"{name}: is there already")
        return True
    command = [sys.executable, str(bench), f"sic {options}", f"sic encode {{in}} {{bit}} -q {options}"]
    command += ["sic decode {bit} {out} -q", "--json", str(part)]
    if limit is not None:
        command += ["--limit", str(limit)]
    say(out, f"{name}: {shlex.join(command)}")
    start = time.monotonic()
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = {"OMP_NUM_THREADS": "1"} | os.environ | {"PATH": path}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
    say(out, f"{done.stdout}{name}: exit {done.returncode} after {time.monotonic() - start:.0f} s")
    if done.returncode:
        part.unlink(missing_ok=True)
        return False
    part.rename(result)
    return True


def say(out: Path, text: str) -> None:
    line = f"{time.strftime('%H:%M:%S')} {text}"
    print(line, flush=True)
    with (out / "log.txt").open("a") as log:
        print(line, file=log)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--rates", type=float, nargs="*", default=RATES, metavar="KBPS")
    parser.add_argument("--efforts", type=int, nargs="*", default=EFFORTS, metavar="N")
    parser.add_argument("--effort-rate", type=float, metavar="KBPS", help="the bitrate to compare efforts at")
    parser.add_argument("--limit", type=int, metavar="N", help="clips a speaker, for a try")
    parser.add_argument("--bench", type=Path, default=ROOT.parent / "shared" / "bench" / "bench.py")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    at_rate = "" if args.effort_rate is None else f" --bitrate {args.effort_rate:g}"
    runs = {f"rate-{rate:g}": f"--bitrate {rate:g}" for rate in args.rates}
    runs |= {f"effort-{effort}": f"--effort {effort}{at_rate}" for effort in args.efforts}
    failed = [name for name, options in runs.items() if not measure(args.bench, args.out, name, options, args.limit)]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}; see {args.out / 'log.txt'}")


if __name__ == "__main__":
    main()
