"""Spectrograms as a picture; needs matplotlib."""

from __future__ import annotations

from collections.abc import Mapping
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from sparsecodec_models.dsp.stft import stft_of_array

FRAME_S, HOP_S = 0.03, 0.005
DEPTH_DB = 80.0  # below the loudest, of all signals, what is drawn darkest


def levels_db(audio: NDArray[np.float32], sample_rate: int) -> NDArray[np.float64]:
    """[bins, frames] of samples [n], dB; frames of 30 ms, 5 ms apart, silence before and after."""
    size, hop = round(FRAME_S * sample_rate), max(1, round(HOP_S * sample_rate))
    padded = np.pad(audio.astype(np.float64), (size + 1) // 2)
    magnitude = np.abs(stft_of_array(padded, np.hanning(size), hop))
    return 20 * np.log10(magnitude + 1e-9).T


def draw(file: BinaryIO, signals: Mapping[str, NDArray[np.float32]], sample_rate: int) -> None:
    """PNG of signals [n], one below the other, on the same scales."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 2.4 * len(signals)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(signals), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    pictures = {title: levels_db(audio, sample_rate) for title, audio in signals.items()}
    top = max(float(picture.max()) for picture in pictures.values())
    for ax, (title, picture) in zip(axes, pictures.items(), strict=True):
        seconds = len(signals[title]) / sample_rate
        ax.imshow(
            picture,
            origin="lower",
            aspect="auto",
            extent=(0, seconds, 0, sample_rate / 2000),
            vmin=top - DEPTH_DB,
            vmax=top,
        )
        ax.set_title(title, loc="left")
        ax.set_ylabel("kHz")
    axes[-1].set_xlabel("s")
    figure.savefig(file, format="png", dpi=100)
