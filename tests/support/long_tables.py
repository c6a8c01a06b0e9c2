"""Long recordings without encoding for hours: the events of a short one, again and again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sparsecodec_formats import EventTable


def repeated(table: EventTable, times: int, **header: object) -> EventTable:
    """The same events so often, one after the other, with these fields of the header changed."""
    period_s = table.duration_s
    shift_s = np.repeat(np.arange(times) * period_s, len(table))
    n_samples = round(times * period_s * table.header.sample_rate)
    return EventTable(
        replace(table.header, **{"n_samples": n_samples, **header}),  # type: ignore[arg-type]
        np.tile(table.time, times) + shift_s,
        np.tile(table.vector, (times, 1)),
        np.tile(table.channel, times),
        np.tile(table.amplitude, times),
    )
