"""The NumPy executor: devices ``numpy`` and, where nothing faster is installed, ``cpu``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from .._aval import Aval
from .._dtypes import ALL, as_dtype
from . import (
    control,
    conv,
    cumulative,
    elementary,
    elementwise,
    fft,
    index,
    linalg,
    movement,
    random,
    sort,
)
from . import reduce as reduce_

LOWERINGS: dict[str, Callable[..., Any]] = {}
for _m in (
    control,
    conv,
    cumulative,
    elementwise,
    fft,
    index,
    linalg,
    movement,
    random,
    reduce_,
    sort,
):
    LOWERINGS |= _m.LOWERINGS


class NumpyBackend:
    """Runs each primitive as one or a few NumPy calls. Defines the semantics."""

    name = "numpy"
    lowerings: Mapping[str, Callable[..., Any]] = LOWERINGS

    @cached_property
    def kernels(self) -> tuple[Any, ...]:
        return tuple(elementary.specs("numpy"))

    def devices(self) -> list[Any]:
        from ..contracts import DeviceInfo
        from ..platform import total_memory

        return [
            DeviceInfo(
                index="0",
                name="NumPy on the host",
                driver=f"numpy {np.__version__}",
                memory=total_memory(),
                dtypes=tuple(d.name for d in ALL),
                unified_memory=True,
            )
        ]

    def profile(self, device: Any) -> Any:
        from .._profile import profile

        return profile(device)

    def from_host(self, array: np.ndarray, device: Any) -> np.ndarray:
        """Takes the array over; the caller gave it up."""
        return array

    def to_host(self, buffer: np.ndarray) -> np.ndarray:
        return buffer

    def aval(self, buffer: np.ndarray) -> Aval:
        return Aval(buffer.shape, as_dtype(buffer.dtype))

    def synchronize(self, device: Any) -> None:
        pass

    def set_num_threads(self, n: int) -> None:
        import warnings

        warnings.warn(
            "[set_num_threads] NumPy's BLAS is not bounded by the numpy backend. "
            "Hint: pip install helix-hal",
            stacklevel=3,
        )

    def load(self, device: Any) -> float | None:
        return None

    def compile(self, graph: Any, device: Any) -> Callable[..., Any]:
        from .._interpreter import plan_for

        return plan_for(graph, device)
