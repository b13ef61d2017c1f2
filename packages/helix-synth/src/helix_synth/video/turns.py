"""Motion along a line, turning and growing."""

from __future__ import annotations

import numpy as np

from ..distributions import Draws
from ..images._sdf import PERIODS
from ._base import REACH, Film, Scene, joined, words


class Sliding(Film):
    """A thing of constant ``velocity`` (2,) in one of four directions."""

    name = "sliding"

    def move(self, draws: Draws, radius: np.ndarray) -> Scene:
        n, t = len(draws), np.arange(self.frames) / (self.frames - 1)
        way, quick = draws.integers(0, 4), draws.integers(0, 2)
        reach = REACH * radius + 2.0 / self.side
        room = 1 - 2 * reach
        far = room[:, 0] * (
            np.where(quick == 1, 0.8, 0.3) + draws.uniform((), 0.0, 0.15)
        )
        x = np.array([1.0, -1.0, 0.0, 0.0])[way]
        y = np.array([0.0, 0.0, 1.0, -1.0])[way]
        go = np.stack([x, y], 1) * far[:, None]
        spare = room - np.abs(go)
        start = reach + draws.uniform(2) * spare + np.maximum(-go, 0)
        path = start[:, None, None] + go[:, None, None] * t[:, None]
        where = words(way, "right", "left", "down", "up")
        how = words(quick, "slowly", "quickly")
        phrases = [f"moves {a} {b}" for a, b in zip(where, how, strict=True)]
        return Scene(
            path, *self.still(n, radius), phrases, {"velocity": go / (self.frames - 1)}
        )


class Spinning(Film):
    """A thing that turns in its place by ``speed`` turns a frame."""

    name = "spinning"

    def move(self, draws: Draws, radius: np.ndarray) -> Scene:
        n, t = len(draws), np.arange(self.frames)
        back = draws.integers(0, 2)
        # less than half of the shortest time after which a shape looks as before
        speed = (1.0 - 2.0 * back) * draws.uniform((), 0.2, 0.45) * min(PERIODS)
        reach = REACH * radius + 2.0 / self.side
        at = reach + draws.uniform(2) * (1 - 2 * reach)
        path = np.broadcast_to(at[:, None, None], (n, 1, self.frames, 2))
        radii, _ = self.still(n, radius)
        angles = (speed[:, None] * t)[:, None]
        way = words(back, "clockwise", "counterclockwise")
        return Scene(path, radii, angles, [f"spins {w}" for w in way], {"speed": speed})


class Growing(Film):
    """A thing whose radius changes by ``factor`` until the end, evenly."""

    name = "growing"

    def move(self, draws: Draws, radius: np.ndarray) -> Scene:
        n, t = len(draws), np.arange(self.frames) / (self.frames - 1)
        shrinks = draws.integers(0, 2)
        factor = draws.uniform((), 1.6, 2.2)
        first = np.where(shrinks == 1, factor, 1.0)
        last = np.where(shrinks == 1, 1.0, factor)
        radii = radius * (first[:, None] + (last - first)[:, None] * t)
        reach = REACH * (radius[:, 0] * factor)[:, None] + 2.0 / self.side
        at = reach + draws.uniform(2) * (1 - 2 * reach)
        _, angles = self.still(n, radius)
        path = joined(at[:, :1], np.broadcast_to(at[:, 1:], (n, self.frames)))
        phrases = words(shrinks, "grows", "shrinks")
        return Scene(path, radii[:, None], angles, phrases, {"factor": last / first})
