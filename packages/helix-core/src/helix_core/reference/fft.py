"""NumPy lowering of fft: single precision stays single."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .quiet import quiet

_FUNCTIONS: dict[str, Any] = {
    "fft": np.fft.fftn,
    "ifft": np.fft.ifftn,
    "rfft": np.fft.rfftn,
    "irfft": np.fft.irfftn,
}


def _fft(
    dev: Any, x: np.ndarray, kind: str, axes: Any, sizes: Any, out: Any = None
) -> np.ndarray:
    return np.asarray(_FUNCTIONS[kind](x, s=sizes, axes=axes))


LOWERINGS: dict[str, Callable[..., Any]] = {"fft": quiet(_fft)}
