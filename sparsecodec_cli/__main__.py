"""`python -m sparsecodec_cli` is `sic`."""

from sparsecodec_cli.main import run

run()
