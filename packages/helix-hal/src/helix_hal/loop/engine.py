"""``Engine``: one open device with its memory pool, programs and prepared launches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from helix_core import DTypeError
from helix_core._dtypes import ALL, DType, as_dtype
from helix_core.contracts import DeviceInfo
from helix_core.loop import LoopProgram, check_bounds

from helix_hal.loop.buffer import Buffer, c_strides
from helix_hal.loop.device import KernelDevice, Launch
from helix_hal.loop.nest import ordered, span
from helix_hal.loop.pool import Pool

# how dtypes that programs do not know lie in memory: (dtype, elements)
PARTS = {
    "complex64": ("float32", 2),
    "complex128": ("float64", 2),
    "float8_e4m3fn": ("uint8", 1),
    "float8_e5m2": ("uint8", 1),
}
_WIDE = 2**31


class Prepared:
    """A launch for one set of layouts: ``prepared(*buffers)`` enqueues it."""

    __slots__ = ("launch", "scales", "sizes")

    def __init__(
        self, launch: Launch | None, sizes: tuple[int, ...], scales: tuple[int, ...]
    ) -> None:
        self.launch, self.sizes = launch, sizes
        self.scales = scales if any(s != 1 for s in scales) else None

    def __call__(self, *buffers: Buffer) -> None:
        if self.launch is None:
            return
        offsets = [b.offset for b in buffers]
        if self.scales is not None:
            offsets = [o * s for o, s in zip(offsets, self.scales, strict=True)]
        self.launch([b.memory.handle for b in buffers], offsets, self.sizes)


class Engine:
    """What lowerings work with.

    Attributes
    ----------
    device : KernelDevice
    name : str
        Of the device, as in ``hx.Device``.
    info : DeviceInfo
        Of the device, with the dtypes that follow from those it stores.
    pool : Pool
    entries : dict
        Key of an op and its layouts -> what is prepared for it.
    """

    def __init__(self, device: KernelDevice, name: str) -> None:
        self.device, self.name = device, name
        self.features = device.features
        self.info = _completed(device)
        self.pool = Pool(device, name)
        self.entries: dict[Any, Any] = {}
        self._kernels: dict[tuple[str, bool], Launch] = {}
        self._scalars: dict[Any, Buffer] = {}

    # ------------------------------------------------------------------------ memory
    def empty(self, shape: tuple[int, ...], dtype: DType) -> Buffer:
        """Fresh memory in C order.

        Raises
        ------
        DTypeError
            If the device lacks the dtype.
        OutOfMemory
        """
        if dtype not in self.dtypes:
            self.refuse(dtype)
        block = self.pool.take(prod(shape) * dtype.itemsize)
        return Buffer(block, 0, shape, c_strides(shape), dtype)

    @cached_property
    def dtypes(self) -> frozenset[DType]:
        return frozenset([as_dtype(d) for d in self.info.dtypes])

    def refuse(self, dtype: DType, op: str = "tensor") -> None:
        from helix_core import Device
        from helix_core._device import need_dtype

        need_dtype(Device(self.name), dtype, op)
        raise DTypeError(
            f"[{op}] expected a dtype that {self.name!r} has; got {dtype.name}"
        )

    def from_host(self, array: np.ndarray) -> Buffer:
        out = self.empty(array.shape, as_dtype(array.dtype))
        if array.size:
            self.device.write(out.memory.handle, np.ascontiguousarray(array))
        return out

    def to_host(self, x: Buffer) -> np.ndarray:
        out = np.empty(x.shape, x.dtype.dtype)
        if out.size:
            x = self.contiguous(x)
            at = x.offset * x.dtype.itemsize
            self.device.read(x.memory.handle, at, out)
        return out

    def scalar(self, value: Any, dtype: DType) -> Buffer:
        """One number on the device, kept for the next time."""
        key = (repr(value), dtype)
        hit = self._scalars.get(key)
        if hit is None:
            if len(self._scalars) > 4096:
                self._scalars.clear()
            number = np.empty((), dtype.dtype)
            number.fill(value)
            hit = self._scalars[key] = self.from_host(number)
        return hit

    def contiguous(self, x: Buffer) -> Buffer:
        """The buffer itself if its elements lie in C order, else a copy."""
        if x.contiguous:
            return x
        out = self.empty(x.shape, x.dtype)
        self.copy(x, out)
        return out

    def copy(self, x: Buffer, out: Buffer) -> None:
        """Write the elements of ``x`` into ``out``: one shape and dtype."""
        from helix_hal.loop.lower.elementwise import copy

        copy(self, x, out)

    # ---------------------------------------------------------------------- programs
    def compiled(self, program: LoopProgram, wide: bool = False) -> Launch:
        key = (program.digest, wide)
        launch = self._kernels.get(key)
        if launch is None:
            launch = self._kernels[key] = self.device.compile(program, wide)
        return launch

    def prepare(
        self,
        program: LoopProgram,
        buffers: Sequence[Buffer],
        sizes: Mapping[str, int],
    ) -> Prepared:
        """Compile a program, and prove that no index leaves these views.

        Parameters
        ----------
        buffers : sequence of Buffer
            As the program's arguments are ordered. Later calls may pass others with the
            same shapes, strides and dtypes.
        sizes : mapping of str to int
        """
        scales, extents = [], {}
        wide = prod(sizes[g] for g in program.grid) >= _WIDE
        for a, x in zip(program.args, buffers, strict=True):
            scale = PARTS.get(x.dtype.name, ("", 1))[1]
            scales.append(scale)
            low, high = span(x.shape, x.strides)
            extents[a.name] = low * scale, high * scale
            wide = wide or high * scale >= _WIDE or -low * scale >= _WIDE
        values = ordered(program.sizes, sizes)
        if any(sizes[g] == 0 for g in program.grid):
            return Prepared(None, values, tuple(scales))
        check_bounds(program, sizes, extents)
        return Prepared(self.compiled(program, wide), values, tuple(scales))

    def launch(
        self, program: LoopProgram, buffers: Sequence[Buffer], sizes: Sequence[int]
    ) -> None:
        """Enqueue a program; what is needed for that is remembered.

        ``sizes`` as the program orders them.
        """
        key = (
            program.digest,
            *sizes,
            *[(x.shape, x.strides, x.dtype) for x in buffers],
        )
        ready = self.entries.get(key)
        if ready is None:
            named = dict(zip(program.sizes, sizes, strict=True))
            ready = self.remembered(key, lambda: self.prepare(program, buffers, named))
        ready(*buffers)

    def run(
        self, program: LoopProgram, buffers: Sequence[Buffer], sizes: Mapping[str, int]
    ) -> None:
        """`launch` with named sizes; others than the program's are ignored."""
        self.launch(program, buffers, ordered(program.sizes, sizes))

    def remembered(self, key: Any, make: Callable[[], Any]) -> Any:
        """The entry of a key, made where there is none."""
        entry = self.entries.get(key)
        if entry is None:
            if len(self.entries) > 50_000:  # a service that sees every shape once
                self.entries.clear()
            entry = self.entries[key] = make()
        return entry


def _completed(device: KernelDevice) -> DeviceInfo:
    """The device's info with every dtype that its memory can hold."""
    have = device.features.dtypes
    names = [d.name for d in ALL if PARTS.get(d.name, (d.name, 1))[0] in have]
    ops = tuple(sorted(device.features.scalar_ops))
    return replace(device.info, dtypes=tuple(names), scalar_ops=ops)
