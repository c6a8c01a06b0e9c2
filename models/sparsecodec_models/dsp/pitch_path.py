"""The best path through candidates of each frame (Viterbi 1967), as pitch trackers need it (Boersma 1993)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def best_path(score: NDArray[np.float32], move: NDArray[np.floating]) -> NDArray[np.int64]:
    """Which candidate each frame takes, int64 [t], so that the sum of all scores and moves is largest.

    score: float32 [t, n], of each candidate at each frame; move: [n, n], of going to candidate i from candidate j in
    the frame before. Of equal ways, the first.
    """
    n_frames, n = score.shape
    path = np.zeros(n_frames, np.int64)
    if not n_frames:
        return path
    candidate = np.arange(n)
    best, back = score[0], np.empty((n_frames, n), np.int64)
    for t in range(1, n_frames):
        ways = move + best
        back[t] = ways.argmax(1)
        best = (ways[candidate, back[t]] + score[t]).astype(np.float32)
    path[-1] = best.argmax()
    for t in range(n_frames - 1, 0, -1):
        path[t - 1] = back[t, path[t]]
    return path
