"""How samples are stored in a file without a header; light enough for `sic --help` to import."""

from __future__ import annotations

from dataclasses import dataclass

RAW_CODINGS = {
    "s16le": ("PCM_16", "LITTLE", 16),
    "s16be": ("PCM_16", "BIG", 16),
    "s24le": ("PCM_24", "LITTLE", 24),
    "s24be": ("PCM_24", "BIG", 24),
    "s32le": ("PCM_32", "LITTLE", 32),
    "s32be": ("PCM_32", "BIG", 32),
    "f32le": ("FLOAT", "LITTLE", 32),
    "f32be": ("FLOAT", "BIG", 32),
    "f64le": ("DOUBLE", "LITTLE", 64),
    "f64be": ("DOUBLE", "BIG", 64),
    "u8": ("PCM_U8", "FILE", 8),
    "s8": ("PCM_S8", "FILE", 8),
    "alaw": ("ALAW", "FILE", 8),
    "mulaw": ("ULAW", "FILE", 8),
}
"""Of each coding, by the name that FFmpeg has for it: libsndfile's name, the order of bytes, the bits of a sample."""


@dataclass(frozen=True)
class RawFormat:
    """sample_rate: Hz; channels: whose samples follow each other; coding: a key of RAW_CODINGS."""

    sample_rate: int
    channels: int = 1
    coding: str = "s16le"

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of all channels."""
        return self.channels * RAW_CODINGS[self.coding][2] // 8
