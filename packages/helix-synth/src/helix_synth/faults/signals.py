"""Faults of time series and sounds."""

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


@fault("audio")
def a_crack(s: Sample, other: Other, luck: Random, k: float) -> bool:
    x = s["audio"]
    at = luck.randrange(len(x))
    x[at] = -0.9 if x[at] > 0 else 0.9
    return True


@fault("audio")
def a_sound_of_another(s: Sample, other: Other, luck: Random, k: float) -> bool:
    s["audio"] = other["audio"].copy()
    return True


@fault("audio", graded=True)
def too_quiet(s: Sample, other: Other, luck: Random, k: float) -> bool:
    s["audio"] *= np.float32(1 - 0.3 * k)
    return True


@fault("audio")
def clipped(s: Sample, other: Other, luck: Random, k: float) -> bool:
    top = np.float32(0.5 * np.abs(s["audio"]).max())
    s["audio"] = np.clip(s["audio"], -top, top)
    return True


@fault("audio", graded=True)
def a_constant_added(s: Sample, other: Other, luck: Random, k: float) -> bool:
    s["audio"] += np.float32(0.05 * k)
    return bool(np.abs(s["audio"]).max() <= 1)


@fault("audio")
def a_few_samples_late(s: Sample, other: Other, luck: Random, k: float) -> bool:
    s["audio"] = np.roll(s["audio"], luck.randrange(3, 9))
    return True


@fault("audio")
def backwards(s: Sample, other: Other, luck: Random, k: float) -> bool:
    s["audio"] = s["audio"][::-1].copy()
    return True


@fault("audio")
def silent(s: Sample, other: Other, luck: Random, k: float) -> bool:
    s["audio"][len(s["audio"]) // 2 :] = 0
    return True


@fault("audio", graded=True)
def hissing(s: Sample, other: Other, luck: Random, k: float) -> bool:
    noise = np.random.default_rng(luck.getrandbits(32)).normal(size=len(s["audio"]))
    s["audio"] = np.clip(s["audio"] + 0.02 * k * noise, -1, 1).astype(np.float32)
    return True


@fault("audio", "tones", "plucks", "bells", "morse")
def out_of_tune(s: Sample, other: Other, luck: Random, k: float) -> bool:
    s["frequency"] *= 1.003 if s["frequency"] < 600 else 0.997
    return True


@fault("audio", "notes")
def another_instrument(s: Sample, other: Other, luck: Random, k: float) -> bool:
    s["instrument"] = (s["instrument"] + 1 + luck.randrange(3)) % 4
    return True


@fault("audio", "chords")
def another_quality(s: Sample, other: Other, luck: Random, k: float) -> bool:
    s["quality"] = (s["quality"] + 1 + luck.randrange(3)) % 4
    return True


@fault("audio", "dtmf", "morse")
def another_text(s: Sample, other: Other, luck: Random, k: float) -> bool:
    s["text"] = other["text"]
    return True
