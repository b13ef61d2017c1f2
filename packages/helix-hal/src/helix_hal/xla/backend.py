"""The ``xla`` backend: devices ``xla:0``, ``xla:1``, ..., and ``tpu:0`` where there are.

JAX runs the work: eager ops as small jitted functions, graphs as one program each.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import jax
import numpy as np
from helix_core._aval import Aval
from helix_core._dtypes import ALL, as_dtype
from helix_core.contracts import DeviceInfo, DeviceProfile, KernelSpec

from .composites import specs
from .eager import LOWERINGS
from .plan import plan_for
from .session import all_devices, errors, find, name_of, wide


class XlaBackend:
    """Every device that JAX offers."""

    name = "xla"
    lowerings: Mapping[str, Callable[..., Any]] = LOWERINGS

    @cached_property
    def kernels(self) -> tuple[KernelSpec, ...]:
        return tuple(specs())

    def devices(self) -> list[DeviceInfo]:
        return [
            self._info(i, d, kind)
            for kind in ("xla", "tpu")
            for i, d in enumerate(all_devices(kind))
        ]

    def _info(self, index: int, device: Any, kind: str) -> DeviceInfo:
        from helix_core import platform

        on_host = device.platform == "cpu"
        name = platform.cpu_name() if on_host else device.device_kind
        limit = (device.memory_stats() or {}).get("bytes_limit", 0)
        return DeviceInfo(
            index=str(index),
            name=f"{name} ({device.platform})",
            driver=f"jax {jax.__version__}, {device.client.platform_version}",
            kind=kind,
            memory=platform.total_memory() if on_host else int(limit),
            dtypes=tuple(d.name for d in ALL),
            unified_memory=on_host,
        )

    def profile(self, device: Any) -> DeviceProfile:
        """Measured by core's small programs, then read from the cache."""
        from helix_core._profile import profile

        found: DeviceProfile = profile(device)
        return found

    def from_host(self, array: np.ndarray, device: Any) -> jax.Array:
        """The array was given up: on the CPU JAX may go on using its memory."""
        with errors("from_host", device.name), wide(True):
            return jax.device_put(array, find(device))

    def to_host(self, buffer: jax.Array) -> np.ndarray:
        """Read-only; the buffer's own memory on the CPU. Waits for its value."""
        with errors("to_host", name_of(buffer)):
            array = np.asarray(buffer)
        array.flags.writeable = False
        return array

    def aval(self, buffer: jax.Array) -> Aval:
        return Aval(buffer.shape, as_dtype(buffer.dtype))

    def owns(self, buffer: jax.Array) -> bool:
        """Whether one reference to the array is the only way to its memory.

        Where NumPy sees it too, JAX itself copies instead of giving it away.
        """
        return not buffer.is_deleted()

    def synchronize(self, device: Any) -> None:
        """Wait for every array of the device: JAX runs programs in no given order."""
        where = find(device)
        with errors("synchronize", device.name):
            jax.effects_barrier()
            for array in jax.live_arrays():
                if not array.is_deleted() and where in array.devices():
                    array.block_until_ready()

    def set_num_threads(self, n: int) -> None:
        warnings.warn(
            "[set_num_threads] XLA's pool of threads is fixed when JAX starts, and is "
            f"not bounded to {n}. Hint: start Python on fewer cores, as with taskset",
            stacklevel=3,
        )

    def load(self, device: Any) -> float | None:
        """Others' share of the cores where the device is the host; else not known."""
        if find(device).platform != "cpu":
            return None
        from .._load import host_load

        return host_load()

    def compile(self, graph: Any, device: Any) -> Any:
        return plan_for(graph, device)
