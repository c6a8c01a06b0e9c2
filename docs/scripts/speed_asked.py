"""The table of what was asked of sic's speed: how each row is measured, and whether it is reached."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from speed_bench import Failed, Run, Runs, Work, Worker, in_turn, measured, write_joined, write_sound
from speed_codecs import CLIP_S, DEFAULT, KBPS, SIC, of_network
from speed_tables import BASE, CLOCKS, length_name, markdown, ratio, two

MODE = "asked"
PLACES = (0.01, 0.5, 0.99)  # of the long file, where a part is taken from


@dataclass(frozen=True)
class Lengths:
    """Seconds of sound that rows are measured on."""

    long_s: float
    short_s: float
    read_s: float
    minute_s: float
    part_s: float
    fastest_s: float
    default_s: float

    @classmethod
    def up_to(cls, most_s: float) -> Lengths:
        """Those of the issue, but none more than most_s."""
        long_s, minute_s = min(10_800.0, most_s), min(60.0, most_s)
        return cls(
            long_s=long_s,
            short_s=min(180.0, long_s / 4),
            read_s=min(600.0, most_s),
            minute_s=minute_s,
            part_s=min(5.0, minute_s / 3),
            fastest_s=min(60.0, most_s),
            default_s=min(20.0, most_s),
        )


class PresetWorks:
    """What is measured of a preset, on files in a folder of its own, which making this one makes."""

    def __init__(self, preset: str, folder: Path, lengths: Lengths, n_clips: int) -> None:
        self._preset, self._folder, self._lengths, self._n_clips = preset, folder, lengths, n_clips
        self._clips, rate = folder / "clips", DEFAULT[preset].rate
        self._kbps = KBPS[preset]
        self._rate_flags = [] if self._kbps is None else ["--bitrate", str(self._kbps)]
        self._clips.mkdir(parents=True)
        for i in range(n_clips):
            write_sound(self._clips / f"{i:04d}.wav", preset, rate, CLIP_S, start_s=0.7 * i)
        audio_s = {name: getattr(lengths, f"{name}_s") for name in ("minute", "short", "long", "fastest", "default")}
        for name, seconds in ({"clip": CLIP_S} | audio_s).items():
            write_sound(self._file(f"{name}.wav"), preset, rate, seconds)
        for name in ("clip", "minute"):
            flags = ("--model", preset, *self._rate_flags)
            self._sic("prepare", 0.0, "encode", self._file(f"{name}.wav"), self._file(f"{name}.sic"), *flags)
        for name in ("read", "short", "long"):
            write_joined(self._file(f"{name}.sic"), self._file("minute.sic"), getattr(lengths, f"{name}_s"))

    def _file(self, name: str) -> Path:
        return self._folder / name

    def _sic(self, task: str, sound_s: float, *args: object, cores: set[int] | None = None) -> list[Run]:
        """A process of `sic`."""
        return [measured([*SIC, *map(str, args)], self._preset, task, MODE, sound_s, cores)]

    def repeated(self, worker: Worker) -> dict[str, Work]:
        """Short ones. worker: of the preset."""
        lengths, out = self._lengths, self._file("out.wav")
        works: dict[str, Work] = {
            "decode": partial(self._sic, "decode", CLIP_S, "decode", self._file("clip.sic"), out, "-f"),
            # as a user types it: without --model, and with what is said at the end
            "encode": partial(
                self._sic, "encode", CLIP_S,
                "encode", self._file("clip.wav"), self._file("out.sic"), "-f", *self._rate_flags,
            ),
            "inspect": partial(self._sic, "inspect", CLIP_S, "inspect", self._file("clip.sic")),
            "part of a minute": partial(self._part, "minute", lengths.minute_s, 0.5),
            "read and decode": lambda: [
                worker.ask(
                    self._preset, "read and decode", MODE, lengths.read_s,
                    do="decode", coded=str(self._file("read.sic")),
                )
            ],
        }  # fmt: skip
        for place in PLACES:
            works[f"part at {place:.0%}"] = partial(self._part, "long", lengths.long_s, place)
        for name, effort, seconds in (("fastest", 0, lengths.fastest_s), ("default", None, lengths.default_s)):
            works[f"encode {name}"] = partial(self._encode_warm, worker, name, effort, seconds)
        return {f"{self._preset}, {name}": work for name, work in works.items()}

    def _encode_warm(self, worker: Worker, name: str, effort: int | None, seconds: float) -> list[Run]:
        options = {"effort": effort, "bitrate_kbps": self._kbps}
        audio = str(self._file(f"{name}.wav"))
        task = f"encode {name}"
        return [worker.ask(self._preset, task, MODE, seconds, do="encode", audio=audio, options=options)]

    def _part(self, name: str, whole_s: float, place: float) -> list[Run]:
        start_s = place * (whole_s - self._lengths.part_s)
        span = ("--start", f"{start_s:.3f}", "--end", f"{start_s + self._lengths.part_s:.3f}")
        task = f"part of {name} at {place:.0%}"
        return self._sic(task, whole_s, "decode", self._file(f"{name}.sic"), self._file("out.wav"), "-f", "-q", *span)

    def once(self, cores: set[int]) -> dict[str, Work]:
        """Long ones. cores: all that the machine has, for --jobs."""
        works: dict[str, Work] = {}
        for name, seconds in (("short", self._lengths.short_s), ("long", self._lengths.long_s)):
            coded, flags = self._file("out.sic"), ("--model", self._preset, "--effort", 0, "-f", "-q")
            works[f"encode {name}"] = partial(
                self._sic, f"encode {name}", seconds,
                "encode", self._file(f"{name}.wav"), coded, *flags, *self._rate_flags,
            )  # fmt: skip
            works[f"decode {name}"] = partial(
                self._sic, f"decode {name}", seconds,
                "decode", self._file(f"{name}.sic"), self._file("out.wav"), "-f", "-q",
            )  # fmt: skip
        for jobs in (1, 2):
            works[f"--jobs {jobs}"] = partial(self._many, jobs, cores)
        return {f"{self._preset}, {name}": work for name, work in works.items()}

    def _many(self, jobs: int, cores: set[int]) -> list[Run]:
        """At effort 0, where what a process must do besides encoding weighs most."""
        out = self._folder / "many"
        shutil.rmtree(out, ignore_errors=True)
        flags = ("--model", self._preset, "--effort", 0, "--jobs", jobs, "-q", *self._rate_flags)
        sound_s = CLIP_S * self._n_clips
        return self._sic(f"--jobs {jobs}", sound_s, "encode", "-r", self._clips, "--out-dir", out, *flags, cores=cores)


def measure(
    folder: Path,
    peers: str | None,
    lengths: Lengths,
    *,
    n_clips: int,
    repeats: int,
    cores: set[int],
    note: Callable[[str], None],
) -> tuple[Runs, dict[str, str], dict[str, str]]:
    """All that the rows need; what did not work, with its message; what the workers are.

    peers: as for `all_contestants`; cores: all that the machine has.
    """
    repeated: dict[str, Work] = {"--help": lambda: [measured([*SIC, "--help"], "sic", "--help", MODE, 0.0)]}
    once: dict[str, Work] = {}
    about, left_out = dict[str, str](), dict[str, str]()
    with ExitStack() as stack:
        if peers is not None:
            base = of_network(BASE, peers)
            try:
                worker = stack.enter_context(Worker(base.worker))
            except Failed as failure:
                left_out[BASE] = str(failure)
            else:
                about[BASE] = worker.about
                repeated[BASE] = partial(base.warm, worker, folder, min(base.warm_s, lengths.minute_s))
        for preset in KBPS:
            note(f"{preset}: making the files")
            works = PresetWorks(preset, folder / preset, lengths, n_clips)
            worker = stack.enter_context(Worker(DEFAULT[preset].worker))
            about[preset] = worker.about
            repeated |= works.repeated(worker)
            once |= works.once(cores)
        runs, failed = in_turn(repeated, repeats, note)
        long_runs, long_failed = in_turn(once, 1, note, warm_up=False)
    return Runs(runs + long_runs), left_out | failed | long_failed, about


# what came out


@dataclass(frozen=True)
class Row:
    """limit: what was asked, at most or at least; None: nothing was. values: by CPU time and by the wall's, or one."""

    what: str
    unit: str
    values: Sequence[float | None]
    limit: float | None = None
    at_most: bool = True

    @property
    def is_missed(self) -> bool:
        """By whatever clock."""
        if self.limit is None:
            return False
        known = [value for value in self.values if value is not None]
        return any(value > self.limit if self.at_most else value < self.limit for value in known)

    def cells(self) -> list[str]:
        asked = "–" if self.limit is None else f"{'≤' if self.at_most else '≥'} {self.limit:g} {self.unit}"
        got = two(*self.values, digits=2) if len(self.values) == 2 else f"{self.values[0] or 0:.2f}"
        if all(value is None for value in self.values):
            return [self.what, asked, "not measured"]
        got = f"{got} {self.unit}"
        return [self.what, asked, f"**{got}**" if self.is_missed else got]


