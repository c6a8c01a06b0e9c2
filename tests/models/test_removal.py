"""Iterative removal: known answers with a hand-made encoder and renderer, stop rules, streamed = whole."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparsecodec_models.reference.config import ReferenceConfig
from sparsecodec_models.reference.encoder import magnitudes
from sparsecodec_models.removal import Proposal, RemovedEvent, StreamingRemoval, energy, remove_events

HOP, N_FFT, WINDOW = 16, 64, 512  # 32 frames a window, 16 of them open
LEAD = N_FFT // HOP
CONFIG = ReferenceConfig(window=WINDOW, hop=HOP, n_fft=N_FFT, envelope_samples=64, filter_samples=8)


def spectrogram(samples: Tensor, n_frames: int) -> Tensor:
    return magnitudes(samples, n_frames, CONFIG)


def own_rows(sound: Tensor) -> Tensor:
    """What an event with these samples puts into the frames before and after its own."""
    return spectrogram(torch.cat([torch.zeros(N_FFT), sound]), LEAD + 1 + len(sound) // HOP)


CLICK = own_rows(torch.ones(1))


def match(residual: Tensor, n_open: int, rows: Tensor) -> Proposal:
    """Match `rows` at every open frame; the best match's least-squares height is its amplitude."""
    padded = torch.nn.functional.pad(residual, (0, 0, LEAD, len(rows)))
    height = torch.stack([(padded[k : k + len(rows)] * rows).sum() for k in range(n_open)]) / energy(rows)
    frame = int(height.argmax())
    return Proposal(torch.full((3,), float(frame)), frame, float(height[frame].clamp(min=0)))


def propose_click(residual: Tensor, n_open: int) -> Proposal | None:
    return match(residual, n_open, CLICK)


def render_click(proposal: Proposal, rank: int) -> Tensor:
    return proposal.amplitude * CLICK


def clicks(n: int, at: dict[int, float]) -> NDArray[np.float32]:
    samples = np.zeros(n, dtype=np.float32)
    for frame, amplitude in at.items():
        samples[frame * HOP] = amplitude
    return samples


def stream(events_per_half: float = 4, snr_stop_db: float | None = None) -> StreamingRemoval:
    return StreamingRemoval(
        propose_click,
        render_click,
        spectrogram,
        window=WINDOW,
        hop=HOP,
        n_fft=N_FFT,
        events_per_half=events_per_half,
        snr_stop_db=snr_stop_db,
    )


def step(residual: Tensor, max_events: int, snr_stop_db: float | None = None) -> Iterator[RemovedEvent]:
    return remove_events(
        residual,
        propose_click,
        render_click,
        n_seen=32,
        n_open=16,
        lead=LEAD,
        max_events=max_events,
        snr_stop_db=snr_stop_db,
    )


def test_push_after_finish_is_refused() -> None:
    removal = stream()
    assert list(removal.finish()) == []
    with pytest.raises(ValueError, match="finish"):
        list(removal.push(np.zeros(1, np.float32)))


def test_window_that_is_no_multiple_of_hop_is_refused() -> None:
    with pytest.raises(ValueError, match="multiple"):
        StreamingRemoval(propose_click, render_click, spectrogram, window=500, hop=HOP, n_fft=N_FFT, events_per_half=1)


def test_masked_frame_is_refused() -> None:
    def masked(residual: Tensor, n_open: int) -> Proposal:
        return Proposal(torch.zeros(3), n_open, 1.0)

    removal = remove_events(torch.ones(32, 32), masked, render_click, n_seen=32, n_open=16, lead=LEAD, max_events=1)
    with pytest.raises(ValueError, match="unmasked"):
        next(removal)


def test_clicks_are_found_loud_to_soft_and_nothing_is_left() -> None:
    residual = spectrogram(torch.from_numpy(clicks(WINDOW, {10: 0.5, 5: 1.0})), 32)
    first = energy(residual)
    events = list(step(residual, 2))
    assert [event.frame for event in events] == [5, 10]
    assert [event.amplitude for event in events] == pytest.approx([1.0, 0.5], rel=1e-5)
    assert energy(residual) < 1e-9 * first
    assert sum(event.energy_removed for event in events) == pytest.approx(first, rel=1e-5)
    assert events[0].vector.tolist() == [5.0, 5.0, 5.0]


def test_residual_energy_falls_with_every_event() -> None:
    rng = np.random.default_rng(1)
    residual = spectrogram(torch.from_numpy(rng.uniform(-1, 1, WINDOW).astype(np.float32)), 32)
    left = [energy(residual)]
    for event in step(residual, 8):  # a generator: the residual is looked at between the steps
        left.append(energy(residual))
        assert event.energy_removed == pytest.approx(left[-2] - left[-1], rel=1e-3)
    assert len(left) == 9
    assert np.all(np.diff(left) < 0)


