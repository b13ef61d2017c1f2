"""``KernelBackend``: a backend made of kernel devices.

A subclass opens its devices; memory, views, lowerings of every primitive, plans and
composites' programs are the same for all of them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache, cached_property
from typing import Any

import numpy as np
from helix_core import Device, DeviceError
from helix_core._aval import Aval
from helix_core._dtypes import DType, as_dtype
from helix_core.contracts import DeviceInfo, DeviceProfile, KernelSpec
from helix_core.loop import LoopProgram

from helix_hal.loop.buffer import Buffer
from helix_hal.loop.device import KernelDevice
from helix_hal.loop.engine import Engine


class KernelBackend:
    """Implements core's ``Backend`` over the devices that `open` gives.

    A subclass sets ``name`` and supplies `open`; it may replace lowerings by
    `overrides`, and add kernels for composites.
    """

    name: str
    kind = ""  # what devices are named by, where that is not the backend's name

    # ---------------------------------------------------------- for subclasses to supply
    def open(self) -> Sequence[KernelDevice]:
        """The devices that are there, in order."""
        raise NotImplementedError

    def overrides(self) -> Mapping[str, Callable[..., Any]]:
        """Lowerings of its own: ``f(engine, *buffers, out=None, **attrs)``."""
        return {}

    def own_kernels(self) -> Sequence[KernelSpec]:
        """Kernels of its own; they come before the generic programs."""
        return ()

    # ------------------------------------------------------------------- core's protocol
    @cached_property
    def engines(self) -> dict[tuple[str, str], Engine]:
        """By kind and index of the device."""
        out = {}
        for d in self.open():
            kind = d.info.kind or self.kind or self.name
            out[kind, d.info.index] = Engine(d, f"{kind}:{d.info.index}")
        return out

    @cached_property
    def _known(self) -> dict[Device, Engine]:
        return {}

    def engine(self, device: Device) -> Engine:
        """What serves a device.

        Raises
        ------
        DeviceError
            If there is no device of this name.
        """
        found = self._known.get(device)
        if found is None:
            found = self.engines.get((device.kind, device.index))
            if found is None:  # an alias of a kind, such as webgpu:0 of vulkan:0
                same = [e for (_, i), e in self.engines.items() if i == device.index]
                own = {k for k, _ in self.engines}
                found = same[0] if same and device.kind not in own else None
            if found is None:
                have = ", ".join(e.name for e in self.engines.values()) or "none"
                raise DeviceError(
                    f"[device] expected a device that is there ({have}); got "
                    f"{device.name!r}. Hint: `helix devices` lists what this machine has"
                )
            self._known[device] = found
        return found

    def devices(self) -> list[DeviceInfo]:
        return [e.info for e in self.engines.values()]

    @cached_property
    def lowerings(self) -> Mapping[str, Callable[..., Any]]:
        from helix_hal.loop.lower import LOWERINGS

        table = {**LOWERINGS, **self.overrides()}
        return {name: self._bound(f) for name, f in table.items()}

    def _bound(self, f: Callable[..., Any]) -> Callable[..., Any]:
        known, engine = self._known, self.engine

        def lowering(dev: Device, *xs: Buffer, **attrs: Any) -> Any:
            return f(known.get(dev) or engine(dev), *xs, **attrs)

        return lowering

    @cached_property
    def kernels(self) -> Sequence[KernelSpec]:
        from helix_hal.loop.bodies import specs as by_plan
        from helix_hal.programs import specs

        return (*self.own_kernels(), *specs(self.name), *by_plan(self.name))

    # ------------------------------------------------- what adapters of programs ask for
    def empty(self, device: Device, shape: tuple[int, ...], dtype: DType) -> Buffer:
        """Fresh memory in C order."""
        return self.engine(device).empty(shape, dtype)

    def contiguous(self, device: Device, x: Buffer) -> Buffer:
        """In C order; itself where it is so already."""
        return self.engine(device).contiguous(x)

    def launch(
        self,
        device: Device,
        program: LoopProgram,
        buffers: Sequence[Buffer],
        sizes: Sequence[int],
    ) -> None:
        """Enqueue a program; bounds are proved when views of these shapes are new."""
        self.engine(device).launch(program, buffers, sizes)

    # ----------------------------------------------------------------- transfers and rest
    def from_host(self, array: np.ndarray, device: Device) -> Buffer:
        return self.engine(device).from_host(np.asarray(array))

    def to_host(self, buffer: Buffer) -> np.ndarray:
        return self._owner(buffer).to_host(buffer)

    def aval(self, buffer: Buffer) -> Aval:
        return buffer.aval

    def owns(self, buffer: Buffer) -> bool:
        """Whether the memory is this buffer's alone, and all of it in C order."""
        alone = sys.getrefcount(buffer.memory) == _counts()
        return alone and buffer.offset == 0 and buffer.contiguous

    def synchronize(self, device: Device) -> None:
        self.engine(device).device.synchronize()

    def set_num_threads(self, n: int) -> None:
        """Devices have their own number of threads."""

    def load(self, device: Device) -> float | None:
        return None

    def profile(self, device: Device) -> DeviceProfile:
        from helix_core._profile import profile

        found: DeviceProfile = profile(device)
        return found

    def bytes_in_use(self, device: Device) -> int:
        """Bytes that buffers hold."""
        return self.engine(device).pool.used

    def compile(self, graph: Any, device: Device) -> Any:
        from helix_hal.loop.plan import plan_for

        return plan_for(graph, device, self.engine(device))

    def _owner(self, buffer: Buffer) -> Engine:
        name = buffer.memory.pool.name
        return next(e for e in self.engines.values() if e.name == name)


@cache
def _counts() -> int:
    """What ``getrefcount`` says of memory that one buffer holds."""
    memory: Any = object()
    buffer = Buffer(memory, 0, (), (), as_dtype("float32"))
    del memory
    return sys.getrefcount(buffer.memory)