def rows_of(runs: Runs, lengths: Lengths, n_clips: int) -> list[Row]:
    """The rows of the issue's table, for `sic`, `speech` and `music`."""
    rows = [Row("sic --help", "s", _times(runs, "sic", "--help"), 0.08)]
    for preset in KBPS:
        rows += _preset_rows(runs, preset, lengths, n_clips)
    return rows


def _preset_rows(runs: Runs, preset: str, lengths: Lengths, n_clips: int) -> list[Row]:
    """music was asked for less here and there: where it was asked for nothing of its own, there is no limit."""
    speech = preset == "speech"
    times = partial(_times, runs, preset)
    speeds = partial(_speeds, runs, preset, MODE)
    base = {task: _speeds(runs, BASE, "warm", task) for task in ("encode", "decode")}
    read, fastest = speeds("read and decode"), speeds("encode fastest")
    minute = times(f"part of minute at {0.5:.0%}")
    parts = [times(f"part of long at {place:.0%}") for place in PLACES]
    more = [_difference(_most(values), one) for *values, one in zip(*parts, minute, strict=True)]
    long, short = length_name(lengths.long_s), length_name(lengths.short_s)
    jobs = [runs.of(preset, f"--jobs {n}", MODE).median("wall_s") for n in (1, 2)]
    rows = [
        Row(f"decode, whole process, {CLIP_S:g} s", "s", times("decode"), 0.40),
        Row(
            f"read and decode, warm, {length_name(lengths.read_s)}", "× real time", read, None if speech else 100, False
        ),
        Row("the same", "× Encodec's", _ratios(read, base["decode"]), 20 if speech else None, False),
        Row(f"encode, effort 0, warm, {lengths.fastest_s:g} s", "× real time", fastest, None, False),
        Row("the same", "× Encodec's", _ratios(fastest, base["encode"]), 5 if speech else None, False),
        Row(
            f"encode, default effort, warm, {lengths.default_s:g} s",
            "× real time",
            speeds("encode default"),
            6 if speech else 2,
            False,
        ),
        Row(f"encode, whole process, {CLIP_S:g} s", "s", times("encode"), 1.8 if speech else None),
        Row(f"sic inspect, {CLIP_S:g} s", "s", times("inspect"), 0.15),
        Row(f"{n_clips} clips of {CLIP_S:g} s, --jobs 2 against 1, wall", "×", [ratio(*jobs)], 1.7, False),
        Row(f"{lengths.part_s:g} s out of {long}, more than out of {length_name(lengths.minute_s)}", "s", more, 0.2),
    ]
    for task in ("encode", "decode"):
        peaks = [runs.of(preset, f"{task} {name}", MODE).median("peak_mb") for name in ("long", "short")]
        rows.append(Row(f"peak memory, {task}, {long} against {short}", "×", [ratio(*peaks)], 1.15))
    return [Row(f"{preset}: {row.what}", row.unit, row.values, row.limit, row.at_most) for row in rows]


def _times(runs: Runs, contestant: str, task: str) -> list[float | None]:
    return [runs.of(contestant, task, MODE).median(clock) for clock in CLOCKS]


def _speeds(runs: Runs, contestant: str, mode: str, task: str) -> list[float | None]:
    return [runs.of(contestant, task, mode).speed(clock) for clock in CLOCKS]


def _ratios(above: Sequence[float | None], below: Sequence[float | None]) -> list[float | None]:
    return list(map(ratio, above, below))


def _most(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return max(known) if len(known) == len(values) else None


def _difference(more: float | None, less: float | None) -> float | None:
    return None if more is None or less is None else more - less


def asked_table(rows: Sequence[Row]) -> str:
    return markdown(["", "asked", "got: by CPU time (by the wall's)"], [row.cells() for row in rows])
