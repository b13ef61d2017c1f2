"""Faults of time series."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

import numpy as np

from .._block import Sample
from ._fault import fault

Other = Mapping[str, Any]


@fault("time_series")
def a_spike(s: Sample, other: Other, luck: Random, k: float) -> bool:
    x = s["series"]
    x[luck.randrange(len(x) // 4, len(x))] += np.float32(30 * x.std() + 30)
    return True


@fault("time_series")
def stretched_threefold(s: Sample, other: Other, luck: Random, k: float) -> bool:
    x = s["series"]
    s["series"] = x * np.float32(3)
    return bool(np.abs(x).max() > 0.1)


# what is left of a white noise in another order is as good
_ORDERED = (
    "random_walk", "ornstein_uhlenbeck", "regimes", "seasonal", "sinusoids",
    "change_points", "waves", "lorenz", "logistic_map",
)  # fmt: skip
# a series that the sample's other fields determine
_KNOWN = (
    "regimes", "seasonal", "sinusoids", "change_points", "waves", "lorenz",
    "logistic_map",
)  # fmt: skip


@fault("time_series", *_ORDERED)
def out_of_order(s: Sample, other: Other, luck: Random, k: float) -> bool:
    luck.shuffle(order := list(range(len(s["series"]))))
    s["series"] = s["series"][order]
    return True


@fault("time_series", *_KNOWN)
def another_series(s: Sample, other: Other, luck: Random, k: float) -> bool:
    s["series"] = other["series"].copy()
    return True


@fault("time_series")
def stuck(s: Sample, other: Other, luck: Random, k: float) -> bool:
    x = s["series"]
    start = luck.randrange(len(x) // 2)
    x[start : start + len(x) // 2] = x[start]
    return True


@fault("time_series")
def one_value_short(s: Sample, other: Other, luck: Random, k: float) -> bool:
    s["series"] = s["series"][:-1]
    return True
