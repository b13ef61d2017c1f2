"""Lowerings of primitives to loop programs: ``f(engine, *buffers, out=None, **attrs)``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from helix_hal.loop.lower import elementwise, movement, reduce

LOWERINGS: dict[str, Callable[..., Any]] = {}
for _m in (elementwise, movement, reduce):
    LOWERINGS |= _m.LOWERINGS
