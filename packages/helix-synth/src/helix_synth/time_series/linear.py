"""Linear processes: ARMA, random walks, mean reversion, GARCH, regimes."""

from __future__ import annotations

import numpy as np

from .._block import Column
from .._elementary import exp
from .._fields import field
from ..distributions import Draws
from ._base import SeriesProcess, series


class ARMA(SeriesProcess):
    """x_t = a1 x_{t-1} + a2 x_{t-2} + e_t + b e_{t-1}, from rest; e is standard normal.

    ``a1``, ``a2`` are stationary (roots of modulus below ``reach``), ``b`` is invertible.
    """

    name = "arma"
    reach: float = field(0.95, 0.0, 0.99, "largest modulus of a root")

    def rows(self, draws: Draws) -> dict[str, Column]:
        r1, r2 = self.reach * draws.uniform(2, -1.0, 1.0).T
        a1, a2 = r1 + r2, -r1 * r2
        b = 0.9 * draws.uniform((), -1.0, 1.0)
        e = draws.normal(self.length)
        x = np.empty_like(e)
        before = earlier = shock = np.zeros(len(draws))
        for t in range(self.length):
            now = a1 * before + a2 * earlier + e[:, t] + b * shock
            x[:, t] = now
            earlier, before, shock = before, now, e[:, t]
        return {"series": series(x), "a1": a1, "a2": a2, "b": b}


class RandomWalk(SeriesProcess):
    """Steps of a normal distribution of mean ``drift`` and deviation ``scale``, from 0."""

    name = "random_walk"

    def rows(self, draws: Draws) -> dict[str, Column]:
        drift = 0.2 * draws.uniform((), -1.0, 1.0)
        scale = draws.uniform((), 0.5, 2.0)
        steps = drift[:, None] + scale[:, None] * draws.normal(self.length)
        return {"series": series(np.cumsum(steps, 1)), "drift": drift, "scale": scale}


class OrnsteinUhlenbeck(SeriesProcess):
    """Mean reversion to ``mean`` at ``rate``, noise of ``scale``; exact between steps."""

    name = "ornstein_uhlenbeck"

    def rows(self, draws: Draws) -> dict[str, Column]:
        rate = draws.uniform((), 0.05, 1.0)
        mean = draws.uniform((), -3.0, 3.0)
        scale = draws.uniform((), 0.2, 2.0)
        keep = exp(-rate)
        jump = scale * np.sqrt((1.0 - keep * keep) / (2.0 * rate))
        z = draws.normal(self.length)
        x = np.empty_like(z)
        now = mean + scale / np.sqrt(2.0 * rate) * z[:, 0]
        x[:, 0] = now
        for t in range(1, self.length):
            now = mean + keep * (now - mean) + jump * z[:, t]
            x[:, t] = now
        return {"series": series(x), "rate": rate, "mean": mean, "scale": scale}


class GARCH(SeriesProcess):
    """Returns whose variance is ``omega + alpha x**2 + beta variance`` (Bollerslev)."""

    name = "garch"

    def rows(self, draws: Draws) -> dict[str, Column]:
        omega = draws.uniform((), 0.05, 0.5)
        alpha = draws.uniform((), 0.05, 0.25)
        beta = draws.uniform((), 0.3, 0.7)
        z = draws.normal(self.length)
        x = np.empty_like(z)
        variance = omega / (1.0 - alpha - beta)
        for t in range(self.length):
            x[:, t] = np.sqrt(variance) * z[:, t]
            variance = omega + alpha * x[:, t] ** 2 + beta * variance
        return {"series": series(x), "omega": omega, "alpha": alpha, "beta": beta}


class Regimes(SeriesProcess):
    """A Markov chain of levels, seen through noise.

    ``states`` (time,) int32, ``levels`` (state,) float64 apart by at least 2, and noise of
    deviation ``noise``.
    """

    name = "regimes"
    regimes: int = field(3, 2, 16, "levels")
    stay: float = field(0.95, 0.0, 1.0, "probability of staying")
    noise: float = field(0.3, 0.0, 10.0, "deviation of the noise")

    def rows(self, draws: Draws) -> dict[str, Column]:
        k = self.regimes
        gaps = draws.uniform(k, 2.0, 4.0)
        levels = np.take_along_axis(np.cumsum(gaps, 1), draws.permutation(k), 1)
        stays = draws.bernoulli(self.stay, self.length)
        jumps = draws.integers(1, k, self.length)
        states = np.cumsum(np.where(stays, 0, jumps), 1) % k
        x = np.take_along_axis(levels, states, 1)
        x = x + self.noise * draws.normal(self.length)
        return {
            "series": series(x),
            "states": states.astype(np.int32),
            "levels": levels,
        }
