"""Makes the weights file of preset `music` from its two halves, which are trained apart.

    python models/corpus/join_music_weights.py FINDER.safetensors MAP.safetensors music.safetensors

FINDER is what train_finder.py leaves; MAP holds `shape_mean` and `shape_basis` of the decoder.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from safetensors.torch import load_file

from sparsecodec_models.music.model import ModelConfig, MusicModel
from sparsecodec_models.music.network.finder import load_finder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("finder", type=Path)
    parser.add_argument("map", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    finder = load_finder(args.finder)
    model = MusicModel(ModelConfig(finder=finder.config))
    model.encoder = finder
    shapes = load_file(args.map)
    with torch.no_grad():
        model.decoder.shape_mean.copy_(shapes["shape_mean"])
        model.decoder.shape_basis.copy_(shapes["shape_basis"])
    args.out.write_bytes(model.to_bytes())


if __name__ == "__main__":
    main()
