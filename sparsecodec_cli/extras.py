"""Packages that only some commands need, as the extras of pyproject.toml group them."""

from __future__ import annotations

from importlib.util import find_spec

from .errors import CliError

# by the name that is imported, the name that is installed
EXTRAS = {
    "ray": {"ray": "ray", "pyarrow": "pyarrow", "pandas": "pandas"},
    "media": {"av": "av"},
    "parquet": {"pyarrow": "pyarrow"},
    "report": {"jinja2": "jinja2", "matplotlib": "matplotlib", "PIL": "pillow", "sklearn": "scikit-learn"},
}


def check_installed(what: str, extra: str) -> None:
    """CliError when a package of an extra is missing that `what` needs."""
    missing = [package for module, package in EXTRAS[extra].items() if find_spec(module) is None]
    if missing:
        raise CliError(f"{what} needs {' and '.join(missing)}; to have them: pip install 'sparsecodec[{extra}]'")
