"""Faults of films."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

import numpy as np

from .._block import Sample
from ._fault import fault

Other = Mapping[str, Any]
_MOVING = (
    "bouncing", "falling", "thrown", "colliding", "pendulum", "spring", "orbiting",
    "sliding",
)  # fmt: skip


@fault("video", *_MOVING)
def backwards(s: Sample, other: Other, luck: Random, k: float) -> bool:
    s["video"] = s["video"][::-1].copy()
    # an orbit or swing may end where it began
    return float(np.abs(s["path"][:, 0] - s["path"][:, -1]).max()) > 3


@fault("video", *_MOVING)
def frozen(s: Sample, other: Other, luck: Random, k: float) -> bool:
    s["video"][:] = s["video"][0]
    return True


@fault("video")
def a_blank_frame(s: Sample, other: Other, luck: Random, k: float) -> bool:
    s["video"][luck.randrange(len(s["video"]))] = 0
    return True


@fault("video")
def a_film_of_another(s: Sample, other: Other, luck: Random, k: float) -> bool:
    s["video"] = other["video"].copy()
    return True


@fault("video")
def a_caption_of_another(s: Sample, other: Other, luck: Random, k: float) -> bool:
    s["caption"] = other["caption"]
    return True


@fault("video", *_MOVING, graded=True)
def a_jump_on_the_way(s: Sample, other: Other, luck: Random, k: float) -> bool:
    at = luck.randrange(1, s["path"].shape[1])
    s["path"][0, at, luck.randrange(2)] += np.float32(2 * k)
    return True


@fault("video")
def of_another_colour(s: Sample, other: Other, luck: Random, k: float) -> bool:
    s["colours"] = ((s["colours"] + 1 + luck.randrange(11)) % 12).astype(np.int32)
    return True


@fault("video")
def of_another_shape(s: Sample, other: Other, luck: Random, k: float) -> bool:
    s["shapes"] = ((s["shapes"] + 1 + luck.randrange(7)) % 8).astype(np.int32)
    return True


@fault("video")
def on_another_ground(s: Sample, other: Other, luck: Random, k: float) -> bool:
    s["ground"] = (s["ground"] + 1 + luck.randrange(11)) % 12
    return True


@fault("video")
def upside_down(s: Sample, other: Other, luck: Random, k: float) -> bool:
    gap = np.abs(s["video"][:, ::-1].astype(int) - s["video"])
    s["video"] = s["video"][:, ::-1].copy()
    return bool((gap > 60).sum() > 40)


@fault("video")
def another_law(s: Sample, other: Other, luck: Random, k: float) -> bool:
    names = [n for n, v in s.items() if isinstance(v, float)]
    if names:
        name = luck.choice(names)
        s[name] *= 1.05
    return bool(names)
