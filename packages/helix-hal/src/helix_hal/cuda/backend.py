"""The ``cuda`` backend: loop programs compiled by numba for NVIDIA GPUs.

What has run: the programs and the conformance kit under numba's simulator, and the
compilation to PTX. No kernel of this backend has run on a real GPU yet.
"""

from __future__ import annotations

from collections.abc import Sequence

from helix_hal.cuda.device import CudaDevice, simulated
from helix_hal.loop.backend import KernelBackend


class CudaBackend(KernelBackend):
    """Every NVIDIA GPU; one simulated device with ``NUMBA_ENABLE_CUDASIM=1``."""

    name = "cuda"

    def open(self) -> Sequence[CudaDevice]:
        from numba import cuda

        count = 1 if simulated() else len(cuda.gpus)
        return [CudaDevice(i) for i in range(count)]
