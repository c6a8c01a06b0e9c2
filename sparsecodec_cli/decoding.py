"""Events to audio, as functions of tables, .sic files and renderers: the part of the API that its other parts use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, TypeAlias

from .models import codec_for
from .selecting import chosen

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sparsecodec_formats.container import Reader
    from sparsecodec_formats.table import EventTable

    from .io.progress import Progress
    from .io.python_files import AnyFile
    from .io.soft_limit import SoftLimited
    from .models import Model

    Events: TypeAlias = EventTable | Reader | AnyFile


def decode(
    table: Events,
    *,
    events: Iterable[int] | None = None,
    select: str | None = None,
    start_s: float = 0.0,
    end_s: float | None = None,
    sample_rate: int | None = None,
    seed: int | None = None,
    model: Model | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> tuple[NDArray[np.float32], int]:
    """Render events: (audio float32 [n, channels], sample rate in Hz).

    Args:
        table: the events, or a .sic file: a path, a file object of bytes, or a `Reader`, of which no more is read and
            kept than is needed.
        events: indices of the events to render, each as it sounds among all others; None: all.
        select: which events to render, likewise, such as "pitch > 200 and level > -30"; of `events`, if these are
            given, too. `sparsecodec_formats.selection` has the grammar. None: all.
        start_s, end_s: the part to render, seconds of the source; None: to the end.
        sample_rate: of the result, Hz; None: the source's.
        seed: of the noise; None: the seed in the table's header.
        model: as for `codec_for`.
        device, progress: as for `encode`.

    A whole table gives exactly as many samples as its source has; at another `sample_rate`, the nearest number.
    Raises SicError when the model or an event does not exist, an option is out of range, or `select` is wrong.
    """
    import numpy as np

    from .io.python_files import open_events

    with open_events(table) as source:
        blocks = decode_blocks(
            source,
            events=events,
            select=select,
            start_s=start_s,
            end_s=end_s,
            sample_rate=sample_rate,
            seed=seed,
            model=model,
            device=device,
            progress=progress,
        )
        silence = np.zeros((0, source.header.channels), np.float32)
        return np.concatenate([silence, *blocks]), sample_rate or source.header.sample_rate


def decode_blocks(
    table: Events,
    *,
    events: Iterable[int] | None = None,
    select: str | None = None,
    start_s: float = 0.0,
    end_s: float | None = None,
    sample_rate: int | None = None,
    seed: int | None = None,
    model: Model | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Iterator[NDArray[np.float32]]:
    """As `decode`, in blocks of float32 [m, channels], so that memory does not grow with the sound; of a file the first
    come before all of it is read.

    Raises its errors at once, before the first block; but damage of a file where it is met.
    """
    import numpy as np

    from sparsecodec_formats import edit

    from .io.python_files import open_events, table_of

    with ExitStack() as files:
        source = files.enter_context(open_events(table))
        renderer = codec_for(source, model, device=device)
        if select is not None:
            source = table_of(source)
            source = edit.solo(source, np.flatnonzero(chosen(source, select, model=renderer)).tolist())
        if events is not None:
            source = edit.solo(table_of(source), events)
        blocks = renderer.decode(
            source, start_s=start_s, end_s=end_s, sample_rate=sample_rate, seed=seed, progress=progress
        )
        return _closing(blocks, files.pop_all())


def _closing(blocks: Iterator[NDArray[np.float32]], files: ExitStack) -> Iterator[NDArray[np.float32]]:
    """The same blocks, from files that are closed after the last."""
    with files:
        yield from blocks


def decode_within_full_scale(
    table: EventTable | Reader,
    *,
    events: Iterable[int] | None = None,
    select: str | None = None,
    start_s: float = 0.0,
    end_s: float | None = None,
    sample_rate: int | None = None,
    seed: int | None = None,
    model: Model | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> SoftLimited:
    """As `decode_blocks`, for formats of whole numbers: softer where the sound passes full scale (`io.soft_limit`).

    Raises its errors at once, before the first block.
    """
    from sparsecodec_models.renderer import length_at

    from .io.soft_limit import SoftLimited, margin

    rate = sample_rate or table.header.sample_rate
    n_samples = length_at(table, rate)
    start = min(round(start_s * rate), n_samples)
    stop = n_samples if end_s is None else min(round(end_s * rate), n_samples)
    first, last = max(0, start - margin(rate)), stop + margin(rate)
    blocks = decode_blocks(
        table,
        events=events,
        select=select,
        start_s=first / rate,
        end_s=None if last >= n_samples else last / rate,
        sample_rate=sample_rate,
        seed=seed,
        model=model,
        device=device,
        progress=progress,
    )
    return SoftLimited(blocks, rate, first, start, stop)
