"""Short-time Fourier transforms: one for arrays, one for tensors (with gradients); and the window of both.

Frame k covers samples k · hop … k · hop + len(window) - 1 of what is given, or, where frames are centred, is centred on
sample k · hop. No scaling is applied but what `norm` says (as in `numpy.fft`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor


def hann(size: int) -> NDArray[np.float32]:
    """The periodic Hann window, float32 [size]."""
    window: NDArray[np.float32] = np.hanning(size + 1)[:-1].astype(np.float32)
    return window


def stft_of_array(
    samples: NDArray[np.floating], window: NDArray[np.floating], hop: int, fft_size: int | None = None
) -> NDArray[np.complexfloating]:
    """Complex [frames, fft_size // 2 + 1] of samples [n]: all frames that lie in them whole.

    fft_size: that frames are padded to with zeros; default, the window's length.
    """
    frames = np.lib.stride_tricks.sliding_window_view(samples, len(window))[::hop]
    spectrum: NDArray[np.complexfloating] = np.fft.rfft(frames * window, fft_size)
    return spectrum


def stft(
    samples: Tensor,
    window: Tensor,
    hop: int,
    fft_size: int | None = None,
    *,
    centred: bool = False,
    norm: str = "backward",
) -> Tensor:
    """Complex [..., frames, fft_size // 2 + 1] of samples [..., n]: all frames that lie in them whole, or, centred, all
    n // hop + 1 whose centre does, with silence around the samples.

    fft_size: that frames are padded to with zeros; default, the window's length.
    """
    import torch  # here: arrays are transformed without it

    if centred:
        samples = torch.nn.functional.pad(samples, (len(window) // 2, len(window) // 2))
    frames = samples.unfold(-1, len(window), hop) * window
    spectrum: Tensor = torch.fft.rfft(frames, fft_size, norm=norm)
    return spectrum
