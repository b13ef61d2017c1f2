"""The ``opencl`` backend: loop programs in OpenCL C, and tiled products."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from helix_hal.loop.backend import KernelBackend
from helix_hal.opencl.device import OpenClDevice
from helix_hal.opencl.drivers import find


class OpenClBackend(KernelBackend):
    """Every OpenCL device whose compiler works, GPUs first."""

    name = "opencl"

    def open(self) -> Sequence[Any]:
        return [OpenClDevice(d, i) for i, d in enumerate(find().devices)]

    @cached_property
    def left_out(self) -> list[str]:
        """Devices that are there and do not work, each with the reason."""
        return find().left_out
