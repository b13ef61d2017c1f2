"""The ``webgpu`` backend: loop programs in WGSL, and tiled products."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from helix_hal.loop.backend import KernelBackend
from helix_hal.webgpu.adapters import find
from helix_hal.webgpu.device import WebGpuDevice


class WebGpuBackend(KernelBackend):
    """Every adapter of Vulkan, Metal and D3D12, discrete GPUs first."""

    name = "webgpu"

    def open(self) -> Sequence[Any]:
        seen: Counter[str] = Counter()
        devices = []
        for kind, adapter in find().adapters:
            devices.append(WebGpuDevice(adapter, kind, seen[kind]))
            seen[kind] += 1
        return devices

    @cached_property
    def left_out(self) -> list[str]:
        """Adapters that are there and serve no device, each with the reason."""
        return find().left_out
