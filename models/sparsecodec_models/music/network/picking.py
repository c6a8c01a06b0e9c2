"""From what the network says to notes: peaks of the onset head, ends by the sounding head."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .features import SAMPLE_RATE_HZ
from .finder import DRUM_CLASSES, LOWEST_MIDI, OUTPUT_HOP_SAMPLES, Heads

FRAME_S = OUTPUT_HOP_SAMPLES / SAMPLE_RATE_HZ
CUT_S = 1.0  # before the end of what is heard, where it is not sure whether a note sounds on
LEAST_REST_S = 0.2  # of a note, that is told as one more
# General MIDI drum that stands for each class
DRUM_MIDI = dict(zip(DRUM_CLASSES, (36, 38, 42, 45), strict=True))


@dataclass
class Note:
    """A note, or a stroke of a drum (`midi` is then a General MIDI drum); `velocity` and `confidence` are 0 … 1."""

    onset_s: float
    offset_s: float
    midi: float
    velocity: float
    drum: bool = False
    confidence: float = 1.0


@dataclass(frozen=True)
class PickingRule:
    """What counts as a note, chosen on the validation clips (`models/corpus/train_finder.py rules`)."""

    onset: float = 0.6  # the least probability of an onset
    drum: float = 0.6
    sounding: float = 0.5  # a note ends where the probability that it sounds falls below this
    apart_s: float = 0.06  # the least time between two onsets of one pitch
    shortest_s: float = 0.05


def peaks(probability: np.ndarray, shift: np.ndarray, least: float, apart_s: float) -> list[tuple[int, float, int]]:
    """Local maxima over time of float [rows, frames] that reach `least`: (row, seconds, frame), surest first kept
    where two of a row are closer than apart_s."""
    before = np.pad(probability, ((0, 0), (1, 0)))[:, :-1]
    after = np.pad(probability, ((0, 0), (0, 1)))[:, 1:]
    rows, frames = np.nonzero((probability >= least) & (probability >= before) & (probability >= after))
    seconds = (frames + np.clip(shift[rows, frames], -1.5, 1.5)) * FRAME_S
    kept: list[tuple[int, float, int]] = []
    taken: dict[int, list[float]] = {}
    for k in np.argsort(-probability[rows, frames], kind="stable"):
        times = taken.setdefault(int(rows[k]), [])
        if all(abs(seconds[k] - t) >= apart_s for t in times):
            times.append(float(seconds[k]))
            kept.append((int(rows[k]), max(0.0, float(seconds[k])), int(frames[k])))
    return sorted(kept, key=lambda peak: (peak[1], peak[0]))


def pick_notes(heads: Heads, rule: PickingRule | None = None) -> list[Note]:
    """The notes of a recording, by onset. `heads` as `NoteFinder.heads` gives them: probabilities, [rows, frames]."""
    rule = rule or PickingRule()
    onset, shift, sounding, velocity, drums, drum_shift = (t.float().cpu().numpy() for t in vars(heads).values())
    total = onset.shape[1]
    found = peaks(onset, shift, rule.onset, rule.apart_s)
    next_onset: dict[int, int] = {}
    notes = []
    for row, onset_s, frame in reversed(found):
        limit = next_onset.get(row, total)
        next_onset[row] = frame
        offset_s = max(onset_s + rule.shortest_s, _end(sounding[row], frame, limit, rule) * FRAME_S)
        loud = float(np.clip(velocity[row, frame], 0, 1))
        notes.append(Note(onset_s, offset_s, LOWEST_MIDI + row, loud, False, float(onset[row, frame])))
    for row, onset_s, frame in peaks(drums, drum_shift, rule.drum, rule.apart_s):
        midi = DRUM_MIDI[DRUM_CLASSES[row]]
        notes.append(Note(onset_s, onset_s + rule.shortest_s, midi, 1.0, True, float(drums[row, frame])))
    return sorted(notes, key=lambda note: (note.onset_s, note.midi))


def _end(sounding: np.ndarray, frame: int, limit: int, rule: PickingRule) -> int:
    """The first frame after one, and before a limit, in which a pitch does not sound: of float [frames]."""
    silent = np.flatnonzero(sounding[frame + 1 : limit] < rule.sounding)
    return frame + 1 + int(silent[0]) if len(silent) else limit


def carried_on(heads: Heads, found: list[Note], cut: list[Note], rule: PickingRule | None = None) -> list[Note]:
    """What is left of notes that were told to end where no more was heard, and that sound on there: a note each.

    found: all that `pick_notes` found in the heads; cut: those notes, times from the heads' first frame on.
    """
    rule = rule or PickingRule()
    sounding = heads.sounding.float().cpu().numpy()
    total = sounding.shape[1]
    rest = []
    for note in cut:
        frame, sounds = round(note.offset_s / FRAME_S), sounding[round(note.midi) - LOWEST_MIDI]
        begun = [round(n.onset_s / FRAME_S) for n in found if n.midi == note.midi and not n.drum]
        if frame >= total or any(frame - CUT_S / FRAME_S < at <= frame for at in begun):
            continue
        end = _end(sounds, frame - 1, min((at for at in begun if at > frame), default=total), rule)
        if (end - frame) * FRAME_S >= LEAST_REST_S:
            rest.append(replace(note, onset_s=frame * FRAME_S, offset_s=end * FRAME_S))
    return rest
