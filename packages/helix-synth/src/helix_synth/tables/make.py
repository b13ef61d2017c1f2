"""Tables: linear models, clusters, and records with rules between their columns."""

from __future__ import annotations

import numpy as np

from .._block import Column
from .._elementary import exp
from .._fields import field
from ..distributions import Draws
from ..generator import Generator


class Regression(Generator):
    """Rows of a linear model: ``x`` (row, feature), ``y`` (row,), ``weights``, ``bias``.

    ``informative`` features have a weight of at least 0.5; the others have 0.
    """

    name = "regression"
    modality = "table"
    chunk = 64
    rows_count: int = field(100, 1, 1 << 16, "rows of the table")
    features: int = field(10, 1, 1 << 10, "columns")
    informative: int = field(5, 1, 1 << 10, "columns that matter; at most all")
    noise: float = field(0.1, 0.0, 100.0, "deviation of the noise")

    def rows(self, draws: Draws) -> dict[str, Column]:
        f = self.features
        x = draws.normal((self.rows_count, f))
        sign = 1.0 - 2.0 * draws.integers(0, 2, f)
        size = draws.uniform(f, 0.5, 3.0) * sign
        rank = np.argsort(draws.permutation(f), 1)
        weights = np.where(rank < self.informative, size, 0.0)
        bias = draws.uniform((), -2.0, 2.0)
        y = np.repeat(bias[:, None], self.rows_count, 1)
        for k in range(f):
            y += x[:, :, k] * weights[:, None, k]
        y += self.noise * draws.normal(self.rows_count)
        return {"x": x, "y": y, "weights": weights, "bias": bias}


class Blobs(Generator):
    """Clusters: ``x`` (row, feature), ``labels`` (row,) int32, ``centres``.

    Normal around centres of a cube of side 10, with deviation ``spread``.
    """

    name = "blobs"
    modality = "table"
    chunk = 64
    rows_count: int = field(100, 1, 1 << 16, "rows of the table")
    features: int = field(2, 1, 1 << 8, "columns")
    centres_count: int = field(3, 1, 1 << 8, "clusters")
    spread: float = field(0.5, 0.01, 10.0, "deviation around a centre")

    def rows(self, draws: Draws) -> dict[str, Column]:
        f, k = self.features, self.centres_count
        centres = draws.uniform((k, f), -5.0, 5.0)
        labels = draws.integers(0, k, self.rows_count)
        near = np.take_along_axis(centres, labels[:, :, None], 1)
        x = near + self.spread * draws.normal((self.rows_count, f))
        return {"x": x, "labels": labels.astype(np.int32), "centres": centres}


class Records(Generator):
    """Customers: columns of several types that depend on each other.

    ``age`` int32 in [18, 90); ``plan`` int32 0 to 2, never 2 below 25; ``income`` float64,
    log-normal around a value that grows with age; ``orders`` int32, Poisson with a rate
    of 1 + 2 plan; ``total`` float64, the orders' sum at 10 to 30 each; ``active`` bool,
    with orders only.
    """

    name = "records"
    modality = "table"
    chunk = 64
    rows_count: int = field(200, 1, 1 << 16, "rows of the table")

    def rows(self, draws: Draws) -> dict[str, Column]:
        r = self.rows_count
        age = draws.integers(18, 90, r)
        plan = draws.categorical(np.array([0.5, 0.3, 0.2]), r)
        plan = np.where((age < 25) & (plan == 2), 1, plan)
        income = exp(draws.normal(r) * 0.3 + 3.0 + age / 100.0)
        orders = draws.poisson(1.0 + 2.0 * plan, r)
        total = orders * draws.uniform(r, 10.0, 30.0)
        active = (orders > 0) & draws.bernoulli(0.8, r)
        return {
            "age": age.astype(np.int32), "plan": plan.astype(np.int32), "income": income,
            "orders": orders.astype(np.int32), "total": total, "active": active,
        }  # fmt: skip
