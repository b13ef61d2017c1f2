"""The ``cuda`` backend: loop programs compiled by numba for NVIDIA GPUs.

What has run: the programs and the conformance kit under numba's simulator, and the
compilation to PTX. No kernel of this backend has run on a real GPU yet.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from helix_core import Device
from helix_core.contracts import DeviceProfile

from helix_hal.cuda.device import CudaDevice, simulated
from helix_hal.loop.backend import KernelBackend


class CudaBackend(KernelBackend):
    """Every NVIDIA GPU; one simulated device with ``NUMBA_ENABLE_CUDASIM=1``."""

    name = "cuda"

    def open(self) -> Sequence[CudaDevice]:
        from numba import cuda

        count = 1 if simulated() else len(cuda.gpus)
        return [CudaDevice(i) for i in range(count)]

    def profile(self, device: Device) -> DeviceProfile:
        if not self.engine(device).info.limits.get("simulator"):
            return super().profile(device)
        return _simulated_profile(device)


def _simulated_profile(device: Device) -> DeviceProfile:
    """The simulator's speed by two small launches: the usual sizes would take an hour."""
    backend, n = device.backend, 256
    x = backend.from_host(np.ones(n, np.float32), device)
    seconds = []
    for part in (backend.lowerings["slice"](device, x, (0,), (1,), (1,)), x):
        device.table["add"](device, part, part)  # compiles
        start = time.perf_counter()
        device.table["add"](device, part, part)
        seconds.append(time.perf_counter() - start)
    launch, whole = seconds
    start = time.perf_counter()
    backend.to_host(x)
    link = max(time.perf_counter() - start, 1e-9)
    rate = n / max(whole - launch, 1e-6)
    return DeviceProfile(
        flops={"float32": rate, "float64": rate},
        bandwidth=12 * rate,
        launch=launch,
        link_latency=link,
        link_bandwidth=4 * n / link,
    )
