"""A loop program on an OpenCL device: its forms, compiled when first needed."""

from __future__ import annotations

import struct
import threading
from collections.abc import Sequence
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
_SHARE = 64  # steps from which a GPU's group shares a point, where points are few
_POINTS = 1 << 16
_FLAT, _LONG = 256, 64  # items of a group for points without and with stages
# what our polynomials do not cover in float64
_NARROW = frozenset({"sin", "cos", "pow"})
_SIZES = 4096


class Shape(NamedTuple):
    """How a program is started for one set of sizes."""

    kernel: Form
    items: tuple[int]
    cut: tuple[int, ...]


class Form:
    """One kernel: a form of the program.

    ``run`` may be called from several threads: setting arguments and starting is one
    act, under a lock of the kernel.
    """

    def __init__(
        self,
        device: OpenClDevice,
        program: LoopProgram,
        form: str,
        local: int,
        wide: bool,
    ) -> None:
        renderer = OpenClRenderer(program, form, local, wide)
        self.device, self.name = device, form
        self.symbol, self.source = renderer.symbol, renderer.source()
        self.local = (renderer.local,)
        self.kernel, self.program = device.kernel(self.source, self.symbol)
        self.pack = struct.Struct(f"={len(renderer.numbers)}q").pack
        self.count = len(program.args)
        self.lock = threading.Lock()
        self.first = True

    def run(
        self, memories: Sequence[Any], numbers: Sequence[int], items: tuple[int]
    ) -> None:
        kernel = self.kernel
        packed = self.pack(*numbers)
        try:
            with self.lock:
                for i, m in enumerate(memories):
                    kernel.set_arg(i, m)
                kernel.set_arg(self.count, packed)
                cl.enqueue_nd_range_kernel(self.device.queue, kernel, items, self.local)
                if self.first:
                    self.first = False
                    self.device.queue.finish()
                    self.program.store()
        except cl.Error as e:
            if "BUILD_PROGRAM" in str(e) or "INVALID_KERNEL" in str(e):
                raise self.device.refused(self.symbol, self.source, e) from e
            raise self.device.lost(self.symbol, e) from e


class ProgramLaunch:
    """``launch(memories, offsets, sizes)`` of one program."""

    def __init__(self, device: OpenClDevice, program: LoopProgram, wide: bool) -> None:
        self.device, self.wide = device, wide
        self.program = legal(program, _features(device, program))
        self.shares = cooperative(self.program)
        self.forms: dict[str, Form] = {}
        self.shapes: dict[tuple[int, ...], Shape | None] = {}

    def __call__(
        self, memories: Sequence[Any], offsets: Sequence[int], sizes: Sequence[int]
    ) -> None:
        sizes = tuple(sizes)
        try:
            shape = self.shapes[sizes]
        except KeyError:
            if len(self.shapes) > _SIZES:
                self.shapes.clear()
            shape = self.shapes[sizes] = self._shape(sizes)
        if shape is not None:
            shape.kernel.run(memories, (*offsets, *sizes, *shape.cut), shape.items)

    def _shape(self, sizes: tuple[int, ...]) -> Shape | None:
        p = self.program
        given = dict(zip(p.sizes, sizes, strict=True))
        extents = [given[g] for g in p.grid]
        points = prod(extents)
        if not points:
            return None
        steps = max(given[p.serial], 1) if p.serial is not None else 1
        if p.group > 1:
            groups = prod(extents[:-1]) * -(-extents[-1] // p.group)
            return Shape(self._form("items", p.group), (groups * p.group,), ())
        if self.device.on_cpu:
            return self._tiles(extents, steps)
        few = not points > _POINTS > steps
        if self.shares and steps >= _SHARE and few:
            local = self.device.features.group
            return Shape(self._form("group", local), (points * local,), ())
        local = min(
            _LONG if p.stages else _FLAT, self.device.info.limits["max_workgroup"]
        )
        return Shape(self._form("items", local), (-(-points // local) * local,), ())

    def _tiles(self, extents: list[int], steps: int) -> Shape:
        """A few work items per core, each with tiles of its own."""
        last = extents[-1]
        rows = prod(extents[:-1])
        chunk = max(1, min(last, _TILE // steps))
        tiles = rows * -(-last // chunk)
        wanted = max(1, prod(extents) * steps // _TILE)
        tasks = min(tiles, wanted, 8 * self.device.units)
        each = -(-tiles // tasks)
        cut = (chunk, each, tiles)
        return Shape(self._form("tiles", 1), (-(-tiles // each),), cut)

    def _form(self, name: str, local: int) -> Form:
        made = self.forms.get(name)
        if made is None:
            made = Form(self.device, self.program, name, local, self.wide)
            made = self.forms.setdefault(name, made)
        return made


def _features(device: OpenClDevice, program: LoopProgram) -> Any:
    """The device's, with its own functions of float64 where we have no others."""
    from dataclasses import replace

    kept = {
        v.op
        for v in program.values
        if v.op in _NARROW and program.values[v.args[0]].dtype == "float64"
    }
    have = device.features
    return replace(have, scalar_ops=have.scalar_ops | kept) if kept else have
