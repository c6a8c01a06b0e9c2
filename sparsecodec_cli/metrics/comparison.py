"""What `sic compare` finds of two files, as JSON and as lines of text."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sparsecodec_cli import decoding, models
from sparsecodec_cli.errors import CliError, shown
from sparsecodec_cli.io.audio_writing import pcm16
from sparsecodec_cli.io.progress import Progress
from sparsecodec_cli.io.sounds import InputSound
from sparsecodec_cli.io.weights_files import weights_beside
from sparsecodec_formats.table import EventTable

from .measure import NOT_INSTALLED, measure, mixed
from .mel_distance import SAMPLE_RATE
from .scores import SCORES

if TYPE_CHECKING:
    from sparsecodec_models import AudioSource

BLOCK = 1 << 16
FAR_APART_S = 0.5
MEANINGS = {
    "estoi": "how well it is understood, up to 1",
    "pesq_wb": "quality, 1 to 4.64",
    "pesq_nb": "quality below 4 kHz, 1 to 4.55",
    "visqol": "quality, 1 to 5",
    "mel": "distance of spectra, from 0",
    "distillmos": "how natural it sounds, 1 to 5",
}
TITLES = {score.key: score.title for score in SCORES} | {"mel": "mel"}

Audio = NDArray[np.float32]


@dataclass(frozen=True)
class Facts:
    """Of a recording before its channels were mixed."""

    duration_s: float
    sample_rate_hz: int
    channels: int


@dataclass(frozen=True)
class ComparedSound:
    """One of the two sounds: mono float32 [n], full scale 1. CliError when it is too short to compare."""

    path: str
    mono: Audio
    facts: Facts

    def __post_init__(self) -> None:
        if self.facts.duration_s * SAMPLE_RATE < 1:
            raise CliError(f"{shown(self.path)}: is too short to compare; name a longer recording")


def recorded(path: str, source: AudioSource) -> ComparedSound:
    """A recording; path: for messages."""
    blocks = [mixed(source.read(BLOCK)) for _ in range(0, source.n_samples, BLOCK)]
    facts = Facts(source.n_samples / source.sample_rate, source.sample_rate, source.channels)
    return ComparedSound(path, np.concatenate(blocks), facts)


def heard(sound: InputSound, *, model: str | None, device: str, progress: Progress | None) -> ComparedSound:
    """A recording, or what events sound like; model, device: of decoding, as for `decode`."""
    if not isinstance(sound.sound, EventTable):
        return recorded(sound.path, sound.sound)
    header = sound.sound.header
    if not header.n_samples:
        raise CliError(f"{shown(sound.path)}: has no samples; name a recording that has some")
    with weights_beside(sound.path):
        codec = models.codec_for(sound.sound, model, device=device)
    blocks = decoding.decode_blocks(sound.sound, model=codec, progress=progress)
    # In 16 bits, as 'sic decode' writes WAV, so that both are judged alike.
    mono = np.concatenate([mixed(pcm16(np.clip(block, -1, 1)) / np.float32(32768)) for block in blocks])
    return ComparedSound(sound.path, mono, Facts(header.duration_s, header.sample_rate, header.channels))


def compared(
    reference: ComparedSound, other: ComparedSound, n_bytes: int, *, progress: Progress | None
) -> dict[str, Any]:
    """What `--json` prints; n_bytes: of the other's file. docs/cli.md lists the keys, which stay the same."""
    facts = reference.facts
    pcm_bytes = 2 * facts.channels * round(facts.duration_s * facts.sample_rate_hz)
    found = measure(reference.mono, facts.sample_rate_hz, other.mono, other.facts.sample_rate_hz, progress=progress)
    return {
        "reference": asdict(facts),
        "other": asdict(other.facts),
        "bytes": n_bytes,
        "bitrate_kbps": 8e-3 * n_bytes / facts.duration_s,
        "ratio": pcm_bytes / n_bytes,
    } | found


def warnings_of(reference: ComparedSound, other: ComparedSound, found: dict[str, Any]) -> list[str]:
    """Lines for stderr: lengths that differ much, and packages that are missing."""
    lines = []
    lengths = reference.facts.duration_s, other.facts.duration_s
    if abs(lengths[0] - lengths[1]) > FAR_APART_S:
        how = "the rest is left out" if lengths[1] > lengths[0] else "silence is put in for the rest"
        lines.append(
            f"sic: warning: {shown(other.path)}: lasts {lengths[1]:.3f} s, and {shown(reference.path)}"
            f" {lengths[0]:.3f} s; {how}"
        )
    missing = [TITLES[key] for key, reason in found["left_out"].items() if reason == NOT_INSTALLED]
    if missing:
        lines.append(f"sic: left out: {', '.join(missing)}; to have them: pip install 'sparsecodec[metrics]'")
    return lines


def as_json(found: dict[str, Any]) -> str:
    rounded = {key: round(value, 6) if isinstance(value, float) else value for key, value in found.items()}
    return json.dumps(rounded, indent=2, allow_nan=False)


def as_text(reference: ComparedSound, other: ComparedSound, found: dict[str, Any]) -> str:
    """A line for each measure; those whose package is missing are passed over."""
    lines = [
        f"{shown(other.path)} beside {shown(reference.path)}",
        f"  size        {found['bytes']} bytes, {found['bitrate_kbps']:.3f} kbit/s;"
        f" 16-bit samples take {found['ratio']:.1f} times as many",
        f"  delay       {found['lag_ms']:.1f} ms",
    ]
    for key, meaning in MEANINGS.items():
        reason = found["left_out"].get(key)
        if reason == NOT_INSTALLED:
            continue
        value = "    -" if found[key] is None else f"{found[key]:5.3f}"
        lines.append(f"  {TITLES[key]:<12}{value}   {f'left out: {reason}' if reason else meaning}")
    return "\n".join(lines)
