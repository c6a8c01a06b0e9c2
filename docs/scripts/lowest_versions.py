"""Run the quick tests with the lowest versions that pyproject.toml allows, in an environment of their own.

    python docs/scripts/lowest_versions.py [FILE_OR_FOLDER_OF_TESTS ...]

Each package of `dependencies` and of the extra `report` is installed at its lower bound; what these need, and pytest
with its plugins, as pip finds it. On Linux torch's build for CUDA comes along: 6 GB, a few minutes.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
QUICK_TESTS = ["tests/formats", "tests/cli/test_cli_commands.py"]
PLUGINS = ["hypothesis", "pytest", "pytest-timeout", "pytest-xdist"]


def lowest(requirement: str) -> str:
    """`name>=1.2,<3` as `name==1.2`."""
    match = re.match(r"([A-Za-z0-9_.-]+)>=([0-9.]+)", requirement)
    if match is None:
        raise SystemExit(f"pyproject.toml: {requirement!r} has no lower bound")
    return f"{match[1]}=={match[2]}"


def main(tests: list[str]) -> int:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = [lowest(requirement) for requirement in project["dependencies"] + project["optional-dependencies"]["report"]]
    plugins = [r for r in project["optional-dependencies"]["test"] if re.split("[>=]", r)[0] in PLUGINS]
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = os.path.join(folder, "Scripts" if os.name == "nt" else "bin", "python")
        subprocess.run([python, "-m", "pip", "install", "-q", *pins, *plugins], check=True)
        print(*pins, sep="\n", flush=True)
        path = os.pathsep.join(str(ROOT / part) for part in (".", "models", "formats"))
        command = [python, "-m", "pytest", "-p", "no:cacheprovider", "-n", "0", *(tests or QUICK_TESTS)]
        return subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": path}).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
