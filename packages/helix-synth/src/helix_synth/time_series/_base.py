"""What time series share."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from .._fields import field
from ..generator import Generator


class SeriesProcess(Generator):
    """A process in time: ``series`` (time,) float32, and the parameters it was made by."""

    modality: ClassVar[str] = "time_series"
    length: int = field(256, 16, 1 << 16, "steps of a series")


def series(x: np.ndarray) -> np.ndarray:
    """(row, time) float32."""
    return np.ascontiguousarray(x, np.float32)
