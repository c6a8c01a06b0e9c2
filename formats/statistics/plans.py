"""What the scripts in this folder are told of each preset whose statistics they fit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from sparsecodec_formats.presets import LAYOUTS, Layout


@dataclass(frozen=True)
class Point:
    """What the corpus is encoded at.

    Attributes:
        bitrate_kbps: None: the preset's own measure.
        effort: 0 to 9.
        seconds: of each folder.
        steps: (step in eighths of an octave re 1, share of the events that is kept) that what was encoded is written
            with instead; none: as it was encoded. Good where events are found without regard to the step.
    """

    bitrate_kbps: float | None
    effort: int
    seconds: float
    steps: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class Plan:
    """How the statistics of a preset are laid out, before anything is fitted.

    Attributes:
        preset: its name.
        points: to encode the corpus at.
        longest_s: what is taken of a recording.
        order: dims as they are coded, without `begins`.
        spikes: of the dims that do not always affect the sound, as statistics files hold them.
        told: dims whose spike may be told by those coded before.
        kinds: of the dims whose kinds depend on whether the number before was at its spike.
        gap_limits: largest gaps of the kinds of linked events but the last, time units.
        gaps_by_class: whether gaps before events that begin have tables of each class, and not one for all.
        nearest: as in statistics files; None: the event before tells all dims.
    """

    preset: str
    points: tuple[Point, ...]
    order: tuple[str, ...]
    spikes: Mapping[str, dict[str, Any]]
    longest_s: float = math.inf
    told: tuple[str, ...] = ()
    kinds: Mapping[str, list[list[int]]] = field(default_factory=dict)
    gap_limits: tuple[int, int, int] = (9, 13, 18)
    gaps_by_class: bool = False
    nearest: dict[str, Any] | None = None

    @property
    def layout(self) -> Layout:
        return LAYOUTS[self.preset]


def _shapes(preset: str) -> list[str]:
    return [name for name in LAYOUTS[preset].dims if name.startswith("shape_")]


_SPEECH_SPIKES: dict[str, dict[str, Any]] = {
    "f0_semitones": {"code": "before", "context": "begins"},
    "attack_log2_s": {"code": "gap", "seconds": [3, 50], "octaves": [3, 4], "context": "kind"},
    "decay_log2_s": {"code": "zero", "context": "ends"},
    "glide_semitones": {"code": "zero", "context": "ends"},
    "phase_cycles": {"code": "zero", "context": "begins"},
    "room_db": {"code": "zero", "context": "begins"},
}
_SPEECH = Plan(
    preset="speech",
    points=(
        Point(None, 1, 60.0),
        Point(1.5, 1, 60.0),
        Point(2.5, 1, 60.0),
        Point(1.0, 1, 60.0),
        Point(4.0, 1, 60.0),
        Point(None, 4, 30.0),
        Point(2.0, 2, 60.0),
        Point(0.7, 1, 60.0),
    ),
    order=("level_db", *_shapes("speech"), *_SPEECH_SPIKES),
    spikes=_SPEECH_SPIKES,
    told=("f0_semitones",),
    # there, the pitch before may not have been heard
    kinds={"f0_semitones": [[0, 1, 2, 2, 2], [4, 3, 3, 3, 3]]},
)

_MUSIC_SPIKES: dict[str, dict[str, Any]] = {
    "kind": {"code": "before", "context": "begins"},
    "release_log2_s": {"code": "zero", "context": "kind"},
    "inharmonicity_log2": {"code": "before", "context": "kind"},
    "vibrato_semitones": {"code": "zero", "context": "kind"},
    "vibrato_hz": {"code": "zero", "context": "kind"},
    "phase_cycles": {"code": "zero", "context": "kind"},
    "room_db": {"code": "before", "context": "begins"},
}
_MUSIC = Plan(
    preset="music",
    points=(
        Point(None, 2, 600.0, steps=((16, 0.5), (12, 1.0), (4, 1.0), (-4, 1.0), (-8, 1.0))),  # notes
        Point(6.0, 2, 400.0),  # and tones
        Point(2.5, 2, 200.0),
    ),
    longest_s=10.0,
    order=(
        "kind",
        "f0_semitones",
        "level_db",
        "decay_low_log2_s",
        "decay_high_log2_s",
        "duration_log2_s",
        "attack_log2_s",
        "noise_db",
        "noise_decay_log2_s",
        *_shapes("music"),
        *(name for name in _MUSIC_SPIKES if name != "kind"),
    ),
    spikes=_MUSIC_SPIKES,
    gaps_by_class=True,
    # the same note or drum, within half a semitone; a note of the same register
    nearest={"alike": "kind", "near": "f0_semitones", "limits": [5 * 256, 40 * 256]},
)

PLANS: Mapping[str, Plan] = MappingProxyType({plan.preset: plan for plan in (_SPEECH, _MUSIC)})
