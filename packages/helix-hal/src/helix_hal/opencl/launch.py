"""A loop program on an OpenCL device: its forms, compiled when first needed."""

from __future__ import annotations

import struct
import threading
from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import pyopencl as cl
from helix_core.loop import LoopProgram

from helix_hal.loop.legal import legal
from helix_hal.loop.render import cooperative
from helix_hal.opencl.renderer import OpenClRenderer

if TYPE_CHECKING:
    from helix_hal.opencl.device import OpenClDevice

_TILE = 1 << 13  # steps of points that are one piece of work for a CPU
_LIGHT = 256  # numbers that a step of usual programs computes
_SHARE = 64  # steps from which a GPU's group shares a point, where points are few
_POINTS = 1 << 16
_FLAT, _LONG = 256, 64  # items of a group for points without and with stages
# what our polynomials do not cover in float64
_NARROW = frozenset({"sin", "cos", "pow"})
_SIZES = 4096


class Kernel:
    """A compiled kernel of memories, then one struct of 64-bit integers.

    `run` may be called from several threads: setting arguments and starting is one
    act, under a lock of the kernel.

    Parameters
    ----------
    local : int
        Items of a work group.
    memories, numbers : int
        How many of each it takes.
    """

    def __init__(
        self,
        device: OpenClDevice,
        source: str,
        symbol: str,
        local: int,
        memories: int,
        numbers: int,
    ) -> None:
        self.device, self.symbol, self.source = device, symbol, source
        self.local = (local,)
        self.kernel, self.program = device.kernel(source, symbol)
        self.pack = struct.Struct(f"={numbers}q").pack
        self.memories = memories
        self.lock = threading.Lock()
        self.first = True

    def run(self, memories: Sequence[Any], numbers: Sequence[int], groups: int) -> None:
        kernel, local = self.kernel, self.local
        packed = self.pack(*numbers)
        try:
            with self.lock:
                for i, m in enumerate(memories):
                    kernel.set_arg(i, m)
                kernel.set_arg(self.memories, packed)
                items = (groups * local[0],)
                cl.enqueue_nd_range_kernel(self.device.queue, kernel, items, local)
                if self.first:
                    self.first = False
                    self.device.queue.finish()
                    self.program.store()
        except cl.Error as e:
            if "BUILD_PROGRAM" in str(e) or "INVALID_KERNEL" in str(e):
                raise self.device.refused(self.symbol, self.source, e) from e
            raise self.device.lost(self.symbol, e) from e


class Start(NamedTuple):
    """How a program is started for one set of sizes."""

    kernel: Kernel
    groups: int
    cut: tuple[int, ...]


class ProgramLaunch:
    """``launch(memories, offsets, sizes)`` of one program."""

    def __init__(self, device: OpenClDevice, program: LoopProgram, wide: bool) -> None:
        self.device, self.wide = device, wide
        self.program = legal(program, _features(device, program))
        self.shares = cooperative(self.program)
        # sums and products of a step: those of a scan of many states weigh more
        self.weight = max(1, sum(v.width for v in self.program.values) // _LIGHT)
        self.forms: dict[str, Kernel] = {}
        self.starts: dict[tuple[int, ...], Start | None] = {}

    def __call__(
        self, memories: Sequence[Any], offsets: Sequence[int], sizes: Sequence[int]
    ) -> None:
        sizes = tuple(sizes)
        try:
            start = self.starts[sizes]
        except KeyError:
            if len(self.starts) > _SIZES:
                self.starts.clear()
            start = self.starts[sizes] = self._start(sizes)
        if start is not None:
            start.kernel.run(memories, (*offsets, *sizes, *start.cut), start.groups)

    def _start(self, sizes: tuple[int, ...]) -> Start | None:
        p = self.program
        given = dict(zip(p.sizes, sizes, strict=True))
        extents = [given[g] for g in p.grid]
        points = prod(extents)
        if not points:
            return None
        steps = max(given[p.serial], 1) if p.serial is not None else 1
        if p.group > 1:
            groups = prod(extents[:-1]) * -(-extents[-1] // p.group)
            return Start(self.form("items", p.group), groups, ())
        if self.device.on_cpu:
            return self._tiles(extents, steps)
        few = not points > _POINTS > steps
        if self.shares and steps >= _SHARE and few:
            return Start(self.form("group", self.device.features.group), points, ())
        most = self.device.info.limits["max_workgroup"]
        local = min(_LONG if p.stages else _FLAT, most)
        return Start(self.form("items", local), -(-points // local), ())

    def _tiles(self, extents: list[int], steps: int) -> Start:
        """A few work items per core, each with tiles of its own."""
        last = extents[-1]
        rows = prod(extents[:-1])
        chunk = max(1, min(last, _TILE // (steps * self.weight)))
        tiles = rows * -(-last // chunk)
        wanted = max(1, prod(extents) * steps * self.weight // _TILE)
        tasks = min(tiles, wanted, 8 * self.device.units)
        each = -(-tiles // tasks)
        return Start(self.form("tiles", 1), -(-tiles // each), (chunk, each, tiles))

    def form(self, name: str, local: int) -> Kernel:
        """The kernel of one form of the program."""
        made = self.forms.get(name)
        if made is None:
            d = self.device
            r = OpenClRenderer(self.program, name, local, self.wide, d.fma, d.vector)
            source, count = r.source(), len(self.program.args)
            made = Kernel(d, source, r.symbol, r.local, count, len(r.numbers))
            made = self.forms.setdefault(name, made)
        return made


def _features(device: OpenClDevice, program: LoopProgram) -> Any:
    """The device's, with its own functions of float64 where we have no others."""
    kept = {
        v.op
        for v in program.values
        if v.op in _NARROW and program.values[v.args[0]].dtype == "float64"
    }
    have = device.features
    return replace(have, scalar_ops=have.scalar_ops | kept) if kept else have
