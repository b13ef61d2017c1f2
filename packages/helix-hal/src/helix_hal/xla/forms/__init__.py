"""Each primitive as a function of JAX arrays, traceable: ``FORMS[name](*xs, **attrs)``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import contract, elementwise, movement

FORMS: dict[str, Callable[..., Any]] = {}
for _m in (contract, elementwise, movement):
    FORMS |= _m.FORMS
