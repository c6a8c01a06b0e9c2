"""A long campaign of hostile files against the readers and decoders; `support/hostile.py` makes the files.

    python tests/fuzz/campaign.py --minutes 8 --seed 1

Every input has a limit of time and of memory. An input that breaks a rule is a finding: its bytes go to the folder
--findings with a text that says what happened, and the exit code is 1. The input at work is always in the file
`current` of that folder, so that it is there when a library brings the process down.
"""

from __future__ import annotations

import argparse
import faulthandler
import io
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import FrameType

HERE = Path(__file__).resolve()
ROOT = HERE.parents[2]
sys.path[:0] = [str(ROOT / part) for part in ("", "models", "formats", "tests/support")]
os.environ.setdefault("OMP_NUM_THREADS", "1")

import hostile  # noqa: E402
import numpy as np  # noqa: E402
import soundfile  # noqa: E402
import torch  # noqa: E402

from sparsecodec_cli.io.audio import SoundFileSource  # noqa: E402
from sparsecodec_formats import EventTable, Header, SicError, loads  # noqa: E402
from sparsecodec_formats.blocks import kernel  # noqa: E402
from sparsecodec_models import Codec, load_codec  # noqa: E402
from sparsecodec_models.audio_source import ModelRateAudio  # noqa: E402
from sparsecodec_models.presets import PRESETS  # noqa: E402
from sparsecodec_models.speech.config import SpeechConfig  # noqa: E402
from sparsecodec_models.speech.model import SpeechModel  # noqa: E402
from sparsecodec_models.weights import preset_of  # noqa: E402

LIMIT_S = 20.0  # of the processor: what other programs take is no fault of an input
LIMIT_MIB = 200.0
ADDRESSES_BYTES = 4 << 30  # beyond what is there at the start; more ends in MemoryError, not in a machine out of memory
RENDERED_S = 0.5  # of a forged file, at its start and around its last event
AUDIO_S = 1.0
SEARCH_VALUES = 2**22  # an audio file that claims more samples than this is read for that long only

Judge = Callable[[bytes], str]


class TooSlow(hostile.Finding):
    """An input takes longer than LIMIT_S."""


# Inputs and their judges


def golden_files() -> list[tuple[str, bytes]]:
    """Names and bytes of all golden .sic files."""
    folders = ROOT / "formats" / "golden", ROOT / "models" / "golden", ROOT / "models" / "golden" / "music"
    return [(path.stem, path.read_bytes()) for folder in folders for path in sorted(folder.glob("*.sic"))]


def render(table: EventTable) -> None:
    """Render both ends of a table with the shipped weights of its preset, whatever weights it asks for."""
    if table.header.model not in ("speech", "music"):
        return
    codec = _codec(table.header.model)
    fits = table.replace(header=_with_weights(table, codec))
    last_s = float(table.time[-1]) if len(table) else 0.0
    for start_s in {0.0, max(0.0, last_s - RENDERED_S / 2)}:
        try:
            blocks = list(codec.decode(fits, start_s=start_s, end_s=start_s + RENDERED_S))
        except SicError as error:
            if "\n" in str(error):
                raise hostile.Finding(f"is refused with {str(error)!r}") from error
            continue
        if not all(np.isfinite(block).all() for block in blocks):
            raise hostile.Finding("decodes to NaN or infinite samples")


def _with_weights(table: EventTable, codec: Codec) -> Header:
    return replace(table.header, weights_hash=codec.weights_hash)


_CODECS: dict[str, Codec] = {}


def _codec(name: str) -> Codec:
    if name not in _CODECS:
        _CODECS[name] = load_codec(name)
    return _CODECS[name]


def sic_damage(rng: np.random.Generator) -> Iterator[tuple[hostile.Made, Judge]]:
    """Golden files, damaged in every way; without end."""
    files = golden_files()
    judges = [hostile.SicJudge(loads(data)) for _, data in files]
    random = [hostile.damage(data, rng) for _, data in files]
    every = [
        (made, judge)
        for (_, data), judge in zip(files, judges, strict=True)
        for make in (hostile.every_block_moved, hostile.every_cut, hostile.every_flip)
        for made in _sample(make(data), 40, rng)
    ]
    yield from (every[i] for i in rng.permutation(len(every)))
    while True:
        i = int(rng.integers(len(files)))
        yield next(random[i]), judges[i]


def _sample(made: Iterator[hostile.Made], n: int, rng: np.random.Generator) -> list[hostile.Made]:
    """At most n of them, spread over all."""
    all_of_them = list(islice(made, 50_000))
    return [all_of_them[i] for i in rng.permutation(len(all_of_them))[:n]]


