"""Fit the map of preset `music` from coefficients to spectra: what notes of many recordings look like.

    python fit_music_map.py CLIPS music_map.safetensors

CLIPS: a folder of NAME.flac (22,050 Hz, mono) and NAME.json with their `notes` (`render_notes.py` makes such). Every
recording is measured with the notes that it is known to have (`sparsecodec_models.music.analysis.measure`); then the
mean and the principal directions of the spectra of their partials and noise are found (`…analysis.shape_map`).

The file holds `shape_mean` and `shape_basis` in half precision. The same clips give the same file. 200 clips of 12 s
take some three minutes on one core.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import soundfile as sf
import torch

from sparsecodec_models import weights
from sparsecodec_models.music.analysis.measure import measure
from sparsecodec_models.music.analysis.measured import MeasuredNotes
from sparsecodec_models.music.analysis.shape_map import fit_shape_map
from sparsecodec_models.music.config import PRESET
from sparsecodec_models.music.synthesis.controls import MusicDecoder


def measure_clip(audio: Path, decoder: MusicDecoder) -> MeasuredNotes | None:
    """The notes of a clip, measured; None where it has none."""
    samples, rate = sf.read(audio, dtype="float32")
    if rate != decoder.config.sample_rate or samples.ndim != 1:
        raise SystemExit(
            f"{audio}: {rate} Hz, {samples.ndim} dimensions; mono at {decoder.config.sample_rate} Hz is needed"
        )
    notes = json.loads(audio.with_suffix(".json").read_text())["notes"]
    if not notes:
        return None
    onset, offset, midi = (np.array([note[key] for note in notes], float) for key in ("onset_s", "offset_s", "midi"))
    return measure(samples, onset, offset, midi, np.array([note["drum"] for note in notes], bool), decoder)


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("clips", type=Path)
    ask.add_argument("out", type=Path)
    ask.add_argument("--count", type=int, default=200, help="clips that are used, evenly spread by name")
    args = ask.parse_args()
    torch.set_num_threads(1)
    decoder = MusicDecoder.plain()
    clips = sorted(args.clips.glob("*.flac"))
    used = (
        [clips[i] for i in np.unique(np.linspace(0, len(clips) - 1, args.count).round().astype(int))] if clips else []
    )
    measured = [notes for clip in used if (notes := measure_clip(clip, decoder)) is not None]
    if not measured:
        raise SystemExit(f"{args.clips} has no clips with notes: give a folder of NAME.flac and NAME.json")
    mean, basis = fit_shape_map(measured, decoder)
    tensors = {"shape_mean": torch.tensor(mean).half(), "shape_basis": torch.tensor(basis).half()}
    args.out.write_bytes(weights.to_bytes(PRESET, decoder.config, tensors))
    print(f"{sum(map(len, measured))} notes of {len(measured)} clips: {args.out}")


if __name__ == "__main__":
    main()
