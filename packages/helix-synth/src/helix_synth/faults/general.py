"""Faults that a sample of any generator can have."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

import numpy as np

from .._block import Sample
from ._fault import arrays, fault

Other = Mapping[str, Any]


@fault()
def a_field_is_missing(s: Sample, other: Other, luck: Random, k: float) -> bool:
    del s[luck.choice(list(s))]
    return True


@fault()
def a_field_too_many(s: Sample, other: Other, luck: Random, k: float) -> bool:
    s["more"] = 1
    return True


@fault()
def of_another_dtype(s: Sample, other: Other, luck: Random, k: float) -> bool:
    names = arrays(s)
    if names:
        name = luck.choice(names)
        wide = {"i": np.int64, "u": np.uint16, "f": np.float16, "b": np.uint8}
        s[name] = s[name].astype(wide[s[name].dtype.kind])
    return bool(names)


@fault()
def an_axis_too_many(s: Sample, other: Other, luck: Random, k: float) -> bool:
    names = arrays(s)
    if names:
        name = luck.choice(names)
        s[name] = s[name][None]
    return bool(names)


@fault()
def a_list_for_an_array(s: Sample, other: Other, luck: Random, k: float) -> bool:
    names = arrays(s)
    if names:
        name = luck.choice(names)
        s[name] = s[name].tolist()
    return bool(names)


@fault()
def not_a_number(s: Sample, other: Other, luck: Random, k: float) -> bool:
    names = arrays(s, "f")
    if names:
        flat = s[luck.choice(names)].reshape(-1)
        flat[luck.randrange(len(flat))] = np.nan
    return bool(names)


@fault()
def infinite(s: Sample, other: Other, luck: Random, k: float) -> bool:
    names = arrays(s, "f")
    if names:
        flat = s[luck.choice(names)].reshape(-1)
        flat[luck.randrange(len(flat))] = -np.inf
    return bool(names)


@fault()
def an_integer_far_out(s: Sample, other: Other, luck: Random, k: float) -> bool:
    names = arrays(s, "i")
    if names:
        flat = s[luck.choice(names)].reshape(-1)
        flat[luck.randrange(len(flat))] = luck.choice([1 << 30, -(1 << 30)])
    return bool(names)


@fault()
def a_number_as_text(s: Sample, other: Other, luck: Random, k: float) -> bool:
    names = [name for name, v in s.items() if isinstance(v, int | float)]
    if names:
        name = luck.choice(names)
        s[name] = repr(s[name])
    return bool(names)


@fault()
def a_number_far_out(s: Sample, other: Other, luck: Random, k: float) -> bool:
    names = [name for name, v in s.items() if isinstance(v, int | float)]
    if names:
        name = luck.choice(names)
        s[name] = type(s[name])(-(10**9))
    return bool(names)
