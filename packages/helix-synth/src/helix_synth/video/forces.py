"""Walls, gravity and collisions."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ..distributions import Draws
from ._base import REACH, Film, Scene, joined, words


def _wrapped(x: np.ndarray, width: np.ndarray) -> np.ndarray:
    """x modulo width, in [0, width)."""
    out: np.ndarray = x - width * np.floor(x / width)
    return out


def _article(name: str) -> str:
    return "an" if name.startswith(("a", "o")) else "a"


class Bouncing(Film):
    """A thing that bounces off four walls: ``start`` (2,), ``velocity`` (2,)."""

    name = "bouncing"

    def move(self, draws: Draws, radius: np.ndarray) -> Scene:
        n, t = len(draws), np.arange(self.frames)
        low = REACH * radius + 2.0 / self.side
        room = 1 - 2 * low
        start = low + draws.uniform(2) * room
        sign = 1.0 - 2.0 * draws.integers(0, 2, 2)
        velocity = sign * draws.uniform(2, 0.4, 1.6) / self.frames
        far = start[:, :, None] - low[:, :, None] + velocity[:, :, None] * t
        width = room[:, :, None]
        folded = width - np.abs(_wrapped(far, 2 * width) - width)
        x, y = np.moveaxis(folded + low[:, :, None], 1, 0)
        return Scene(joined(x, y), *self.still(n, radius), ["bounces off the walls"] * n,
                     {"start": start, "velocity": velocity})  # fmt: skip


class Falling(Film):
    """A thing that falls and jumps up again: ``height``, ``gravity`` and ``floor``."""

    name = "falling"

    def move(self, draws: Draws, radius: np.ndarray) -> Scene:
        n, t = len(draws), np.arange(self.frames)
        reach = REACH * radius[:, 0] + 2.0 / self.side
        floor = 1 - reach
        height = (1 - 2 * reach) * draws.uniform((), 0.6, 1.0)
        falls = draws.uniform((), 0.35, 0.9) * self.frames  # frames until the floor
        x = reach + draws.uniform() * (1 - 2 * reach)
        u = _wrapped(t + falls[:, None], 2 * falls[:, None]) / falls[:, None] - 1.0
        y = floor[:, None] - height[:, None] * (1.0 - u * u)
        gravity = 2 * height / (falls * falls)
        return Scene(joined(x[:, None], y), *self.still(n, radius),
                     ["falls to the floor"] * n,
                     {"height": height, "gravity": gravity, "floor": floor})  # fmt: skip


class Thrown(Film):
    """A thing on a parabola: ``gravity`` and the ``velocity`` (2,) it starts with."""

    name = "thrown"

    def move(self, draws: Draws, radius: np.ndarray) -> Scene:
        n, t = len(draws), np.arange(self.frames) / (self.frames - 1)
        reach = (REACH * radius[:, 0] + 2.0 / self.side)[:, None]
        room = 1 - 2 * reach
        left = draws.integers(0, 2)
        far = room * draws.uniform(1, 0.7, 1.0)
        rise = room * draws.uniform(1, 0.6, 1.0)
        sign = (1.0 - 2.0 * left)[:, None]
        x = 0.5 + sign * far * (t - 0.5)
        y = 1 - reach - rise * 4 * t * (1 - t)
        steps = self.frames - 1
        velocity = np.concatenate([sign * far, -4 * rise], 1) / steps
        gravity = 8 * rise[:, 0] / (steps * steps)
        phrases = [f"is thrown to the {w}" for w in words(left, "right", "left")]
        return Scene(joined(x, y), *self.still(n, radius), phrases,
                     {"velocity": velocity, "gravity": gravity})  # fmt: skip


class Colliding(Film):
    """One thing hits another of its mass and stops; the other goes on.

    ``speed`` in sides a frame, ``moment`` in frames, when their circles meet.
    """

    name = "colliding"
    objects: ClassVar[int] = 2

    def move(self, draws: Draws, radius: np.ndarray) -> Scene:
        n, t = len(draws), np.arange(self.frames)
        left = draws.integers(0, 2)  # the side that it comes from: 0 left, 1 right
        one, two = (REACH * radius + 2.0 / self.side).T
        gap = 1 - 2 * one - 2 * two  # what is left of the width
        before = gap * draws.uniform((), 0.35, 0.55)
        speed = gap * draws.uniform((), 0.85, 0.95) / (self.frames - 1)
        moment = before / speed
        y = 0.3 + 0.4 * draws.uniform()
        a = one[:, None] + speed[:, None] * np.minimum(t, moment[:, None])
        rest = one + before + one + two
        b = rest[:, None] + speed[:, None] * np.maximum(t - moment[:, None], 0)
        flip = (left == 1)[:, None]
        path = np.empty((n, 2, self.frames, 2))
        path[:, 0, :, 0] = np.where(flip, 1 - a, a)
        path[:, 1, :, 0] = np.where(flip, 1 - b, b)
        path[..., 1] = y[:, None, None]
        return Scene(path, *self.still(n, radius), words(left, "left", "right"),
                     {"speed": speed, "moment": moment})  # fmt: skip

    def caption(self, size: str, names: list[str], phrase: str) -> str:
        one, two = (f"{_article(name)} {name}" for name in names)
        return f"{one} hits {two} from the {phrase}"
