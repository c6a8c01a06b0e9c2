"""A run of training that is kept in memory."""

from __future__ import annotations

import io
from typing import Any

from sparsecodec_models.training.loop import load_checkpoint


class MemoryStore:
    """A `RunStore`. checkpoint, weights: as last saved; log: its lines."""

    def __init__(self) -> None:
        self.checkpoint: bytes | None = None
        self.weights: bytes | None = None
        self.log: list[dict[str, Any]] = []

    def save_checkpoint(self, data: bytes) -> None:
        self.checkpoint = data

    def save_weights(self, data: bytes) -> None:
        self.weights = data

    def append_log(self, line: dict[str, Any]) -> None:
        self.log.append(line)

    def cut_log(self, last_step: int) -> None:
        self.log = [line for line in self.log if line["step"] <= last_step]

    def loaded(self) -> dict[str, Any]:
        """The last checkpoint."""
        assert self.checkpoint is not None
        return load_checkpoint(io.BytesIO(self.checkpoint))
