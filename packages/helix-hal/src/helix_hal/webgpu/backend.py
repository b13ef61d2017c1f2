"""The ``webgpu`` backend: loop programs in WGSL, and tiled products."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from helix_core import DeviceError

from helix_hal.loop.backend import KernelBackend
from helix_hal.webgpu.adapters import find
from helix_hal.webgpu.device import WebGpuDevice


class WebGpuBackend(KernelBackend):
    """Every adapter of Vulkan, Metal and D3D12, discrete GPUs first."""

    name = "webgpu"

    def __init__(self) -> None:
        self._broken: list[str] = []

    def open(self) -> Sequence[Any]:
        seen: Counter[str] = Counter()
        self._broken = []
        devices = []
        for kind, adapter in find().adapters:
            try:
                devices.append(WebGpuDevice(adapter, kind, seen[kind]))
            except Exception as e:  # a driver may fail in any way
                why = f"{type(e).__name__}: {e}"
                self._broken.append(f"{adapter.info['device']} gives no device: {why}")
            else:
                seen[kind] += 1
        if not devices:
            raise DeviceError(
                "[webgpu] expected an adapter that gives a device; got "
                f"{'; '.join(self.left_out) or 'none'}. Hint: a newer driver may help; "
                "`helix devices` lists what else this machine has"
            )
        return devices

    @property
    def left_out(self) -> list[str]:
        """Adapters that are there and serve no device, each with the reason."""
        return find().left_out + self._broken
