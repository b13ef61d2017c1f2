"""What a language model is measured against: entropies and compressors of bytes."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable

import numpy as np


def conditional_entropy(data: np.ndarray, order: int) -> float:
    """Bits per byte of the best fixed predictor that sees ``order`` bytes before.

    Parameters
    ----------
    data : ndarray of uint8, more than ``order``
    """
    context = np.zeros(len(data) - order, np.int64)
    for i in range(order):
        context = context * 256 + data[i : len(data) - order + i]
    joint = context * 256 + data[order:]

    def entropy(x: np.ndarray) -> float:
        counts = np.unique(x, return_counts=True)[1].astype(np.float64)
        return float(np.log2(len(x)) - (counts * np.log2(counts)).sum() / len(x))

    return entropy(joint) - entropy(context) if len(joint) else 0.0


COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "zlib-9": lambda b: zlib.compress(b, 9),
    "bz2-9": lambda b: bz2.compress(b, 9),
    "xz-9e": lambda b: lzma.compress(b, preset=9 | lzma.PRESET_EXTREME),
}


def compressed_bits(data: np.ndarray) -> dict[str, float]:
    """Bits per byte of standard compressors on these bytes."""
    raw = data.tobytes()
    return {name: 8 * len(f(raw)) / len(raw) for name, f in COMPRESSORS.items()}
