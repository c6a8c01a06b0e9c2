"""`sic models`: which models there are."""

from __future__ import annotations

import click

from sparsecodec_cli.options import json_option


@click.command(name="models")
@json_option
def command(as_json: bool) -> None:
    """List the models, with parameters, weights and licence.

    \b
    Examples:
      sic models
      sic models --json
    """
    from sparsecodec_models import list_models

    from . import catalogue

    click.echo(catalogue.as_json(list_models()) if as_json else catalogue.as_text(list_models()))