def sic_forgery(rng: np.random.Generator) -> Iterator[tuple[hostile.Made, Judge]]:
    """Golden files with fields changed and checks to match; without end."""
    made = [hostile.forge(data, rng) for _, data in golden_files()]
    judge = hostile.SicJudge(None, render)
    while True:
        yield next(made[int(rng.integers(len(made)))]), judge


def weights_files(rng: np.random.Generator) -> Iterator[tuple[hostile.Made, Judge]]:
    """Damaged and forged weights of both trained presets; without end."""
    made = {name: hostile.damage_weights(_weights(name), rng) for name in ("speech", "music")}
    tables = {name: loads((ROOT / "models" / "golden" / place).read_bytes()) for name, place in
              (("speech", "example.sic"), ("music", "music/notes.sic"))}  # fmt: skip

    def load(data: bytes) -> Codec:
        return PRESETS.get(preset_of(data) or "speech", PRESETS["speech"]).codec().from_bytes(data)

    def use(codec: Codec) -> None:
        table = tables[codec.name].replace(header=_with_weights(tables[codec.name], codec))
        for block in codec.decode(table, end_s=0.2):
            if not np.isfinite(block).all():
                raise hostile.Finding("weights that are read decode to NaN")

    while True:
        yield (
            next(made["speech" if rng.integers(3) == 0 else "music"]),
            lambda data: hostile.judge_weights(data, load, use),
        )


def _weights(name: str) -> bytes:
    """Of `speech` a small model, whose bytes can be changed quickly; of `music` the shipped weights."""
    if name == "speech":
        return SpeechModel.drawn(0, replace(SpeechConfig(), channels=16, dilations=(1, 2))).to_bytes()
    return (ROOT / "models" / "sparsecodec_models" / "weights" / f"{name}.safetensors").read_bytes()


def audio_files(rng: np.random.Generator) -> Iterator[tuple[hostile.Made, Judge]]:
    """A second of speech in several formats, cut and with bits flipped, mostly in the header; without end."""
    samples, rate = soundfile.read(ROOT / "tests" / "data" / "only-person-en.flac", frames=16_000)
    formats = ("WAV", "PCM_16"), ("WAV", "FLOAT"), ("FLAC", None), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", None), (
        "AIFF", None), ("CAF", None), ("W64", None), ("AU", None)  # fmt: skip
    files = []
    for name, subtype in formats:
        file = io.BytesIO()
        soundfile.write(file, np.stack([samples, samples[::-1]], 1), rate, format=name, subtype=subtype)
        files.append((f"audio {(subtype or name).lower()}", file.getvalue()))
    made = {kind: hostile.damage(data, rng) for kind, data in files}
    heads = {kind: hostile.damage(data[:120], rng) for kind, data in files}
    while True:
        kind, data = files[int(rng.integers(len(files)))]
        match int(rng.integers(4)):
            case 0:
                bad = data[: int(rng.integers(len(data)))]
            case 1:
                bad = next(made[kind])[1]
            case _:
                bad = next(heads[kind])[1] + data[120:]
        yield (kind, bad), judge_audio


def judge_audio(data: bytes) -> str:
    """Read it all at a model's rate; encode it, at effort 0, if it is short enough."""
    try:
        source = SoundFileSource(io.BytesIO(data), "x")
        values = source.n_samples * source.channels * max(1.0, 22_050 / source.sample_rate)
        n_read = 0
        for block in ModelRateAudio(source, 22_050).blocks():
            n_read += block.size
            if n_read > SEARCH_VALUES:
                return "harmless"
            if not np.isfinite(block).all():
                raise hostile.Finding("is read as NaN")
        if values < 4 * AUDIO_S * 22_050 and source.channels < 4 and len(data) % 8 == 0:  # it takes a second
            source.rewind()
            _codec("speech").encode(source, effort=0)
    except SicError as error:
        if "\n" in str(error) or not str(error):
            raise hostile.Finding(f"is refused with {str(error)!r}") from error
        return "refused"
    return "harmless"


SOURCES: dict[str, tuple[Callable[[np.random.Generator], Iterator[tuple[hostile.Made, Judge]]], float]] = {
    # and the share of time that each takes
    "damage": (sic_damage, 0.3),
    "forgery": (sic_forgery, 0.3),
    "weights": (weights_files, 0.2),
    "audio": (audio_files, 0.2),
}


# Limits


