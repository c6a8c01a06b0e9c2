"""Sizes of the `reference` preset: one frozen dataclass that travels with the weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass

PRESET = "reference"


@dataclass(frozen=True)
class ReferenceConfig:
    """Sizes of the reference system; the defaults are the published configuration.

    Source: Vinyard 2025 (arXiv 2505.05654) and its speech page (docs/reference.md); a comment names what is our own
    choice. Samples and frames are at `sample_rate`.
    """

    sample_rate: int = 22050  # Hz
    window: int = 2**17  # samples the encoder looks at, and samples of a rendered event
    n_fft: int = 2048  # samples of an STFT frame
    hop: int = 256  # samples between frames
    vector_dims: int = 32
    events_per_window: int = 32  # all in the window's first half
    channels: int = 512  # of the encoder
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 1)
    n_filters: int = 64  # one table for the noise filters and the resonance filters (so says the count)
    filter_samples: int = 128
    n_envelopes: int = 64
    envelope_points: int = 128
    envelope_samples: int = 8192
    n_resonances: int = 4096
    n_decays: int = 64
    n_resonance_deformations: int = 64
    n_noise_deformations: int = 32
    branches: int = 4  # filters and resonances that are cross-faded within an event
    n_rooms: int = 8
    room_samples: int = 2**15  # of a room impulse response, 1.49 s (ours)

    def __post_init__(self) -> None:
        if min([*self.dilations, *(v for v in asdict(self).values() if isinstance(v, int))]) < 1:
            raise ValueError("ReferenceConfig: every size must be at least 1")
        if self.window % (2 * self.hop) or self.n_fft % self.hop or self.n_fft % 2:
            raise ValueError("ReferenceConfig: window must be a multiple of 2 * hop, n_fft of hop and of 2")
        if not self.hop <= self.n_fft <= self.window or self.envelope_samples > self.window:
            raise ValueError("ReferenceConfig: hop <= n_fft <= window and envelope_samples <= window needed")
        if self.filter_samples > self.n_fft:
            raise ValueError("ReferenceConfig: filter_samples must not exceed n_fft")

    @property
    def n_frames(self) -> int:
        """Frames of a window (512): frame k covers samples k * hop … k * hop + n_fft."""
        return self.window // self.hop

    @property
    def n_bins(self) -> int:
        """Bins the encoder sees (1,024): the Nyquist bin is dropped."""
        return self.n_fft // 2

    @property
    def lead_frames(self) -> int:
        """Frames before an event's own that can hold some of it, fine shift included."""
        return self.n_fft // self.hop

    @property
    def events_per_second(self) -> float:
        """The author's rate: `events_per_window` for every half window (10.77 a second)."""
        return self.events_per_window * self.sample_rate / (self.window // 2)
