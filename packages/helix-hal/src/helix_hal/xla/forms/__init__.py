"""Each primitive as a function of JAX arrays, traceable: ``FORMS[name](*xs, **attrs)``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import contract, elementwise, index, movement, reduce, scan, signal, window

FORMS: dict[str, Callable[..., Any]] = {}
for _m in (contract, elementwise, index, movement, reduce, scan, signal, window):
    FORMS |= _m.FORMS
