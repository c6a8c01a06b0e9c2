"""Headers and tables for the tests of the file format."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from sparsecodec_formats import LAYOUTS, EventTable, Header, nearest_step
from sparsecodec_formats.blocks import statistics
from sparsecodec_formats.container.header_bytes import RATES, USUAL_TIME_UNIT
from sparsecodec_formats.gains import MAX_CODE, gain_of_code

quick = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def make_header(**changes: Any) -> Header:
    """A plain mono speech header, three seconds long, with what is asked for changed."""
    plain: dict[str, Any] = dict(
        sample_rate=44_100,
        channels=1,
        n_samples=3 * 44_100,
        model="speech",
        weights_hash=bytes(range(4)),
        time_unit=Fraction(64, 22_050),
        step=(1.0,) * 32,
        statistics=1,
    )
    return Header(**{**plain, **changes})


def make_table(times: list[float], in_channel: list[int] | None = None, **header: Any) -> EventTable:
    """Events at these times whose vectors tell them apart."""
    vector = np.arange(32) + 100 * np.arange(len(times))[:, None]
    return EventTable(make_header(**header), times, vector, in_channel)


@st.composite
def headers(draw: st.DrawFn) -> Header:
    """Any header that can be written here, but with a time unit that leaves room for a minute."""
    header = draw(headers_without_gains())
    streams = draw(st.integers(0, 4))
    one = st.integers(-MAX_CODE, MAX_CODE).map(gain_of_code) | st.sampled_from([0.0, 1.0, -1.0])
    row = st.lists(one, min_size=streams, max_size=streams)
    n_rows = min(header.channels, 6) if streams else 0
    drawn = [tuple(draw(row)) for _ in range(n_rows)]
    gains = (drawn * header.channels)[: header.channels]  # of many channels, the same again
    header = replace(header, gains=tuple(gains))
    number = st.integers(0, 2**32 - 1) | st.integers(0, 3)
    numbers = st.lists(number, min_size=min(header.streams, 6), max_size=min(header.streams, 6))
    return replace(header, noise=(draw(st.just([]) | numbers) * header.streams)[: header.streams])


def headers_without_gains() -> st.SearchStrategy[Header]:
    """As `headers`, every channel a stream of its own."""
    u32 = st.integers(0, 2**32 - 1)
    step = st.floats(1e-5, 6e4).map(nearest_step)
    text = st.text(st.characters(codec="utf-8"), max_size=20)
    key = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters="="), min_size=1)
    return st.builds(
        Header,
        sample_rate=u32.filter(bool) | st.sampled_from(RATES),
        channels=st.integers(1, 255) | st.integers(1, 2),
        n_samples=st.integers(0, 2**48 - 1),
        model=st.from_regex(r"[a-z0-9._-]{1,32}", fullmatch=True) | st.sampled_from(sorted(LAYOUTS)),
        weights_hash=st.binary(min_size=4, max_size=4),
        time_unit=st.fractions(Fraction(1, 10**6), Fraction(1, 10), max_denominator=10**6) | st.just(USUAL_TIME_UNIT),
        step=step.map(lambda one: (one,) * 32) | st.lists(step, min_size=32, max_size=32).map(tuple),
        seed=u32 | st.just(0),
        tags=st.dictionaries(key, text, max_size=3),
        statistics=st.sampled_from([0, *statistics.numbers()]),
    )


@st.composite
def tables(draw: st.DrawFn, max_events: int = 12) -> EventTable:
    """Any legal table, most of it on and some of it off the header's grid."""
    header = draw(headers())
    n = draw(st.integers(0, max_events))
    vector = draw(hnp.arrays(np.float32, (n, 32), elements=st.integers(-300, 300), fill=st.just(0.0)))
    odd = draw(st.floats(-1e9, 1e9, width=32))
    return EventTable.from_unsorted(
        header,
        draw(hnp.arrays(np.float64, n, elements=st.floats(0, 60))),
        vector * np.float32(header.step[0]) + (np.arange(32) == 7) * odd,
        draw(hnp.arrays(np.uint8, n, elements=st.integers(0, header.streams - 1))),
        draw(st.none() | hnp.arrays(np.float32, n, elements=st.floats(0, 1000, width=32))),
    )
