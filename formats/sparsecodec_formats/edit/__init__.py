"""Edits of sound that are edits of its events: functions from table to table.

An edit that a preset's vectors cannot express is refused with a SicError. Edited numbers lie off the header's
grid until they are written. In `reference` noise is drawn by an event's place in its channel, in `speech` by place in
time and by channel, so where events are dropped or change places (`reference`), or move (`speech`), another draw of
the same noise is heard.
"""

from __future__ import annotations

from .fades import attack, decay, unlink
from .join import cat, check_joinable, mix
from .keep import keep, keep_bytes, keep_percent, largest_within
from .lanes import Thing, arranged, noise_number
from .level import FLOOR_DB, drop_below, estimate_energy_db, gain, room
from .morph import morph
from .mosaic import mosaic
from .moves import echo, jitter, move_to, quantise_times, repeat, shorten_pauses
from .nearest import Similar, similar
from .pitch import Timbre, contour, glide, transpose
from .randomize import randomize_times, randomize_vectors
from .reversal import reverse
from .select import DIP_DB, only, parted, solo
from .spectrum import loudness_db, tilt, whisper
from .take import GAPS, Gap, drop, take
from .time import crop, shift, stretch

__all__ = [
    "DIP_DB",
    "FLOOR_DB",
    "GAPS",
    "Gap",
    "Similar",
    "Thing",
    "Timbre",
    "arranged",
    "attack",
    "cat",
    "check_joinable",
    "contour",
    "crop",
    "decay",
    "drop",
    "drop_below",
    "echo",
    "estimate_energy_db",
    "gain",
    "glide",
    "jitter",
    "keep",
    "keep_bytes",
    "keep_percent",
    "largest_within",
    "loudness_db",
    "mix",
    "morph",
    "mosaic",
    "move_to",
    "noise_number",
    "only",
    "parted",
    "quantise_times",
    "randomize_times",
    "randomize_vectors",
    "repeat",
    "reverse",
    "room",
    "shift",
    "shorten_pauses",
    "similar",
    "solo",
    "stretch",
    "take",
    "tilt",
    "transpose",
    "unlink",
    "whisper",
]
