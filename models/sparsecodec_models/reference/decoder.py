"""The `reference` decoder: event vectors → controls (named physical quantities) → samples.

Source → resonance → room, Vinyard 2025 (arXiv 2505.05654; figures in docs/reference.md). Times and frames are at the
config's sample rate and hop.

Our choice, where the publication is silent, is one of level: every impulse response that an event goes through
(noise filters, resonances, rooms) has unit energy, and the event as a whole a peak of 1, before its amplitude.
Without it all of them multiply, each within ± 0.02 at first: an event then peaks near 1e-8 of full scale,
changes no float32 residual, and nothing is ever learned. It has no parameters, and makes "amplitude" and the
mixes the levels that their names say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from .config import ReferenceConfig
from .encoder import magnitudes
from .rooms import make_rooms

FAINTEST = 1e-12  # norm or peak; what is below it stays below 1, so that silence stays silent


@dataclass(frozen=True)
class ReferenceControls:
    """What n events sound like. Every field is float32 with n first; gains and weights are linear."""

    envelope: Tensor  # [n, envelope_points] gain of the noise source, ≥ 0, evenly over `envelope_samples`
    noise_filter: Tensor  # [n, branches, filter_samples] impulse responses the noise goes through, unit energy
    noise_fade: Tensor  # [n, branches, frames] share of each filtered noise over time, sums to 1
    noise_mix: Tensor  # [n, 2] shares of the plain and the filtered noise, sum to 1
    resonance_gain: Tensor  # [n, branches, n_fft/2 + 1] gain, 0 … 1, of partials at k · rate / n_fft Hz
    resonance_filter: Tensor  # [n, branches, filter_samples] impulse responses the resonances go through
    resonance_fade: Tensor  # [n, branches, frames] share of each resonance over time, sums to 1
    decay: Tensor  # [n, frames] gain of the resonances over time, falls from frame to frame
    resonance_mix: Tensor  # [n, 2] shares of the noise and the resonating sound, sum to 1
    amplitude: Tensor  # [n] peak of the whole event, ≥ 0 (before the height of the one-hot)
    room: Tensor  # [n, n_rooms] share of each room's impulse response, sums to 1
    room_mix: Tensor  # [n, 2] shares of the dry sound and the room, sum to 1
    fine_shift_s: Tensor  # [n] s, onset after its frame's first sample, within ± one frame


def describe(controls: ReferenceControls, config: ReferenceConfig) -> dict[str, Tensor]:
    """Figures a person can read off each event: float32 [n] by name (`room`: int64), units in the names."""
    point_s = config.envelope_samples / config.envelope_points / config.sample_rate
    hop_s = config.hop / config.sample_rate
    bins = torch.arange(config.n_bins + 1, device=controls.decay.device)
    frequency_hz = bins * config.sample_rate / config.n_fft
    power = controls.resonance_gain.square().mean(dim=1)
    early = min(32, config.n_frames - 1)  # later on the gain may be too small for a float32
    loss_db = -20 * torch.log10(controls.decay[:, early] / controls.decay[:, 0]).clamp(max=-1e-9)
    return {
        "level_db": 20 * torch.log10(controls.amplitude.clamp(min=1e-9)),
        "attack_s": (controls.envelope.argmax(dim=1) + 0.5) * point_s,
        "rt60_s": 60 * hop_s * early / loss_db,
        "resonance_peak_hz": frequency_hz[power.argmax(dim=1)],
        "resonance_centroid_hz": (power * frequency_hz).sum(dim=1) / power.sum(dim=1).clamp(min=1e-30),
        "resonance_share": controls.resonance_mix[:, 1],
        "room": controls.room.argmax(dim=1),
        "room_share": controls.room_mix[:, 1],
        "fine_shift_s": controls.fine_shift_s,
    }


def draw_noise(seed: int, ranks: Sequence[int], n_samples: int) -> NDArray[np.float32]:
    """The noise of events: uniform in [-1, 1), float32 [len(ranks), n_samples].

    A pure function of the file's seed and each event's rank in its channel. It takes the raw bits of Philox
    (counter-based), since NumPy may change how its distributions use them, but not the bits.
    """
    noise = np.empty((len(ranks), n_samples), dtype=np.float32)
    for row, rank in enumerate(ranks):
        raw = np.random.Philox(key=np.array([seed, rank], dtype=np.uint64)).random_raw((n_samples + 1) // 2)
        halves = np.stack([raw & np.uint64(0xFFFFFFFF), raw >> np.uint64(32)], axis=1).reshape(-1)[:n_samples]
        noise[row] = (halves >> np.uint64(8)).astype(np.float32) * np.float32(2.0**-23) - np.float32(1)
    return noise


def fft_length(n: int) -> int:
    """The least m ≥ n of the form 2^a 3^b 5^c, which FFTs are quick at."""
    best = 1 << max(0, n - 1).bit_length()
    for odd in (3**b * 5**c for b in range(5) for c in range(3)):
        best = min(best, odd << max(0, -(-n // odd) - 1).bit_length())
    return best


def _convolve(a: Tensor, b: Tensor, n_out: int) -> Tensor:
    """Linear convolution along the last axis, its first n_out samples; leading axes broadcast."""
    size = fft_length(min(n_out, a.shape[-1]) + min(n_out, b.shape[-1]) - 1)
    spectrum = torch.fft.rfft(a[..., :n_out], size) * torch.fft.rfft(b[..., :n_out], size)
    out = torch.fft.irfft(spectrum, size)
    return F.pad(out, (0, n_out - size))  # a negative pad crops


def _unit_energy(x: Tensor) -> Tensor:
    """Scaled along the last axis to Σ x² = 1."""
    return F.normalize(x, dim=-1, eps=FAINTEST)


def _frames_to_samples(frames: Tensor, hop: int, n_samples: int) -> Tensor:
    """Frame k's value at sample k * hop, linear between, the last held: [..., frames] → [..., n_samples]."""
    frames = frames[..., : -(-n_samples // hop) + 1]
    ahead = torch.cat([frames[..., 1:], frames[..., -1:]], dim=-1)
    share = torch.arange(hop, device=frames.device) / hop
    samples = torch.lerp(frames[..., None], ahead[..., None], share)
    return samples.flatten(-2)[..., :n_samples]


class ReferenceDecoder(nn.Module):
    """Tables (4,444,160 parameters), a linear map from the vector to each control (565,488), and the signal.

    The original's tables hold 512 more numbers that it never uses (4,444,672); they are left out. The rooms
    are a buffer, not parameters: float32 [n_rooms, room_samples].
    """

    rooms: Tensor

    def __init__(self, config: ReferenceConfig, rooms: NDArray[np.float32] | None = None) -> None:
        super().__init__()
        self.config = c = config
        if rooms is None:
            rooms = make_rooms(c.n_rooms, c.room_samples, c.sample_rate)
        if rooms.shape != (c.n_rooms, c.room_samples):
            raise ValueError(f"rooms must be [{c.n_rooms}, {c.room_samples}], not {list(rooms.shape)}")
        self.register_buffer("rooms", torch.from_numpy(np.ascontiguousarray(rooms)))
        table_shapes = {
            "filters": (c.n_filters, c.filter_samples),
            "envelopes": (c.n_envelopes, c.envelope_points),
            "resonances": (c.n_resonances, c.n_bins + 1),
            "decays": (c.n_decays, c.n_frames),
            "resonance_deformations": (c.n_resonance_deformations, c.branches * c.n_frames),
            "noise_deformations": (c.n_noise_deformations, c.branches * c.n_frames),
        }
        self.tables = nn.ParameterDict({name: torch.zeros(size) for name, size in table_shapes.items()})
        map_sizes = {
            "noise_filter": c.branches * c.n_filters,
            "noise_deformation": c.n_noise_deformations,
            "noise_mix": 2,
            "envelope": c.n_envelopes,
            "resonance": c.branches * c.n_resonances,
            "resonance_filter": c.branches * c.n_filters,
            "resonance_deformation": c.n_resonance_deformations,
            "decay": c.n_decays,
            "resonance_mix": 2,
            "amplitude": 1,
            "room": c.n_rooms,
            "room_mix": 2,
            "fine_shift": 1,
        }
        self.maps = nn.ModuleDict({name: nn.Linear(c.vector_dims, size) for name, size in map_sizes.items()})

    def _choose(self, vector: Tensor, name: str, table: str, branches: int = 1) -> Tensor:
        """Softmax over a table's rows: their mixture, [n, branches, columns]. Shaping comes after it."""
        weights = self.maps[name](vector).unflatten(-1, (branches, -1)).softmax(dim=-1)
        mixture: Tensor = weights @ self.tables[table]
        return mixture

    def controls(self, vector: Tensor) -> ReferenceControls:
        """float32 [n, vector_dims] → the controls of n events."""
        c = self.config
        taper = torch.hamming_window(c.filter_samples, periodic=False, device=vector.device)
        noise_fade = self._choose(vector, "noise_deformation", "noise_deformations")
        resonance_fade = self._choose(vector, "resonance_deformation", "resonance_deformations")
        decay = 0.5 + 0.5 * self._choose(vector, "decay", "decays").squeeze(1).sigmoid()
        shift = torch.tanh(self.maps["fine_shift"](vector).squeeze(-1))
        return ReferenceControls(
            envelope=self._choose(vector, "envelope", "envelopes").squeeze(1).square(),
            noise_filter=_unit_energy(self._choose(vector, "noise_filter", "filters", c.branches) * taper),
            noise_fade=noise_fade.unflatten(-1, (c.branches, c.n_frames)).squeeze(1).softmax(dim=1),
            noise_mix=self.maps["noise_mix"](vector).softmax(dim=-1),
            resonance_gain=self._choose(vector, "resonance", "resonances", c.branches).sigmoid(),
            resonance_filter=self._choose(vector, "resonance_filter", "filters", c.branches) * taper,
            resonance_fade=resonance_fade.unflatten(-1, (c.branches, c.n_frames)).squeeze(1).softmax(dim=1),
            decay=decay.cumprod(dim=-1),
            resonance_mix=self.maps["resonance_mix"](vector).softmax(dim=-1),
            amplitude=self.maps["amplitude"](vector).squeeze(-1).abs(),
            room=self.maps["room"](vector).softmax(dim=-1),
            room_mix=self.maps["room_mix"](vector).softmax(dim=-1),
            fine_shift_s=shift * (c.hop / c.sample_rate),
        )

    def _source(self, controls: ReferenceControls, noise: Tensor) -> Tensor:
        """Envelope × noise, through the cross-faded filters: [n, envelope_samples + filter_samples - 1]."""
        c = self.config
        size = (c.envelope_samples,)
        envelope = F.interpolate(controls.envelope[:, None], size=size, mode="linear", align_corners=False)
        plain = envelope * noise[:, None]
        n_out = min(c.window, c.envelope_samples + c.filter_samples - 1)
        filtered = _convolve(plain, controls.noise_filter, n_out)
        filtered = (filtered * _frames_to_samples(controls.noise_fade, c.hop, n_out)).sum(dim=1)
        plain = F.pad(plain.squeeze(1), (0, n_out - c.envelope_samples))
        return controls.noise_mix[:, :1] * plain + controls.noise_mix[:, 1:] * filtered

    def _resonance(self, controls: ReferenceControls) -> Tensor:
        """The four decaying waves, [n, branches, window], of unit energy.

        Frames whose phase advances by each bin's group delay are one period of n_fft samples, rotated;
        overlap-added at unit window sum they are that period repeated, which is how it is made here. A
        filter, too, acts on the period alone (a circular convolution): the wave is as if it had always
        sounded, until the decay shapes it.
        """
        c = self.config
        spectrum = controls.resonance_gain * torch.fft.rfft(controls.resonance_filter, c.n_fft)
        period = torch.fft.irfft(spectrum, c.n_fft)
        wave = period.repeat(1, 1, -(-c.window // c.n_fft))[..., : c.window]
        return _unit_energy(wave * _frames_to_samples(controls.decay, c.hop, c.window)[:, None])

    def signal(self, controls: ReferenceControls, noise: Tensor) -> Tensor:
        """Controls of n events → their samples at unit height of the one-hot; the peak is the amplitude.

        noise: float32 [n, envelope_samples] in [-1, 1), see `draw_noise`. Returns float32 [n, hop + window]:
        sample `hop` is the first one of the event's frame, and those before it are there for a fine shift to
        an earlier time.
        """
        c = self.config
        source = self._source(controls, noise)
        ringing = _convolve(source[:, None], self._resonance(controls), c.window)
        ringing = (ringing * _frames_to_samples(controls.resonance_fade, c.hop, c.window)).sum(dim=1)
        source = F.pad(source, (0, c.window - source.shape[-1]))
        dry = controls.resonance_mix[:, :1] * source + controls.resonance_mix[:, 1:] * ringing

        # room and fine shift in one pass; the size leaves space for both, so that no end wraps onto the onset
        size = fft_length(c.window + c.room_samples + 3 * c.hop)
        spectrum = torch.fft.rfft(dry, size)
        room = torch.fft.rfft(controls.room @ self.rooms, size)
        later = c.hop + controls.fine_shift_s[:, None] * c.sample_rate
        # in double precision: high bins turn by thousands of radians, and rounding is heard before the onset
        cycles = torch.arange(size // 2 + 1, device=dry.device, dtype=torch.float64) * later.double() / size
        turn = -2 * torch.pi * (cycles - cycles.detach().floor()).float()
        spectrum = spectrum * (controls.room_mix[:, :1] + controls.room_mix[:, 1:] * room)
        moved = torch.fft.irfft(spectrum * torch.polar(torch.ones_like(turn), turn), size)
        moved = moved[:, : c.hop + c.window]
        peak = moved.abs().amax(dim=1).clamp(min=FAINTEST)
        return moved * (controls.amplitude / peak)[:, None]

    def forward(self, vector: Tensor, noise: Tensor) -> Tensor:
        """float32 [n, vector_dims] and [n, envelope_samples] → float32 [n, hop + window], see `signal`."""
        return self.signal(self.controls(vector), noise)

    def spectrograms(self, samples: Tensor) -> Tensor:
        """What events of `signal`, [n, hop + window], put into a spectrogram.

        Returns float32 [n, lead_frames + n_frames, n_bins], linear magnitudes. Row `lead_frames` is the
        event's own frame; the rows before it are frames that reach into the event.
        """
        c = self.config
        return magnitudes(F.pad(samples, (c.n_fft - c.hop, 0)), c.lead_frames + c.n_frames, c)
