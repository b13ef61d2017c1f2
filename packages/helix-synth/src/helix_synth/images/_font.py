"""Strokes of digits and capital letters: data, not drawn by anyone's font.

Points on a grid of 4 by 6 (x to the right, y downwards): two digits a point, strokes
apart by bars.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

_STROKES = {
    "0": "10 30 41 45 36 16 05 01 10",
    "1": "11 20 26|16 36",
    "2": "01 10 30 41 42 06 46",
    "3": "01 10 30 41 42 33 23|33 44 45 36 16 05",
    "4": "36 30 04 44",
    "5": "40 00 03 32 43 45 36 06",
    "6": "40 20 02 05 16 36 45 44 33 13 04",
    "7": "00 40 16",
    "8": "13 02 01 10 30 41 42 33 13 04 05 16 36 45 44 33",
    "9": "42 33 13 02 01 10 30 41 42 44 26 06",
    "A": "06 20 46|14 34",
    "B": "00 30 41 42 33 44 45 36 06 00|03 33",
    "C": "41 30 10 01 05 16 36 45",
    "D": "00 20 42 44 26 06 00",
    "E": "40 00 06 46|03 33",
    "F": "40 00 06|03 33",
    "G": "41 30 10 01 05 16 36 45 43 23",
    "H": "00 06|40 46|03 43",
    "I": "10 30|20 26|16 36",
    "J": "10 40 45 36 16 05",
    "K": "00 06|40 03 46",
    "L": "00 06 46",
    "M": "06 00 23 40 46",
    "N": "06 00 46 40",
    "O": "20 42 44 26 04 02 20",
    "P": "06 00 30 41 42 33 03",
    "Q": "20 42 44 26 04 02 20|24 46",
    "R": "06 00 30 41 42 33 03|23 46",
    "S": "41 30 10 01 02 13 33 44 45 36 16 05",
    "T": "00 40|20 26",
    "U": "00 05 16 36 45 40",
    "V": "00 26 40",
    "W": "00 16 22 36 40",
    "X": "00 46|40 06",
    "Y": "00 23 40|23 26",
    "Z": "00 40 06 46",
}
CHARACTERS = "".join(_STROKES)


def _segments(text: str) -> np.ndarray:
    out = []
    for stroke in text.split("|"):
        points = [(int(p[0]) - 2.0, int(p[1]) - 3.0) for p in stroke.split()]
        out += [(*a, *b) for a, b in pairwise(points)]
    return np.array(out) / 3.0


# (segment, 4): x, y of both ends, in units of half the height
SEGMENTS = tuple(_segments(_STROKES[c]) for c in CHARACTERS)
