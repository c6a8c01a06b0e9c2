"""`sic models`: which models there are."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from sparsecodec_cli import api

from .options import json_option

if TYPE_CHECKING:
    from sparsecodec_models import ModelInfo


@click.command(name="models")
@json_option
def command(as_json: bool) -> None:
    """List the models with their parameters, weights and licence.

    \b
    Examples:
      sic models
      sic models --json
    """
    models = api.list_models()
    click.echo(models_as_json(models) if as_json else models_as_text(models))


def models_as_text(models: Iterable[ModelInfo]) -> str:
    """A paragraph for each model."""
    return "\n\n".join(
        f"{model.name}: {model.description}\n"
        f"  parameters   {model.parameters:,} (encoder {model.encoder_parameters:,},"
        f" decoder {model.decoder_parameters:,})\n"
        f"  sample rate  {model.sample_rate} Hz\n"
        f"  weights      {model.weights_hash or 'none'}, {'shipped with sic' if model.shipped else 'not shipped'}\n"
        f"  licence      {model.licence}"
        for model in models
    )


def models_as_json(models: Iterable[ModelInfo]) -> str:
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
