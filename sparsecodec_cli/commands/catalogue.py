"""The models as `sic models` lists them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sparsecodec_models import ModelInfo


def as_text(models: Iterable[ModelInfo]) -> str:
    """A paragraph for each model."""
    paragraphs = []
    for model in models:
        weights = model.weights_hash or "none"
        paragraphs.append(
            f"{model.name}: {model.description}\n"
            f"  parameters   {model.parameters:,} (encoder {model.encoder_parameters:,},"
            f" decoder {model.decoder_parameters:,})\n"
            f"  sample rate  {model.sample_rate} Hz\n"
            f"  weights      {weights}{', shipped with sic' if model.shipped else ', not shipped'}\n"
            f"  licence      {model.licence}"
        )
    return "\n\n".join(paragraphs)


def as_json(models: Iterable[ModelInfo]) -> str:
    """A JSON list; docs/cli.md lists the keys, which stay the same."""
    keys = (
        "name",
        "description",
        "parameters",
        "encoder_parameters",
        "decoder_parameters",
        "weights_hash",
        "shipped",
        "licence",
    )
    return json.dumps(
        [{key: getattr(model, key) for key in keys} | {"sample_rate_hz": model.sample_rate} for model in models],
        indent=2,
    )