class Limits:
    """Runs judges with a limit of time and of memory, and keeps what they find."""

    def __init__(self, findings: Path) -> None:
        self.findings = findings
        self.tried: Counter[str] = Counter()
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.n_findings = 0
        self._seen: set[str] = set()
        findings.mkdir(parents=True, exist_ok=True)
        signal.signal(signal.SIGPROF, _too_slow)
        assert kernel.of_this_thread() is not None  # it takes 4 GiB of addresses, which are none of the limit
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + ADDRESSES_BYTES, -1))

    def judge(self, kind: str, data: bytes, judge: Judge) -> None:
        """Count an input's outcome; a finding is written down, once for each place in the code."""
        (self.findings / "current").write_bytes(data)
        self.tried[kind] += 1
        before = _peak_mib(forget=True)
        faulthandler.dump_traceback_later(30 * LIMIT_S, exit=True)  # for code that no signal reaches
        signal.setitimer(signal.ITIMER_PROF, LIMIT_S)
        try:
            outcome = judge(data)
            signal.setitimer(signal.ITIMER_PROF, 0)
            used = _peak_mib() - before
            if used > LIMIT_MIB:
                raise hostile.Finding(f"takes {used:.0f} MiB")
        except Exception as error:
            signal.setitimer(signal.ITIMER_PROF, 0)
            outcome = "finding"
            self._note(kind, data, error)
        finally:
            faulthandler.cancel_dump_traceback_later()
        self.outcomes[kind, outcome] += 1

    def _note(self, kind: str, data: bytes, error: Exception) -> None:
        text = "".join(traceback.format_exception(error))
        frames = traceback.extract_tb(error.__traceback__)
        place = f"{type(error).__name__} {frames[-1].filename}:{frames[-1].lineno}" if frames else type(error).__name__
        if place in self._seen:
            return
        self._seen.add(place)
        self.n_findings += 1
        name = f"{self.n_findings:03d}-{kind.replace(' ', '-')}"
        (self.findings / name).write_bytes(data)
        (self.findings / f"{name}.txt").write_text(text)
        print(f"finding {name}: {type(error).__name__}: {str(error)[:200]}", flush=True)


def _too_slow(number: int, frame: FrameType | None) -> None:
    raise TooSlow(f"takes more than {LIMIT_S:g} s")


def _peak_mib(*, forget: bool = False) -> float:
    """Most memory that this process has had in RAM since it was last forgotten, MiB."""
    if forget:
        Path("/proc/self/clear_refs").write_text("5")
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


# The campaign


def run(minutes: float, seed: int, only: list[str], limits: Limits) -> None:
    """Take turns between the sources, by their share of time, until the time is up."""
    makers = {
        name: SOURCES[name][0](np.random.default_rng([seed, i])) for i, name in enumerate(SOURCES) if name in only
    }
    spent = dict.fromkeys(makers, 0.0)
    ends = time.monotonic() + 60 * minutes
    while time.monotonic() < ends:
        name = min(spent, key=lambda name: spent[name] / SOURCES[name][1])
        began = time.monotonic()
        (kind, data), judge = next(makers[name])
        limits.judge(kind, data, judge)
        spent[name] += time.monotonic() - began


def print_figures(limits: Limits) -> None:
    """A line for each kind of input, and one for all."""
    outcomes = "refused", "harmless", "finding"
    print(f"{'kind':20}{'inputs':>10}" + "".join(f"{outcome:>10}" for outcome in outcomes))
    for kind in sorted(limits.tried):
        print(f"{kind:20}{limits.tried[kind]:10}" + "".join(f"{limits.outcomes[kind, o]:10}" for o in outcomes))
    sums = [sum(n for (_, o), n in limits.outcomes.items() if o == outcome) for outcome in outcomes]
    print(f"{'all':20}{sum(limits.tried.values()):10}" + "".join(f"{n:10}" for n in sums), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=list(SOURCES), action="append", help="only these sources; repeatable")
    parser.add_argument("--findings", type=Path, default=Path(tempfile.gettempdir()) / "sic-findings")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for name in ("speech", "music"):  # what is loaded once is no input's memory
        table = loads(
            (ROOT / "models" / "golden" / {"speech": "example.sic", "music": "music/notes.sic"}[name]).read_bytes()
        )
        render(table)
    limits = Limits(arguments.findings)
    run(arguments.minutes, arguments.seed, arguments.only or list(SOURCES), limits)
    print_figures(limits)
    return 1 if limits.n_findings else 0


if __name__ == "__main__":
    sys.exit(main())
