"""Periodic motion."""

from __future__ import annotations

import numpy as np

from .._elementary import cos_turns, exp, sin_cos_turns
from ..distributions import Draws
from ._base import REACH, Film, Scene, joined, words


def _periods(draws: Draws, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Which are quick, and frames of a swing."""
    quick = draws.integers(0, 2)
    part = np.where(quick == 1, 0.5, 1.2) + draws.uniform((), 0.0, 0.2)
    return quick, part * frames


class Pendulum(Film):
    """A thing that hangs from the middle of the top, and swings.

    ``length`` in sides, ``amplitude`` in turns, ``period`` in frames.
    """

    name = "pendulum"

    def move(self, draws: Draws, radius: np.ndarray) -> Scene:
        n, t = len(draws), np.arange(self.frames)
        quick, period = _periods(draws, self.frames)
        length = 0.98 - REACH * radius[:, 0] - 2.0 / self.side
        length = length * draws.uniform((), 0.8, 1.0)
        # not so far that it leaves the frame: sin of an angle is below the angle
        widest = (0.5 - REACH * radius[:, 0] - 2.0 / self.side) / length
        amplitude = widest / 6.283185307179586 * draws.uniform((), 0.75, 1.0)
        swing = amplitude[:, None] * cos_turns(t / period[:, None])
        s, c = sin_cos_turns(swing)
        path = joined(0.5 + length[:, None] * s, length[:, None] * c)
        phrases = [f"swings {w}" for w in words(quick, "slowly", "quickly")]
        law = {"length": length, "amplitude": amplitude, "period": period}
        return Scene(path, *self.still(n, radius), phrases, law)


class Spring(Film):
    """A thing on a spring: ``amplitude``, ``period`` and ``damping`` a frame."""

    name = "spring"

    def move(self, draws: Draws, radius: np.ndarray) -> Scene:
        n, t = len(draws), np.arange(self.frames)
        upright = draws.integers(0, 2)
        period = self.frames * draws.uniform((), 0.4, 0.8)
        damping = draws.uniform((), 0.3, 1.5) / self.frames
        widest = 0.5 - REACH * radius[:, 0] - 2.0 / self.side
        amplitude = widest * draws.uniform((), 0.75, 1.0)
        away = amplitude[:, None] * exp(-damping[:, None] * t)
        away = 0.5 + away * cos_turns(t / period[:, None])
        middle = np.full_like(away, 0.5)
        flip = (upright == 1)[:, None]
        path = joined(np.where(flip, middle, away), np.where(flip, away, middle))
        phrases = [f"vibrates {w}" for w in words(upright, "sideways", "up and down")]
        law = {"amplitude": amplitude, "period": period, "damping": damping}
        return Scene(path, *self.still(n, radius), phrases, law)


class Orbiting(Film):
    """A thing that circles the middle: ``distance``, ``period`` and ``phase``."""

    name = "orbiting"

    def move(self, draws: Draws, radius: np.ndarray) -> Scene:
        n, t = len(draws), np.arange(self.frames)
        back = draws.integers(0, 2)
        period = self.frames * draws.uniform((), 0.7, 1.6)
        phase = draws.uniform()
        widest = 0.5 - REACH * radius[:, 0] - 2.0 / self.side
        distance = widest * draws.uniform((), 0.75, 1.0)
        sign = 1.0 - 2.0 * back
        s, c = sin_cos_turns(phase[:, None] + (sign / period)[:, None] * t)
        path = joined(0.5 + distance[:, None] * c, 0.5 + distance[:, None] * s)
        way = words(back, "clockwise", "counterclockwise")  # y goes down
        return Scene(path, *self.still(n, radius), [f"circles {w}" for w in way],
                     {"distance": distance, "period": period, "phase": phase})  # fmt: skip
