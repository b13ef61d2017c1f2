"""Signed distances of plane shapes, in units of their circumscribed circle.

Negative inside; near the edge, where a pixel's coverage is decided, the slope is 1.
Steps are exact in float32: no function of a library whose last bit may differ.
"""

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi, sin

import numpy as np

F = np.float32
Distance = Callable[[np.ndarray, np.ndarray], np.ndarray]

SHAPES = ("ellipse", "square", "triangle", "cross", "star", "heart", "crescent", "kite")
# after how many turns a shape looks as before
PERIODS = (1 / 2, 1 / 4, 1 / 3, 1 / 4, 1 / 5, 1.0, 1.0, 1.0)


def _normals(n: int, turn: float) -> list[tuple[np.float32, np.float32]]:
    return [
        (
            F(round(cos(2 * pi * (k / n + turn)), 7)),
            F(round(sin(2 * pi * (k / n + turn)), 7)),
        )
        for k in range(n)
    ]


_TRIANGLE, _STAR = _normals(3, 1 / 4), _normals(5, 3 / 4)
_STAR_INNER = F(0.309017)  # of the lines of a pentagram, cos(72 degrees)


def _circle(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    out = np.sqrt(x * x + y * y)
    return np.asarray(out)


def ellipse(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Half axes 1 and 0.6: f (f - 1) / |grad f| of the implicit f, near the edge."""
    u, v = x, y * F(1 / 0.6)
    f = _circle(u, v)
    slope = _circle(u, v * F(1 / 0.6))
    return np.asarray((f - F(1)) * f / np.maximum(slope, F(1e-3)))


def square(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Half side 0.7071."""
    return np.asarray(np.maximum(np.abs(x), np.abs(y)) - F(0.7071068))


def triangle(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Equilateral, one corner at (0, -1)."""
    out = x * _TRIANGLE[0][0] + y * _TRIANGLE[0][1]
    for nx, ny in _TRIANGLE[1:]:
        np.maximum(out, x * nx + y * ny, out=out)
    return out - F(0.5)


def cross(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Two bars of 1.9 by 0.6."""
    a, b = np.abs(x), np.abs(y)
    low, high = np.minimum(a, b), np.maximum(a, b)
    return np.asarray(np.maximum(high - F(0.95), low - F(0.3)))


def star(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A pentagram: inside of at least four of its five lines."""
    first = x * _STAR[0][0] + y * _STAR[0][1]
    second = np.full_like(first, -9)
    for nx, ny in _STAR[1:]:
        d = x * nx + y * ny
        np.maximum(second, np.minimum(first, d), out=second)
        np.maximum(first, d, out=first)
    return second - _STAR_INNER


def heart(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A square on its corner and two half circles; the tip at (0, 0.95)."""
    s = F(0.7071068)
    u, v = (x + y - F(0.15)) * s, (y - x - F(0.15)) * s
    side = F(0.8 * 0.7071068)
    box = np.maximum(np.abs(u), np.abs(v)) - side
    # the circles stand on the middles of the two upper sides
    left = np.minimum(_circle(u + side, v), _circle(u, v + side)) - side
    return np.asarray(np.minimum(box, left))


def crescent(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The unit circle without one of radius 0.8 around (0.45, 0)."""
    return np.maximum(_circle(x, y) - F(1), F(0.8) - _circle(x - F(0.45), y))


def kite(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Corners (0, -0.6), (0.6, 0), (0, 1), (-0.6, 0)."""
    a, s = np.abs(x), F(0.8574929)
    upper = (a - y - F(0.6)) * F(0.7071068)
    lower = a * s + y * F(0.5144958) - F(0.5144958)
    return np.asarray(np.maximum(upper, lower))


DISTANCES: tuple[Distance, ...] = (
    ellipse, square, triangle, cross, star, heart, crescent, kite
)  # fmt: skip
