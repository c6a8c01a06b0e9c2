"""The `speech` preset's decoder: event table → audio, as a stream. Arrays alone: torch comes with whoever hands over
tensors."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from sparsecodec_formats.header import NO_WEIGHTS
from sparsecodec_formats.shape_maps import ShapeMap
from sparsecodec_formats.table import EventTable
from sparsecodec_models import weights
from sparsecodec_models.dsp.arrays import library_of
from sparsecodec_models.dsp.mel import band_centres_hz
from sparsecodec_models.renderer import LATEST_S, Excerpt, ParameterCounts, Renderer, Sound, Spans
from sparsecodec_models.speech.synthesis.controls import (
    SHAPE_HIGH_HZ,
    SHAPE_LOW_HZ,
    SpeechControls,
    SpeechTables,
    fixed_tables,
)
from sparsecodec_models.speech.synthesis.samples import ChannelSound
from sparsecodec_models.speech.synthesis.voices import (
    check_crowds,
    heard_frames,
    lookback_s,
    phases_at_events,
    settled_frame,
)

from .config import PRESET, SpeechConfig

VOICING_DB = 3.0  # what a logit of voicing counts where an edit has to choose


class SpeechRenderer(Renderer):
    """Linked events of harmonics, noise and room, from tables of either library, on any device."""

    name = PRESET

    def __init__(self, tables: SpeechTables, counts: ParameterCounts, *, weights_hash: bytes = NO_WEIGHTS) -> None:
        """tables: without gradients; counts: of the model that they are of; weights_hash: of its file, if it has
        one."""
        self._tables, self.counts, self.weights_hash = tables.heard(), counts, weights_hash
        self._library = library_of(tables.shape_mean)
        self.model_rate = tables.config.sample_rate
        self.lookback_s = lookback_s(tables.config)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Of a weights file's bytes, in numpy; SicError when they are not this preset's."""
        config, tensors = weights.read_decoder(data, PRESET, SpeechConfig.of_fields, _shapes)
        tables = SpeechTables(config, **tensors, **fixed_tables(config))
        whole, decoder = weights.count_parameters(data)
        return cls(tables, ParameterCounts(whole, whole - decoder, decoder), weights_hash=weights.hash_of(data))

    def event_spans(self, table: EventTable) -> Spans:
        """From the frames that an event's voice has between the event before and the one after."""
        config, time = self._tables.config, self.event_samples(table)
        first, last = np.zeros(len(table), np.int64), np.zeros(len(table), np.int64)
        for channel in np.flatnonzero(np.bincount(table.channel)):
            rows = np.flatnonzero(table.channel == channel)
            controls = self._controls(table.vector[rows])
            begin, stop = map(self._library.numpy, heard_frames(controls, self._array(time[rows]), config))
            room = int(config.room_seconds * config.sample_rate) * self._library.numpy(controls.room_gain > 0)
            heard = stop > begin
            first[rows] = np.where(heard, begin * config.frame_hop - config.frame_size // 4, 0)
            last[rows] = np.where(heard, (stop - 1) * config.frame_hop + config.frame_size // 4 + room, 0)
        return np.minimum(first, last), last

    def has_pitch(self, table: EventTable) -> NDArray[np.bool_]:
        voiced: NDArray[np.bool_] = self._library.numpy(self._controls(table.vector).voiced)
        return voiced

    def phase_cycles(self, table: EventTable) -> NDArray[np.float64]:
        config, time = self._tables.config, self.event_samples(table)
        found = np.full(len(table), np.nan)
        for channel in np.flatnonzero(np.bincount(table.channel)):
            rows = np.flatnonzero(table.channel == channel)
            controls = self._controls(table.vector[rows])
            cycles = phases_at_events(controls, self._array(time[rows]), config)
            found[rows] = self._library.numpy(cycles)
        return found

    def shape_map(self) -> ShapeMap:
        config, tables = self._tables.config, self._tables.in_numpy()
        return ShapeMap(
            mean=tables.shape_mean,
            basis=tables.shape_basis,
            level_hz=band_centres_hz(config.bands, SHAPE_LOW_HZ, SHAPE_HIGH_HZ),
            weight=np.repeat([1.0, VOICING_DB], [config.bands, config.voice_bands]),
            bin_hz=config.sample_rate / config.frame_size,
            level_to_bin=tables.band_to_bin,
            voicing_to_bin=tables.voice_to_bin,
        )

    def _check(self, table: EventTable) -> None:
        time = self.event_samples(table)
        for channel in np.flatnonzero(np.bincount(table.channel)):
            mine = table.channel == channel
            check_crowds(self._controls(table.vector[mine]), self._array(time[mine]), self._tables.config)

    def _settled(self, excerpt: Excerpt) -> int:
        table, config = excerpt.table, self._tables.config
        time = self.event_samples(table)
        frames = []
        for stream, known_s in enumerate(excerpt.known_s):
            mine = table.channel == stream
            known = int(min(known_s, LATEST_S) * self.model_rate)
            frames.append(settled_frame(self._controls(table.vector[mine]), self._array(time[mine]), known, config))
        return min(frames) * config.frame_hop

    def _sound(self, excerpt: Excerpt, seed: int) -> Sound:
        table = excerpt.table
        self._check(table)
        time, sounds = self.event_samples(table), []
        for stream, number in enumerate(table.header.noise_numbers):
            mine = table.channel == stream
            vector, place, amplitude = (self._array(c[mine]) for c in (table.vector, time, table.amplitude))
            sounds.append(ChannelSound(self._tables, vector, place, seed=seed, channel=number, amplitude=amplitude))

        def sound(start: int, stop: int) -> NDArray[np.float32]:
            return np.stack([self._library.numpy(each.samples(start, stop - start)) for each in sounds], 1)

        return sound

    def _controls(self, vector: NDArray[np.float32]) -> SpeechControls:
        return self._tables.controls(self._array(vector))

    def _array(self, values: NDArray[np.generic]) -> object:
        return self._library.asarray(values.copy(), self._tables.shape_mean)


def _shapes(config: SpeechConfig) -> dict[str, tuple[int, ...]]:
    """Of the tensors that a decoder of this config has in a weights file."""
    return {"shape_mean": (config.outputs,), "shape_basis": (config.coefficients, config.outputs)}
