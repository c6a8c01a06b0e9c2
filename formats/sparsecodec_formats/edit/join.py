"""Several tables made one: one after the other, or all at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from sparsecodec_formats.errors import SicError
from sparsecodec_formats.gains import nearest_gain
from sparsecodec_formats.header import MAX_U32, NO_WEIGHTS, Header
from sparsecodec_formats.presets import layout_of
from sparsecodec_formats.presets.voices import BEGINS_ABOVE
from sparsecodec_formats.quantiser import LEVELS_PER_DECADE
from sparsecodec_formats.steps import code_of_step, nearest_step
from sparsecodec_formats.table import EventTable

from .checks import on_grid_above, within, without_tie
from .lanes import Thing, arranged, noise_number

FINE_OCTAVES: dict[str, dict[str, float]] = {
    "speech": {"level": 6, "attack": 3, "decay": 3, "f0": 12, "glide": 6, "phase": 6, "room": 4, "shape": 4.5},
    "music": {
        **{"level": 6, "attack": 5, "decay": 5, "duration": 8, "release": 5, "f0": 10, "inharmonicity": 10},
        **{"vibrato": 9, "noise": 4, "kind": 7, "room": 4, "phase": 7, "shape": 6},
    },
}
"""Of each preset, by the first word of a number's name: steps of 2^-this are fine enough for what all of them round off
to be 40 dB softer than the sound. Numbers that phases hang on need the finest. None is so fine that 2^20 steps do not
reach to the ends of what the decoder takes."""
OTHER_OCTAVES = 5
"""Of a number without a name, a step is taken to be fine that is so much finer than one that it was coded with."""


def check_joinable(first: Header, other: Header) -> None:
    """SicError, which speaks of the other as "it", unless one table can hold the events of both."""
    if other.model != first.model:
        raise SicError(f"its events are of preset {other.model!r}, those before of {first.model!r}; join files of one")
    if NO_WEIGHTS not in (first.weights_hash, other.weights_hash) and first.weights_hash != other.weights_hash:
        raise SicError(
            f"its events are of weights {other.weights_hash.hex()}, those before of {first.weights_hash.hex()};"
            " encode both with the same"
        )


def cat(tables: Sequence[EventTable], *, gap_s: float = 0.0, carry_on: bool = False) -> EventTable:
    """One after the other, with gap_s (0 or more) of silence between.

    Streams of the same gains go on, and draw the first table's noise. Voices of different tables never link, unless
    with carry_on: then what begins in the middle of a voice, as `crop` leaves it, carries on what comes before, so
    that parts give the whole back.

    The rest is as for `mix`. SicError for no tables, or such as cannot be joined.
    """
    header = joint_header(tables)
    gap = round(within("gap", gap_s, 0) * header.sample_rate)
    header = replace(header, seed=tables[0].header.seed)
    things: list[Thing] = []
    streams: list[tuple[tuple[float, ...], int]] = []  # gains and noise of those so far
    at = 0
    for number, table in enumerate(tables):
        at += gap * (number > 0)
        free = list(streams)
        for thing in _things(_moved(table, header, at), header):
            same = next((stream for stream in free if stream[0] == thing.gains), None)
            if same is None:
                streams.append((thing.gains, thing.noise))
            else:
                free.remove(same)
                thing = replace(thing, noise=same[1])
            things.append(thing)
        at += _length(table, header.sample_rate)
    header, first = replace(header, n_samples=at), tables[0].header
    if first.channels == header.channels:  # then the order of its streams stays
        header = replace(header, gains=first.gains, noise=first.noise)
    return arranged(header, things, carry_on=carry_on)


def mix(
    tables: Sequence[EventTable],
    *,
    offsets_s: Sequence[float] | None = None,
    gains_db: Sequence[float] | None = None,
    pans: Sequence[float] | None = None,
) -> EventTable:
    """All at once: what sounds as the sum of their sounds.

    offsets_s: when each begins, 0 or more, default 0; gains_db: of each, -200..200, default 0. Each stream becomes one
    of its own, unless nothing of it comes in turn with another of the same gains and noise. The order of tables does
    not matter. The sample rate is the highest, the length that of what ends last; what a
    table has to sound beyond its own end is heard up to there. A mono table is heard in all
    channels; of others, channel n goes to channel n. Steps stay where all have the same, else they are finer. A tag
    stays unless two tables differ in it.
    pans: of each, -1 (left) .. 1 (right): then the mix is stereo. At 0 a table is as it is without; away from there one
    channel is softer and the other louder, so that what is alike in both keeps its power; at the end by 3 dB.

    SicError for no tables, or such as cannot be joined, or for pans of more than two channels.
    """
    header = joint_header(tables)
    if pans is not None:
        if header.channels > 2:
            raise SicError(f"what is panned has one or two channels, not {header.channels}")
        header = replace(header, channels=2)
    seeds = {table.header.seed for table in tables}
    if layout_of(header).links is None and len(seeds) > 1:
        raise SicError(f"preset {header.model!r} draws noise by the seed alone, and these differ: {sorted(seeds)}")
    things: list[Thing] = []
    length = 0
    given = {"offset": offsets_s, "gain": gains_db, "pan": pans}
    each = (_each(what, values, len(tables)) for what, values in given.items())
    for table, offset_s, gain_db, pan in zip(tables, *each, strict=True):
        at = round(within("offset", offset_s, 0) * header.sample_rate)
        length = max(length, at + _length(table, header.sample_rate))
        for thing in _things(_moved(table, header, at), header):
            factor = 10 ** (within("gain", gain_db, -200, 200) / 20)
            sides = _sides(within("pan", pan, -1, 1)) if pan else [1.0] * header.channels
            things.append(_at(thing, [gain * factor * side for gain, side in zip(thing.gains, sides, strict=True)]))
    return arranged(replace(header, n_samples=length), things)


def _each(what: str, values: Sequence[float] | None, n: int) -> Sequence[float]:
    if values is None:
        return [0.0] * n
    if len(values) != n:
        raise SicError(f"there are {len(values)} {what}s for {n} tables; give one for each")
    return values


def _length(table: EventTable, sample_rate: int) -> int:
    """Of its sound, in samples of another rate."""
    return round(Fraction(table.header.n_samples * sample_rate, table.header.sample_rate))


def _moved(table: EventTable, header: Header, at: int) -> EventTable:
    """Later by `at` samples of the joint rate."""
    return table.replace(time=table.time + without_tie(header, at / header.sample_rate))


def _things(table: EventTable, header: Header) -> list[Thing]:
    """Each stream, with gains in the joint header's channels, and the number by which its noise stays what it is."""
    more = header.channels - table.header.channels
    things = []
    for stream in range(table.header.streams):
        thing = Thing.of_stream(table, stream)
        gains = thing.gains * header.channels if table.header.channels == 1 else thing.gains + (0.0,) * more
        number = noise_number(thing.noise, table.header.seed, header.seed)
        things.append(Thing(_on_steps(thing.events, header), gains, number))
    return things


