"""Lowerings of primitives to loop programs: ``f(engine, *buffers, out=None, **attrs)``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from helix_hal.loop.lower import (
    contract,
    elementwise,
    index,
    movement,
    random,
    reduce,
    scan,
    sort,
)

LOWERINGS: dict[str, Callable[..., Any]] = {}
for _m in (elementwise, movement, reduce, index, scan, sort, random, contract):
    LOWERINGS |= _m.LOWERINGS
