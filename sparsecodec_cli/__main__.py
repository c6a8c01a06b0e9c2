"""`python -m sparsecodec_cli` is `sic`."""

from .main import run

run()