def _sides(pan: float) -> list[float]:
    """Factors of the left and the right channel, whose squares add up to 2."""
    angle = (pan + 1) * math.pi / 4
    return [math.sqrt(2) * math.cos(angle) * (pan < 1), math.sqrt(2) * math.sin(angle)]


def _at(thing: Thing, wanted: Sequence[float]) -> Thing:
    """With these gains, by its stream's, which are finer than amplitudes; these give what gains cannot, from 1 to
    -82 dB."""
    if tuple(wanted) == thing.gains:
        return thing
    loudest = max(map(abs, wanted))
    fits = 0.01 <= loudest <= 1 or loudest == 0
    above = 0.0 if fits else math.ceil(LEVELS_PER_DECADE * math.log10(loudest)) / LEVELS_PER_DECADE
    amplitude = thing.events.amplitude * np.float32(10**above)
    gains = tuple(nearest_gain(gain / 10**above) for gain in wanted)
    return Thing(thing.events.replace(amplitude=amplitude), gains, thing.noise)


def joint_header(tables: Sequence[EventTable]) -> Header:
    """What holds for all, without a length; the same in whatever order they come."""
    if not tables:
        raise SicError("there is nothing to join; give at least one table")
    headers = [table.header for table in tables]
    for other in headers[1:]:
        check_joinable(headers[0], other)
    return Header(
        sample_rate=max(header.sample_rate for header in headers),
        channels=max(header.channels for header in headers),
        n_samples=0,
        model=headers[0].model,
        weights_hash=max(header.weights_hash for header in headers),  # zeros where none names any
        time_unit=_joint_unit({header.time_unit for header in headers}),
        step=_joint_step(headers),
        seed=min(header.seed for header in headers),
        tags=_joint_tags([header.tags for header in headers]),
        statistics=max(header.statistics for header in headers),
    )


def _joint_unit(units: set[Fraction]) -> Fraction:
    """The longest of which all are multiples; of those that have none in a file, the finest."""
    joint = Fraction(0)
    for unit in units:
        below = joint.denominator * unit.denominator
        joint = Fraction(math.gcd(joint.numerator * unit.denominator, unit.numerator * joint.denominator), below)
    return joint if max(joint.as_integer_ratio()) <= MAX_U32 else min(units)


def _joint_step(headers: Sequence[Header]) -> tuple[float, ...]:
    """Of each number the finest, where the others are multiples of it; else one that is fine enough for all."""
    names = {dim.index: name for name, dim in layout_of(headers[0]).dims.items()}
    fine = FINE_OCTAVES.get(headers[0].model, {})
    joint = []
    for index, steps in enumerate(zip(*(header.step for header in headers), strict=True)):
        finest = min(steps)
        word = names.get(index, "").partition("_")[0]
        if all((code_of_step(step) - code_of_step(finest)) % 8 == 0 for step in steps) or word == "begins":
            joint.append(finest)
        else:
            enough = 2.0 ** -fine[word] if word in fine else finest * 2.0**-OTHER_OCTAVES
            joint.append(min(finest, nearest_step(enough)))
    return tuple(joint)


def _on_steps(events: EventTable, header: Header) -> EventTable:
    """With the joint steps; what begins by itself still does when it is rounded to them."""
    other = events.replace(header=replace(events.header, step=header.step))
    dim = layout_of(header).dims.get("begins")
    if dim is None or header.step[dim.index] == events.header.step[dim.index]:
        return other
    vector = other.vector.copy()
    vector[dim.physical(vector) > BEGINS_ABOVE, dim.index] = on_grid_above(other, dim, 0.51)
    return other.replace(vector=vector)


def _joint_tags(all_tags: Sequence[dict[str, str]]) -> dict[str, str]:
    """Those that no two differ in."""
    if all(list(tags.items()) == list(all_tags[0].items()) for tags in all_tags):
        return all_tags[0]
    values: dict[str, set[str]] = {}
    for tags in all_tags:
        for key, value in tags.items():
            values.setdefault(key, set()).add(value)
    return {key: min(said) for key, said in sorted(values.items()) if len(said) == 1}
