"""A codec without a network, for tests of the commands alone; a test compares its signatures with the real ones.

It decodes to a tone in each channel, as loud as the channel's loudest event.
`python tests/support/fake_codec.py ARGS...` is `sic ARGS...` with this codec. Its encoder at effort 9, and its decoder
with seed 999, say "ready" on stdout and then wait for stdin to end, so that a test can interrupt them. Processes that
`sic --jobs` begins have no stdin; there its encoder does what `act_by_length` says.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Any

import numpy as np
from shape_support import plain_shape_map

from sparsecodec_formats import LAYOUTS, EventTable, Header, Reader, layout_of
from sparsecodec_formats.presets import level_db
from sparsecodec_formats.shape_maps import ShapeMap
from sparsecodec_models.errors import OtherWeights, UnknownModel

EVENT_S = 0.1
TONE_HZ = 440.0
BLOCK = 1000
LEVEL = 0  # index of level_db in the vectors of `speech`


def wait_for_the_test() -> None:
    print("ready", flush=True)
    sys.stdin.read()


DIES, DIES_ONCE, WAITS = 997, 998, 999  # samples


def act_by_length(n_samples: int) -> None:
    """DIES: as if the machine had run out of memory. DIES_ONCE: while there is a file FAKE_ONCE, which it removes.
    WAITS: for a signal, when its process number is written to the named pipe FAKE_GATE."""
    if n_samples == DIES:
        os.kill(os.getpid(), signal.SIGKILL)
    if n_samples == DIES_ONCE and os.path.exists(os.environ.get("FAKE_ONCE", "")):
        os.unlink(os.environ["FAKE_ONCE"])
        os.kill(os.getpid(), signal.SIGKILL)
    if n_samples == WAITS:
        with open(os.environ["FAKE_GATE"], "w") as gate:
            gate.write(f"{os.getpid()}\n")
        while True:
            signal.pause()


class FakeCodec:
    default_effort = 3
    model_rate = 22050

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}  # of encode
        self.asked_to_decode: dict[str, Any] = {}

    @property
    def renderer(self) -> FakeCodec:
        return self

    def event_spans(self, table: EventTable) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros(len(table), np.int64), np.full(len(table), 2**62)

    def parameters(self) -> tuple[int, int, int]:
        return 3, 2, 1

    def shape_map(self) -> ShapeMap:
        return plain_shape_map()

    def has_pitch(self, table: EventTable) -> np.ndarray:
        return np.zeros(len(table), bool)

    def phase_cycles(self, table: EventTable) -> np.ndarray:
        return np.full(len(table), np.nan)

    def header_for(self, source: Any, seed: int = 0, tags: Mapping[str, str] | None = None) -> Header:
        steps, unit = (1.0,) * 32, Fraction(64, 22050)
        rate, channels, n_samples = source.sample_rate, source.channels, source.n_samples
        statistics = LAYOUTS["speech"].statistics
        return Header(rate, channels, n_samples, "speech", bytes(4), unit, steps, seed, dict(tags or {}), statistics)

    def encode(
        self,
        audio: Any,
        *,
        effort: int | None = None,
        bitrate_kbps: float | None = None,
        events_per_second: float | None = None,
        snr_stop_db: float | None = None,
        seed: int = 0,
        tags: Mapping[str, str] | None = None,
        threads: int | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> EventTable:
        effort = self.default_effort if effort is None else effort
        self.asked = {
            "effort": effort,
            "bitrate_kbps": bitrate_kbps,
            "events_per_second": events_per_second,
            "snr_stop_db": snr_stop_db,
            "threads": threads,
        }
        act_by_length(audio.n_samples)
        if effort == 9:
            wait_for_the_test()
        header = self.header_for(audio, seed, tags)
        dim = layout_of(header).dims["level_db"]
        rows = []
        n_block = max(1, round(EVENT_S * header.sample_rate))
        for i in range(0, header.n_samples, n_block):
            block = audio.read(n_block)
            assert block.dtype == np.float32 and block.shape[1] == header.channels
            rms = np.sqrt(np.mean(block.astype(float) ** 2, axis=0) + 1e-12)
            for channel, rms_db in enumerate(20 * np.log10(rms)):
                vector = np.zeros(32)
                vector[LEVEL] = round((rms_db - dim.offset) / dim.scale)
                rows.append((i / header.sample_rate, vector, channel))
            if progress:
                progress((i + len(block)) / header.n_samples)
        assert audio.read(1).shape == (0, header.channels)
        time, vectors, channels = zip(*rows, strict=True)
        return EventTable.from_unsorted(header, time, np.stack(vectors), channels)

    def encode_parts(
        self,
        audio: Any,
        *,
        effort: int | None = None,
        bitrate_kbps: float | None = None,
        events_per_second: float | None = None,
        snr_stop_db: float | None = None,
        seed: int = 0,
        tags: Mapping[str, str] | None = None,
        threads: int | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> Iterator[EventTable]:
        yield self.encode(
            audio,
            effort=effort,
            bitrate_kbps=bitrate_kbps,
            events_per_second=events_per_second,
            snr_stop_db=snr_stop_db,
            seed=seed,
            tags=tags,
            threads=threads,
            progress=progress,
        )

    def decode(
        self,
        source: EventTable | Reader,
        *,
        start_s: float = 0,
        end_s: float | None = None,
        sample_rate: int | None = None,
        seed: int | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> Iterator[np.ndarray]:
        if seed == 999:
            wait_for_the_test()
        header = source.header
        blocks = [source] if isinstance(source, EventTable) else [block.table for block in source.blocks()]
        table = EventTable.joined(header, blocks)
        self.asked_to_decode = {"seed": header.seed if seed is None else seed, "sample_rate": sample_rate}
        rate = sample_rate or header.sample_rate
        end_s = header.duration_s if end_s is None else min(end_s, header.duration_s)
        first, stop = round(start_s * rate), round(end_s * rate)
        levels_db = level_db(table)
        loudest_db = [levels_db[table.channel == c].max(initial=-200) for c in range(header.streams)]
        peaks = np.sqrt(2.0) * 10 ** (np.array(loudest_db) / 20)  # a tone with the energy of the loudest event
        peaks = np.array(header.stream_gains) @ peaks
        for i in range(first, stop, BLOCK):
            t = np.arange(i, min(i + BLOCK, stop)) / rate
            yield (np.sin(2 * np.pi * TONE_HZ * t)[:, None] * peaks).astype(np.float32)
            if progress:
                progress((i + len(t) - first) / (stop - first))


CODEC = FakeCodec()


def load_codec(name_or_path: str = "speech", device: str = "cpu") -> FakeCodec:
    if name_or_path not in LAYOUTS:
        raise UnknownModel(f"there is no model {name_or_path!r}")
    return CODEC


def choose_preset(source: Any, device: str = "cpu") -> str:
    return "speech"


def codec_for(header: Header, device: str = "cpu", model: str | None = None) -> FakeCodec:
    if any(header.weights_hash):
        raise OtherWeights(f"needs weights {header.weights_hash.hex()} of 'speech'")
    return load_codec(model or header.model)


def install(set_attribute: Callable[..., None] = setattr, **options: Any) -> FakeCodec:
    """Put CODEC in the place of every model; `set_attribute` is setattr, or monkeypatch.setattr."""
    import sparsecodec_models

    for stand_in in (load_codec, choose_preset, codec_for):
        set_attribute(sparsecodec_models, stand_in.__name__, stand_in, **options)
    CODEC.asked, CODEC.asked_to_decode = {}, {}
    return CODEC


if __name__ in ("__main__", "__mp_main__"):  # the second: in a process that `sic --jobs` begins
    install()
if __name__ == "__main__":
    from sparsecodec_cli.main import run

    run()
