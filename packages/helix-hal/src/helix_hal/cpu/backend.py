"""The ``cpu`` backend: NumPy's semantics with faster lowerings and composite kernels.

Importing this does not import numba: kernels compile (or load from the cache) at their
first use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from helix_core import platform
from helix_core.contracts import DeviceInfo
from helix_core.reference.backend import NumpyBackend

from helix_hal.cpu import attention_specs as _attention_specs  # noqa: F401
from helix_hal.cpu import conv_specs as _conv_specs  # noqa: F401
from helix_hal.cpu import elementary_specs as _elementary_specs  # noqa: F401
from helix_hal.cpu import linear_specs as _linear_specs  # noqa: F401
from helix_hal.cpu import long_conv_specs as _long_conv_specs  # noqa: F401
from helix_hal.cpu import model_specs as _model_specs  # noqa: F401 (registers)
from helix_hal.cpu import rnn_specs as _rnn_specs  # noqa: F401
from helix_hal.cpu import threads
from helix_hal.cpu.lowerings import LOWERINGS
from helix_hal.cpu.specs import SPECS


class CpuBackend(NumpyBackend):
    """Every core of the host."""

    name = "cpu"
    lowerings: Mapping[str, Callable[..., Any]] = LOWERINGS
    kernels: tuple[Any, ...] = tuple(SPECS)

    def devices(self) -> list[Any]:
        import psutil
        from helix_core._dtypes import ALL

        return [
            DeviceInfo(
                index="0",
                name=platform.cpu_name(),
                driver=f"numpy {np.__version__}, {threads.get_num_threads()} threads",
                memory=psutil.virtual_memory().total,
                dtypes=tuple(d.name for d in ALL),
                unified_memory=True,
            )
        ]

    def from_host(self, array: np.ndarray, device: Any) -> np.ndarray:
        return array

    def set_num_threads(self, n: int) -> None:
        threads.set_num_threads(n)

    def load(self, device: Any) -> float | None:
        """Share of the cores that other processes keep busy, 0 to 1."""
        from .._load import host_load

        return host_load()
