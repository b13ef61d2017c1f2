"""Colours by number, in exact integers."""

from __future__ import annotations

import numpy as np


def hues(n: int, value: int, grey: int) -> np.ndarray:
    """n colours around the wheel: (colour, 3) uint8, from grey to value."""
    out = np.empty((n, 3), np.uint8)
    for i in range(n):
        sector, part = divmod(6 * i, n)
        up = grey + (value - grey) * part // n
        down = grey + (value - grey) * (n - part) // n
        out[i] = [
            (value, up, grey),
            (down, value, grey),
            (grey, value, up),
            (grey, down, value),
            (up, grey, value),
            (value, grey, down),
        ][sector]
    return out


FILL = hues(12, 255, 30)
GROUND = hues(12, 120, 70)
