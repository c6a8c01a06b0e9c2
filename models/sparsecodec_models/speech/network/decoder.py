"""The `speech` decoder as a module: the parameters of its first map, which training moves."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sparsecodec_models.speech.config import SpeechConfig
from sparsecodec_models.speech.synthesis.controls import SpeechControls, SpeechTables, fixed_tables


class SpeechDecoder(nn.Module):
    """Holds the tables of the synthesis: shape_mean and shape_basis as parameters, the others (see `SpeechTables`) as
    buffers that are not in the weights."""

    band_to_bin: Tensor
    voice_to_bin: Tensor
    scale: Tensor
    offset: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, config: SpeechConfig) -> None:
        super().__init__()
        self.config = config
        generator = torch.Generator().manual_seed(0)
        self.shape_mean = nn.Parameter(torch.zeros(config.outputs))
        # on the CPU, also where the model is but planned: else torch would import a compiler
        shape_basis = torch.randn(config.coefficients, config.outputs, generator=generator, device="cpu")
        self.shape_basis = nn.Parameter(shape_basis)
        for name, table in fixed_tables(config).items():
            self.register_buffer(name, torch.from_numpy(table.copy()), persistent=False)

    @property
    def tables(self) -> SpeechTables:
        """What the synthesis takes, with gradients to the parameters."""
        buffers = dict(self.named_buffers())
        return SpeechTables(self.config, shape_mean=self.shape_mean, shape_basis=self.shape_basis, **buffers)

    def controls(self, vector: Tensor) -> SpeechControls:
        """As `SpeechTables.controls`."""
        return self.tables.controls(vector)
