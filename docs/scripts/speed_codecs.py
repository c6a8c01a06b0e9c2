"""The codecs that docs/scripts/speed.py compares, each at one setting, and how one is measured."""

from __future__ import annotations

import math
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from speed_bench import Failed, Run, Worker, measured, write_sound

WORKER = Path(__file__).with_name("speed_worker.py")
SIC = (sys.executable, "-m", "sparsecodec_cli")
KBPS = {"speech": None, "music": 3.0}  # None: as much as the sound needs
NETWORKS_UP_TO_S = {"encodec": 60.0, "snac": 10.0, "dac": 10.0, "mimi": 10.0}  # at once; memory grows with it
CLIP_S = 3.0


@dataclass(frozen=True)
class Contestant:
    """A codec at one setting.

    Attributes: sound: what it codes, speech or music, at `rate` Hz, without a header where it is raw; extension of its
    files; encode, decode: command lines with {audio} and {coded}; worker: how speed_worker.py is started, empty where
    there are only commands; options: of encoding by the worker; warm_s: how much sound is coded at once there;
    up_to_s: it gets no longer recordings.
    """

    name: str
    sound: str
    rate: int
    extension: str
    encode: tuple[str, ...]
    decode: tuple[str, ...]
    worker: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    warm_s: float = 10.0
    up_to_s: float = math.inf
    raw: bool = False

    @property
    def file_name(self) -> str:
        return re.sub("[^a-z0-9]+", "-", self.name)

    def check(self) -> None:
        """Failed where its commands are not installed."""
        for command in (self.encode[0], self.decode[0]):
            if shutil.which(command) is None:
                raise Failed(f"{command} is not installed")

    def audio(self, folder: Path, seconds: float) -> Path:
        """What it codes, made when it is first asked for."""
        path = folder / f"{self.sound}-{self.rate}-{seconds:g}.{'raw' if self.raw else 'wav'}"
        return path if path.exists() else write_sound(path, self.sound, self.rate, seconds, raw=self.raw)

    def whole(self, folder: Path, seconds: float, mode: str, coded: Path | None = None) -> list[Run]:
        """A process that encodes, and one that decodes what came out, or `coded`."""
        made = folder / f"{self.file_name}{self.extension}"
        encoded = self.code(folder, seconds, made, mode)
        decoded = self._process("decode", seconds, mode, audio=folder / "decoded.wav", coded=coded or made)
        return [encoded, decoded]

    def code(self, folder: Path, seconds: float, coded: Path, mode: str = "prepared") -> Run:
        """A process that encodes."""
        return self._process("encode", seconds, mode, audio=self.audio(folder, seconds), coded=coded)

    def _process(self, task: str, seconds: float, mode: str, **paths: Path) -> Run:
        template: Sequence[str] = self.encode if task == "encode" else self.decode
        return measured([part.format(**paths) for part in template], self.name, task, mode, seconds)

    def warm(self, worker: Worker, folder: Path, seconds: float) -> list[Run]:
        """Encoding and decoding by a worker that is there."""
        audio = str(self.audio(folder, seconds))
        encoded = worker.ask(self.name, "encode", "warm", seconds, do="encode", audio=audio, options=self.options)
        return [encoded, worker.ask(self.name, "decode", "warm", seconds, do="decode")]


def of_sic(preset: str, effort: int | None = None, **more: Any) -> Contestant:
    kbps = KBPS.get(preset)
    options = {"effort": effort, "bitrate_kbps": kbps}
    flags = [] if effort is None else ["--effort", str(effort)]
    flags += [] if kbps is None else ["--bitrate", str(kbps)]
    return Contestant(
        preset if preset not in KBPS else f"{preset}, {'default' if effort is None else f'effort {effort}'}",
        sound="music" if preset == "music" else "speech",
        rate=22_050 if preset == "music" else 16_000,
        extension=".sic",
        encode=(*SIC, "encode", "{audio}", "{coded}", "--model", preset, *flags, "-f", "-q"),
        decode=(*SIC, "decode", "{coded}", "{audio}", "-f", "-q"),
        worker=(sys.executable, str(WORKER), preset),
        options=options,
        **more,
    )


def of_network(name: str, python: str) -> Contestant:
    worker = (python, str(WORKER), name)
    return Contestant(
        name,
        sound="speech",
        rate=24_000,
        extension=".pt",
        encode=(*worker, "encode", "{audio}", "{coded}"),
        decode=(*worker, "decode", "{coded}", "{audio}"),
        worker=worker,
        up_to_s=NETWORKS_UP_TO_S[name],
    )


FASTEST = {preset: of_sic(preset, 0, warm_s=60.0) for preset in KBPS}
DEFAULT = {preset: of_sic(preset, warm_s=20.0) for preset in KBPS}
REFERENCE = of_sic("reference", warm_s=CLIP_S, up_to_s=CLIP_S)
OPUS = Contestant(
    "opus, 6 kbit/s",
    sound="speech",
    rate=16_000,
    extension=".opus",
    encode=("opusenc", "--quiet", "--speech", "--bitrate", "6", "{audio}", "{coded}"),
    decode=("opusdec", "--quiet", "{coded}", "{audio}"),
)
CODEC2 = Contestant(
    "codec2, 2.4 kbit/s",
    sound="speech",
    rate=8_000,
    extension=".c2",
    encode=("c2enc", "2400", "{audio}", "{coded}"),
    decode=("c2dec", "2400", "{coded}", "{audio}"),
    raw=True,
)


def all_contestants(peers: str | None) -> list[Contestant]:
    """Whether they are installed or not. peers: the Python of the neural ones; None: they are left out."""
    ours = [row for preset in KBPS for row in (FASTEST[preset], DEFAULT[preset])]
    networks = [of_network(name, peers) for name in NETWORKS_UP_TO_S] if peers else []
    return [*ours, REFERENCE, *networks, OPUS, CODEC2]
