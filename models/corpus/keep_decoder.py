"""Keeps the decoder of weights before others take their place, so that files made with them can be heard as before.

    python models/corpus/keep_decoder.py models/sparsecodec_models/weights/speech.safetensors

Writes PRESET-HASH.safetensors beside the file: its decoder's tensors and its config. HASH is that of the whole file,
which its .sic files carry.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file

from sparsecodec_models.weights import hash_of, preset_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    path = parser.parse_args().weights
    data = path.read_bytes()
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in sorted(file.keys()) if name.startswith("decoder.")}
        about = file.metadata()
    kept = path.with_name(f"{preset_of(data)}-{hash_of(data).hex()}.safetensors")
    save_file(tensors, kept, about)
    print(kept)


if __name__ == "__main__":
    main()
