"""Trends, seasons, steps, waves and counts."""

from __future__ import annotations

import numpy as np

from .._block import Column
from .._elementary import cos_turns, sin_turns
from .._fields import field
from ..distributions import Draws
from ..errors import SpecError
from ._base import SeriesProcess, series


class Seasonal(SeriesProcess):
    """A line, a season of ``period`` steps, and noise.

    ``slope`` a step, ``intercept``, ``amplitude`` and ``phase`` (in turns) of the season.
    """

    name = "seasonal"
    noise: float = field(0.2, 0.0, 10.0, "deviation of the noise")

    def rows(self, draws: Draws) -> dict[str, Column]:
        period = draws.uniform((), 4.0, self.length / 4)
        slope = draws.uniform((), -4.0, 4.0) / self.length
        intercept = draws.uniform((), -2.0, 2.0)
        amplitude = draws.uniform((), 0.5, 3.0)
        phase = draws.uniform()
        t = np.arange(self.length)
        x = intercept[:, None] + slope[:, None] * t
        x += amplitude[:, None] * sin_turns(t / period[:, None] + phase[:, None])
        x += self.noise * draws.normal(self.length)
        return {
            "series": series(x), "period": period, "slope": slope,
            "intercept": intercept, "amplitude": amplitude, "phase": phase,
        }  # fmt: skip


class Sinusoids(SeriesProcess):
    """A sum of sinusoids: ``frequencies`` in turns a step, ``amplitudes``, ``phases``."""

    name = "sinusoids"
    count: int = field(3, 1, 64, "sinusoids")

    def rows(self, draws: Draws) -> dict[str, Column]:
        frequency = draws.uniform(self.count, 0.005, 0.45)
        amplitude = draws.uniform(self.count, 0.3, 2.0)
        phase = draws.uniform(self.count)
        t, x = np.arange(self.length), np.zeros((len(draws), self.length))
        for k in range(self.count):
            turn = frequency[:, k, None] * t + phase[:, k, None]
            x += amplitude[:, k, None] * sin_turns(turn)
        return {
            "series": series(x), "frequencies": frequency, "amplitudes": amplitude,
            "phases": phase,
        }  # fmt: skip


class ChangePoints(SeriesProcess):
    """A level that jumps: ``changes`` (change,) int32 are the first steps of new levels.

    ``levels`` (change + 1,) float64; neighbours are at least 1 apart.
    """

    name = "change_points"
    changes: int = field(3, 0, 64, "jumps of the level")
    noise: float = field(0.2, 0.0, 10.0, "deviation of the noise")

    def check(self) -> None:
        if 8 * (self.changes + 1) > self.length:
            raise SpecError(
                f"[change_points] expected 8 * (changes + 1) <= length; got "
                f"changes={self.changes}, length={self.length}. "
                f"Hint: changes={max(self.length // 8 - 1, 0)}"
            )

    def rows(self, draws: Draws) -> dict[str, Column]:
        k, gap = self.changes, 8
        room = self.length - gap * (k + 1) + k
        at = np.sort(draws.choice(room, k), 1) + gap + (gap - 1) * np.arange(k)
        jumps = draws.uniform(k, 1.0, 4.0) * (1.0 - 2.0 * draws.integers(0, 2, k))
        start = draws.uniform((), -2.0, 2.0)[:, None]
        levels = np.concatenate([start, start + np.cumsum(jumps, 1)], 1)
        which = (np.arange(self.length)[:, None] >= at[:, None]).sum(2)
        x = np.take_along_axis(levels, which, 1)
        x = x + self.noise * draws.normal(self.length)
        return {
            "series": series(x),
            "changes_at": at.astype(np.int32),
            "levels": levels,
        }


class Waves(SeriesProcess):
    """A square or sawtooth wave of a whole number of steps, without noise.

    ``kind`` 0 is square (high for the first ``duty`` steps of ``period``), 1 a sawtooth
    that rises from 0 to ``height``.
    """

    name = "waves"

    def rows(self, draws: Draws) -> dict[str, Column]:
        period = draws.integers(4, 41)
        duty = 1 + draws.below(period - 1)
        offset = draws.below(period)
        kind = draws.integers(0, 2)
        height = draws.uniform((), 0.5, 3.0)
        at = (np.arange(self.length) + offset[:, None]) % period[:, None]
        square = at < duty[:, None]
        saw = at / (period[:, None] - 1.0)
        x = height[:, None] * np.where(kind[:, None] == 0, square, saw)
        return {
            "series": series(x), "period": period, "duty": duty, "offset": offset,
            "kind": kind, "height": height,
        }  # fmt: skip


class Counts(SeriesProcess):
    """Poisson counts whose rate has a season: ``base (1 + depth cos)``; ``rate`` beside."""

    name = "counts"

    def rows(self, draws: Draws) -> dict[str, Column]:
        base = draws.uniform((), 1.0, 20.0)
        depth = draws.uniform((), 0.0, 0.9)
        period = draws.uniform((), 8.0, 64.0)
        turn = np.arange(self.length) / period[:, None]
        rate = base[:, None] * (1.0 + depth[:, None] * cos_turns(turn))
        return {"series": series(draws.poisson(rate, self.length)), "rate": rate}


class Lorenz(SeriesProcess):
    """The x of the Lorenz system, scaled by 1 / 10: classical Runge-Kutta steps.

    ``start`` (3,) float64 is the state of the first step.
    """

    name = "lorenz"
    step: float = field(0.02, 0.001, 0.05, "time between steps")

    def rows(self, draws: Draws) -> dict[str, Column]:
        now = draws.uniform((3,), -10.0, 10.0).T + np.array([[0.0], [0.0], [25.0]])
        start = now.T.copy()
        h, x = self.step, np.empty((len(draws), self.length))
        for t in range(self.length):
            x[:, t] = now[0]
            k1 = _lorenz(now)
            k2 = _lorenz(now + 0.5 * h * k1)
            k3 = _lorenz(now + 0.5 * h * k2)
            k4 = _lorenz(now + h * k3)
            now = now + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
        return {"series": series(x / 10.0), "start": start}


def _lorenz(s: np.ndarray) -> np.ndarray:
    x, y, z = s
    return np.stack([10.0 * (y - x), x * (28.0 - z) - y, x * y - 8.0 / 3.0 * z])


class LogisticMap(SeriesProcess):
    """x -> r x (1 - x) for ``r`` in [3.5, 4): chaos in one line."""

    name = "logistic_map"

    def rows(self, draws: Draws) -> dict[str, Column]:
        r = draws.uniform((), 3.5, 4.0)
        now = draws.uniform((), 0.1, 0.9)
        x = np.empty((len(draws), self.length))
        for t in range(self.length):
            x[:, t] = now
            now = r * now * (1.0 - now)
        return {"series": series(x), "r": r, "start": x[:, 0].copy()}
