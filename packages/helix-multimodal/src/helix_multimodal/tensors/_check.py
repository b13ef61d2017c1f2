"""Checks of arguments that the functions of this folder share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from helix_core import DTypeError, ShapeError
from numpy.typing import NDArray


class OptionError(ShapeError):
    """An option is unknown, or its value is outside what it takes."""


def at_least(op: str, name: str, value: Any, least: int = 1) -> int:
    """A whole number from ``least``."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or value < least:
        raise OptionError(
            f"[{op}] expected {name} to be a whole number from {least}; got {value!r}"
        )
    return int(value)


def one_of(op: str, name: str, value: Any, choices: Iterable[str]) -> str:
    """One of some words."""
    choices = tuple(choices)
    if value not in choices:
        raise OptionError(
            f"[{op}] expected {name} to be one of {', '.join(map(repr, choices))}; got "
            f"{value!r}"
        )
    return str(value)


def real(op: str, name: str, value: Any, least_ndim: int = 1) -> NDArray[Any]:
    """An array of real numbers with at least some axes."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise DTypeError(
            f"[{op}] expected {name} to be an array of real numbers; got {array.dtype}"
        )
    if array.ndim < least_ndim:
        raise ShapeError(
            f"[{op}] expected {name} with at least {least_ndim} axes; got "
            f"{name}.shape={array.shape}"
        )
    return array
