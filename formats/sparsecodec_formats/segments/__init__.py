"""Segments: what a listener would name between the event and the recording. Notes, syllables, bursts.

In `music` a note is a segment as it is, with the events that carry it on. In `speech` a voice may go on over a whole
sentence: it is cut where a new sound is heard. That is
- where the level rises after a dip,
- where the pitch steps from one steady pitch to another,
- where a pitch comes or goes for long enough, and loud enough, to be heard.
A cut lies before an event: an event is of one segment only, and the sounds of all segments add up to the whole.
"""

from __future__ import annotations

from .parts import KINDS
from .segments import Segments

__all__ = ["KINDS", "Segments"]
