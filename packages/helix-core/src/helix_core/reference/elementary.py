"""NumPy kernels of the elementary composites: C99's values at every special point."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .quiet import quiet

FUNCTIONS: dict[str, Any] = {
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "log2": np.log2,
    "log10": np.log10,
    "hypot": np.hypot,
    "copysign": np.copysign,
    "nextafter": np.nextafter,
}


def _kernel(f: Any) -> Callable[..., np.ndarray]:
    f = quiet(f)

    def forward(dev: Any, *xs: np.ndarray) -> np.ndarray:
        return np.asarray(f(*xs)).astype(xs[0].dtype, copy=False)

    return forward


def specs(backend: str) -> list[Any]:
    """A KernelSpec for each function, as a value and as a forward pass."""
    from ..contracts import KernelSpec

    return [
        KernelSpec(op, backend, kernel)
        for name, kernel in ((n, _kernel(f)) for n, f in FUNCTIONS.items())
        for op in (name, f"{name}.fwd")
    ]
