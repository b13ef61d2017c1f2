"""Plane shapes as polygons: which pixel centres are inside, by counting crossings."""

from __future__ import annotations

import math
from functools import cache

import numpy as np

NAMES = ("ellipse", "square", "triangle", "cross", "star", "heart", "crescent", "kite")
PERIOD = dict(
    ellipse=2, square=4, triangle=3, cross=4, star=5, heart=1, crescent=1, kite=1
)


def _arc(
    x: float, y: float, r: float, start: float, stop: float, n: int
) -> list[complex]:
    return [
        complex(x + r * math.cos(a), y + r * math.sin(a))
        for a in np.linspace(start, stop, n)
    ]


@cache
def polygon(name: str) -> np.ndarray:
    """Corners of a shape of circumscribed radius 1: (corner,) complex, y downwards."""
    if name == "ellipse":
        points = [
            complex(p.real, 0.6 * p.imag) for p in _arc(0, 0, 1, 0, 2 * math.pi, 73)
        ]
        points.pop()
    elif name == "square":
        h = math.sqrt(0.5)
        points = [complex(h, h), complex(-h, h), complex(-h, -h), complex(h, -h)]
    elif name == "triangle":
        points = [-1j * np.exp(2j * math.pi * k / 3) for k in range(3)]
    elif name == "cross":
        a, b = 0.95, 0.3
        quarter = [complex(a, -b), complex(a, b), complex(b, b)]
        points = [p * 1j**k for k in range(4) for p in quarter]
    elif name == "star":
        outer = -1j
        inner = -1j * np.exp(1j * math.pi / 5) * math.cos(2 * math.pi / 5)
        inner /= math.cos(math.pi / 5)
        points = [
            p * np.exp(2j * math.pi * k / 5) for k in range(5) for p in (outer, inner)
        ]
    elif name == "heart":
        # corners of the square on its tip, then a half circle over each upper side
        right, top, left, tip = 0.8 + 0.15j, -0.65j, -0.8 + 0.15j, 0.95j
        r = 0.8 * math.sqrt(0.5)
        over_right = _arc(0.4, -0.25, r, math.pi / 4, -3 * math.pi / 4, 40)
        over_left = _arc(-0.4, -0.25, r, -math.pi / 4, -5 * math.pi / 4, 40)
        points = [tip, right, *over_right, top, *over_left, left]
    elif name == "crescent":
        x = (1 + 0.45**2 - 0.64) / 0.9
        y = math.sqrt(1 - x * x)
        a, b = math.atan2(y, x), math.atan2(y, x - 0.45)
        points = _arc(0, 0, 1, a, 2 * math.pi - a, 64)
        points += _arc(0.45, 0, 0.8, 2 * math.pi - b, b, 64)
    else:
        points = [-0.6j, 0.6 + 0j, 1j, -0.6 + 0j]
    return np.array(points)


def inside(corners: np.ndarray, width: int, height: int) -> np.ndarray:
    """Pixel centres in a polygon: (row, column) bool. Even-odd rule, line by line."""
    y = np.arange(height) + 0.5
    a, b = corners, np.roll(corners, -1)
    crosses = (a.imag[:, None] <= y) != (b.imag[:, None] <= y)
    edge, row = np.nonzero(crosses)
    t = (y[row] - a.imag[edge]) / (b.imag[edge] - a.imag[edge])
    x = a.real[edge] + t * (b.real[edge] - a.real[edge])
    first = np.clip(np.ceil(x - 0.5), 0, width).astype(int)
    flips = np.zeros((height, width + 1), int)
    np.add.at(flips, (row, first), 1)
    return np.asarray(np.cumsum(flips, 1)[:, :-1] % 2 == 1)


def placed(name: str, x: float, y: float, radius: float, turn: float) -> np.ndarray:
    """A shape's corners in pixels; ``turn`` in whole turns."""
    return np.asarray(
        complex(x, y) + radius * np.exp(2j * math.pi * turn) * polygon(name)
    )


def grown(mask: np.ndarray, by: int) -> np.ndarray:
    """A mask and its neighbours to a Chebyshev distance."""
    for _ in range(by):
        p = np.pad(mask, 1)
        mask = p[:-2, 1:-1] | p[1:-1, 1:-1] | p[2:, 1:-1]
        p = np.pad(mask, 1)
        mask = p[1:-1, :-2] | p[1:-1, 1:-1] | p[1:-1, 2:]
    return mask


def core_and_rim(
    corners: np.ndarray, width: int, height: int
) -> tuple[np.ndarray, np.ndarray]:
    """Pixels surely inside, and those that may be touched, of a polygon."""
    mask = inside(corners, width, height)
    core, rim = ~grown(~mask, 1), grown(mask, 2)
    sides = np.roll(corners, -1) - corners
    kept = np.abs(sides) > 1e-9
    corners, sides = corners[kept], sides[kept]
    turns = np.abs(np.angle(sides / np.roll(sides, 1)))
    for c in corners[turns > 1.2]:  # coverage runs ahead of a tip, and into a notch
        x, y = round(c.real), round(c.imag)
        at = np.s_[max(y - 4, 0) : max(y + 4, 0), max(x - 4, 0) : max(x + 4, 0)]
        core[at], rim[at] = False, True
    return core, rim
