"""A kernel device without a driver: bytes of NumPy, and the interpreter of programs.

It shows what a device must supply, and tests lowerings and programs anywhere. Slow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from helix_core import OutOfMemory
from helix_core._dtypes import ALL
from helix_core.contracts import DeviceInfo
from helix_core.loop import LoopProgram, interpret
from helix_core.loop._interpret import dtype_of

from helix_hal.loop.backend import KernelBackend
from helix_hal.loop.device import Features, Launch

_DTYPES = frozenset(d.name for d in ALL if d.category != "complex")


class HostDevice:
    """A `KernelDevice` whose memory is arrays of bytes.

    Parameters
    ----------
    capacity : int, optional
        Bytes that it has; default: as many as the host.
    """

    features = Features(dtypes=_DTYPES, arithmetic=_DTYPES, group=1024)

    def __init__(self, capacity: int = 0) -> None:
        self.capacity, self.used = capacity, 0
        self.info = DeviceInfo(
            index="0", name="interpreter", driver="NumPy", memory=capacity
        )

    def allocate(self, nbytes: int) -> np.ndarray:
        if self.capacity and self.used + nbytes > self.capacity:
            raise OutOfMemory(f"[allocate] {nbytes} bytes")
        self.used += nbytes
        return np.full(nbytes, 0xAB, np.uint8)

    def free(self, memory: np.ndarray) -> None:
        self.used -= memory.nbytes

    def write(self, memory: np.ndarray, array: np.ndarray) -> None:
        memory[: array.nbytes] = np.frombuffer(array.tobytes(), np.uint8)

    def read(self, memory: np.ndarray, offset: int, array: np.ndarray) -> None:
        part = memory[offset : offset + array.nbytes]
        array[...] = part.view(array.dtype).reshape(array.shape)

    def compile(self, program: LoopProgram, wide: bool) -> Launch:
        names = [a.name for a in program.args]
        dtypes = [dtype_of(a.dtype) for a in program.args]

        def launch(
            memories: Sequence[Any], offsets: Sequence[int], sizes: Sequence[int]
        ) -> None:
            flat = [
                m[: m.nbytes // d.itemsize * d.itemsize].view(d)
                for m, d in zip(memories, dtypes, strict=True)
            ]
            interpret(
                program,
                dict(zip(names, flat, strict=True)),
                dict(zip(program.sizes, sizes, strict=True)),
                dict(zip(names, offsets, strict=True)),
            )

        return launch

    def synchronize(self) -> None:
        pass


class HostBackend(KernelBackend):
    """Devices of the kind ``loop``: every program is interpreted."""

    name = "loop"

    def open(self) -> list[Any]:
        return [HostDevice()]