def test_stops_when_the_residual_is_small_enough() -> None:
    samples = torch.from_numpy(clicks(WINDOW, {5: 1.0, 9: 0.1, 13: 0.01}))
    # one event leaves 0.1² + 0.01² of 1.0101, about -20 dB; two leave -40 dB
    assert len(list(step(spectrogram(samples, 32), 9, snr_stop_db=19))) == 1
    assert len(list(step(spectrogram(samples, 32), 9, snr_stop_db=30))) == 2
    assert len(list(step(spectrogram(samples, 32), 2, snr_stop_db=99))) == 2


def test_silence_has_no_events() -> None:
    assert list(step(torch.zeros(32, 32), 9)) == []
    assert list(stream().run([np.zeros(3000, np.float32)])) == []


def test_encoder_may_say_that_nothing_is_left() -> None:
    residual = torch.ones(32, 32)
    removal = remove_events(residual, lambda r, n: None, render_click, n_seen=32, n_open=16, lead=LEAD, max_events=9)
    assert list(removal) == []
    assert torch.equal(residual, torch.ones(32, 32))


def test_stream_finds_all_clicks_with_their_true_amplitudes() -> None:
    # a half window is 16 frames, and a click shows in the 4 frames before its own
    truth = {5: 0.3, 14: 0.1, 21: 0.02, 30: 0.01, 47: 0.8, 85: 0.4}
    found = list(stream(2).run([clicks(100 * HOP, truth)]))
    loud = {event.frame: event.amplitude for event in found if event.amplitude > 1e-3}
    assert loud == pytest.approx(truth, rel=1e-4)
    halves = [event.frame // 16 for event in found]
    assert halves == sorted(halves)


def test_what_rings_into_the_next_window_is_not_found_again() -> None:
    sound = torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, 30 * HOP).astype(np.float32))
    rows = own_rows(sound)
    samples = np.zeros(80 * HOP, np.float32)
    samples[10 * HOP : 40 * HOP] = 0.5 * sound.numpy()  # lasts beyond its window, which has 32 frames
    peak = float(np.abs(samples).max())
    asked = []

    def propose(residual: Tensor, n_open: int) -> Proposal:
        asked.append(float(residual[:n_open].abs().max()))
        return match(residual, n_open, rows) if len(asked) == 1 else Proposal(torch.zeros(3), 0, 0.0)

    removal = StreamingRemoval(
        propose,
        lambda proposal, rank: 0.5 / peak * rows,
        spectrogram,
        window=WINDOW,
        hop=HOP,
        n_fft=N_FFT,
        events_per_half=1,
    )
    events = list(removal.run([samples]))
    assert [event.frame for event in events] == [10]
    assert len(asked) == 3  # windows that hold sound
    assert max(asked[1:]) < 1e-3 < asked[0]


@pytest.mark.parametrize("size", [1, 7, 100, 513, 5000])
def test_streamed_equals_whole(size: int) -> None:
    rng = np.random.default_rng(0)
    samples = rng.uniform(-0.7, 0.7, 1700).astype(np.float32)
    whole = list(stream(3, 25).run([samples]))
    blocks = [samples[i : i + size] for i in range(0, len(samples), size)]
    parts = list(stream(3, 25).run(blocks))
    assert len(whole) >= 10
    assert [event.frame for event in parts] == [event.frame for event in whole]
    assert [event.amplitude for event in parts] == [event.amplitude for event in whole]
    assert all(np.array_equal(a.vector, b.vector) for a, b in zip(parts, whole, strict=True))


@pytest.mark.parametrize("n", [1, 100, WINDOW // 2, WINDOW, WINDOW + 1, WINDOW + N_FFT, 3 * WINDOW + 5])
def test_any_length_gets_its_share_of_events(n: int) -> None:
    samples = np.random.default_rng(n).uniform(-1, 1, n).astype(np.float32)
    events = list(stream(4).run([samples]))
    # Hann's first weight is 0, so a lone sample at the start of a frame is not seen
    assert (n > 1) <= len(events) <= int(np.ceil(4 * n / (WINDOW // 2)))
    assert all(0 <= event.frame * HOP < n for event in events)


def test_allowance_of_less_than_one_event_per_half_is_spread() -> None:
    samples = np.random.default_rng(0).uniform(-1, 1, 8 * WINDOW // 2).astype(np.float32)
    assert len(list(stream(0.5).run([samples]))) == 4


def test_memory_does_not_grow_with_the_stream() -> None:
    removal = stream(1)
    block = np.random.default_rng(0).uniform(-1, 1, 40 * WINDOW).astype(np.float32)
    list(removal.push(block))
    assert len(removal._samples) < 2 * WINDOW + N_FFT
    assert removal._residual is not None
    assert removal._residual.shape == (48, N_FFT // 2)
