"""Gives weights of `speech` whose pitch candidates are 60 to 470 Hz those of today's config, at either end more.

    python models/corpus/widen_pitch.py OLD.safetensors NEW.safetensors

Candidates that were there keep their inputs and outputs. The network knows nothing of new ones yet, neither what their
salience tells nor when to prefer them: their rows are 0, so their logits are the salience times its gain. All else
stays, the decoder to the bit. Train the result (`tune_encoder.py`).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from sparsecodec_models.speech.config import SpeechConfig
from sparsecodec_models.speech.model import SpeechModel
from sparsecodec_models.speech.network.features import pitch_candidates_hz


def widened(old: SpeechModel) -> SpeechModel:
    """A model of today's candidates that says the same of those that `old` has; ValueError where one is missing."""
    given, config = old.config, SpeechConfig(channels=old.config.channels, dilations=old.config.dilations)
    model = SpeechModel(config)
    place = np.searchsorted(pitch_candidates_hz(config) * 1.001, pitch_candidates_hz(given))
    if not np.allclose(pitch_candidates_hz(config)[place], pitch_candidates_hz(given), rtol=1e-6):
        raise ValueError("the candidates of the old weights are not among the new ones")
    state, rows = old.state_dict(), torch.from_numpy(place)
    first_in = config.mels + 1  # what comes before the salience
    first_out = 1 + config.named_dims
    for name, first, axis in (
        ("encoder.enter.weight", first_in, 1),
        ("encoder.leave.weight", first_out, 0),
        ("encoder.leave.bias", first_out, 0),
    ):
        before, own, after = state[name].split(
            [first, given.pitch_bins, state[name].shape[axis] - first - given.pitch_bins], axis
        )
        shape = list(own.shape)
        shape[axis] = config.pitch_bins
        state[name] = torch.cat([before, own.new_zeros(shape).index_copy(axis, rows, own), after], axis)
    model.load_state_dict(state)
    return model.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    args = parser.parse_args()
    args.new.write_bytes(widened(SpeechModel.from_bytes(args.old.read_bytes())).to_bytes())


if __name__ == "__main__":
    main()
