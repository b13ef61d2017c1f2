"""Matrix products of a device: the form that suits it, its tile chosen by measurement."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from helix_core import CompileError
from helix_core._dtypes import as_dtype

from helix_hal import cache
from helix_hal.loop.buffer import Buffer, c_strides
from helix_hal.opencl.drivers import identity
from helix_hal.opencl.gemm_source import (
    PACK_NUMBERS,
    PANEL_NUMBERS,
    TILED_NUMBERS,
    Kind,
    Tile,
    pack,
    panels,
    tiled,
)
from helix_hal.opencl.launch import Kernel

if TYPE_CHECKING:
    from helix_hal.loop.engine import Engine
    from helix_hal.opencl.device import OpenClDevice

# rows and columns of a register tile, in rows and vectors
_CPU = ((12, 2), (8, 3), (6, 4), (4, 3), (24, 1))
_GPU = (Tile(4, 4, 16), Tile(8, 8, 16), Tile(8, 8, 8), Tile(2, 2, 16))
_TRIAL = 384  # the side of the products that are measured
_STRIP = 1 << 18  # bytes of b that stay in a core's cache
_DEEP = 512  # steps of k for which they stay there
_LINE = 64  # numbers that a group packs side by side
_LEAST = 1 << 15  # multiply-adds below which a plain program is as good
_ITEMS = 4  # pieces of work for a core


class Gemm:
    """``product(engine, a, b, out)`` of one device.

    Parameters
    ----------
    device : OpenClDevice
    local : bool, optional
        Tiles in local memory, for GPUs; default: where the device is no CPU.
    """

    def __init__(self, device: OpenClDevice, local: bool | None = None) -> None:
        self.device = device
        self.local = not device.on_cpu if local is None else local
        self.kernels: dict[Any, Any] = {}
        self.speeds: dict[str, dict[Tile, float]] = {}

    def __call__(
        self, engine: Engine, a: Buffer, b: Buffer, out: Buffer, compute: str
    ) -> bool:
        """``out = a @ b``; False, and nothing done, where a plain program is as good.

        Parameters
        ----------
        a, b, out : Buffer
            (batch, m, k), (batch, k, n) with any strides, and (batch, m, n) in C order,
            of one real dtype.
        compute : str
            ``"bfloat16"``: operands of float32 are rounded to that first.
        """
        batch, m, k = a.shape
        n = b.shape[2]
        name = a.dtype.name
        if a.dtype.category != "float" or name not in self.device.features.dtypes:
            return False
        if batch * m * n * k < _LEAST or min(m, n) < 4 or k < 4:
            return False
        if batch > 1 and b.strides[0] == 0 and a.strides[0] == m * a.strides[1]:
            a = a.view((1, batch * m, k), (0, *a.strides[1:]))
            b = b.view((1, k, n), (0, *b.strides[1:]))
            out = out.view((1, batch * m, n), (0, n, 1))
        kind = Kind(name, compute)
        m, n = out.shape[1:]
        self.run(engine, kind, self.tile(engine, kind, m, n), a, b, out)
        return True

    def run(
        self, engine: Engine, kind: Kind, tile: Tile, a: Buffer, b: Buffer, out: Buffer
    ) -> None:
        """A product with this tile."""
        run = self._tiled if self.local else self._panels
        run(engine, kind, tile, a, b, out)

    # -------------------------------------------------------------------------- forms
    def _panels(
        self, engine: Engine, kind: Kind, tile: Tile, a: Buffer, b: Buffer, out: Buffer
    ) -> None:
        batch, m, k = a.shape
        n = b.shape[2]
        rows, cols = tile.rows, tile.columns
        mt, nt = -(-m // rows), -(-n // cols)
        na, nb = (1 if x.strides[0] == 0 else batch for x in (a, b))
        size = 8 if kind.real == "double" else 4
        direct = kind.plain and a.strides[2] == 1
        y = engine.pool.take(nb * nt * k * cols * size)
        x = y if direct else engine.pool.take(na * mt * k * rows * size)
        packing, *multiplying = self.made(kind, tile)
        per_a, per_b = (
            max(1, _LINE // w) if s == 1 else 1
            for w, s in ((rows, a.strides[1]), (cols, b.strides[2]))
        )
        first = 0 if direct else na * -(-mt // per_a)
        packing.run(
            [a.memory.handle, b.memory.handle, x.handle, y.handle],
            (
                *(a.offset, b.offset, 0, 0, k),
                *(m, *a.strides),
                *(n, b.strides[0], b.strides[2], b.strides[1]),
                *(first, per_a, per_b),
            ),
            first + nb * -(-nt // per_b),
        )
        deep = min(k, _DEEP) if kind.plain else k
        wide = max(1, min(nt, _STRIP // (deep * cols * size)))
        strips = -(-nt // wide)
        wide = -(-nt // strips)
        wanted = -(-_ITEMS * self.device.units // (batch * strips))
        tall = -(-mt // min(mt, max(1, wanted)))
        blocks = -(-mt // tall)
        if direct:
            left, at, apart = a.memory, a.offset, a.strides[0]
        else:
            left, at, apart = x, 0, 0 if na == 1 else mt * k * rows
        multiplying[direct].run(
            [left.handle, y.handle, out.memory.handle],
            (
                *(at, 0, out.offset, m, n, k),
                *(tall, wide, blocks, strips),
                *(apart, 0 if nb == 1 else nt * k * cols),
                *(a.strides[1], deep),
            ),
            batch * blocks * strips,
        )

    def _tiled(
        self, engine: Engine, kind: Kind, tile: Tile, a: Buffer, b: Buffer, out: Buffer
    ) -> None:
        batch, m, k = a.shape
        n = b.shape[2]
        (multiplying,) = self.made(kind, tile)
        groups = -(-m // (tile.rows * tile.width)) * -(
            -n // (tile.columns * tile.width)
        )
        multiplying.run(
            [x.memory.handle for x in (a, b, out)],
            (*(a.offset, b.offset, out.offset), m, n, k, *a.strides, *b.strides, 0),
            batch * groups,
        )

    def made(self, kind: Kind, tile: Tile) -> tuple[Kernel, ...]:
        """The kernels of a tile, compiled when first needed."""
        found = self.kernels.get((kind, tile))
        if found is None:
            found = self.kernels[kind, tile] = self._compiled(kind, tile)
        kernels: tuple[Kernel, ...] = found
        return kernels

    def _compiled(self, kind: Kind, tile: Tile) -> tuple[Kernel, ...]:
        d = self.device
        if self.local:
            items = tile.width**2
            return (Kernel(d, tiled(kind, tile), "tiled", items, 3, TILED_NUMBERS),)
        return (
            Kernel(d, pack(kind, tile), "pack", 1, 4, PACK_NUMBERS),
            *(
                Kernel(d, panels(kind, tile, direct), "panels", 1, 3, PANEL_NUMBERS)
                for direct in (False, True)[: 1 + kind.plain]
            ),
        )

    # -------------------------------------------------------------------------- tiles
    def candidates(self, real: str) -> Sequence[Tile]:
        """What is measured."""
        d = self.device.cl
        if self.local:
            size, room = (8 if real == "double" else 4), int(d.local_mem_size)
            most = int(d.max_work_group_size)
            return [
                t
                for t in _GPU
                if t.width**2 <= most
                and 16 * t.width * (t.rows + t.columns) * size <= room
            ]
        key = "double" if real == "double" else "float"
        width = max(2, min(16, getattr(d, f"native_vector_width_{key}") or 4))
        return [Tile(r, v * width, width) for r, v in _CPU]

    def tile(self, engine: Engine, kind: Kind, m: int, n: int) -> Tile:
        """The fastest tile for a product of (m, n), what sticks out counted in.

        Tiles are measured once for a driver's version.
        """
        speeds = self.speeds.get(kind.real)
        if speeds is None:
            speeds = self._remembered(kind.real)
            if speeds is None:
                speeds = self._measured(engine, kind.real)
                self._remember(kind.real, speeds)
            self.speeds[kind.real] = speeds

        def seconds(t: Tile) -> float:
            by = t.width if self.local else 1
            rows, columns = t.rows * by, t.columns * by
            return -(-m // rows) * rows * -(-n // columns) * columns * speeds[t]

        return min(speeds, key=seconds)

    def _path(self, real: str) -> Any:
        folder = cache.folder()
        if folder is None:
            return None
        key = ("opencl tile", *identity(self.device.cl), real, self.local)
        return cache.entry(folder, (*key, tuple(self.candidates(real))))

    def _remembered(self, real: str) -> dict[Tile, float] | None:
        path = self._path(real)
        data = None if path is None else cache.read(path)
        with contextlib.suppress(TypeError, ValueError):  # not what we wrote
            kept = [(Tile(*t), float(s)) for t, s in json.loads(data or b"null")]
            known = set(self.candidates(real))
            if kept and all(t in known and s > 0 for t, s in kept):
                return dict(kept)
        return None

    def _remember(self, real: str, speeds: dict[Tile, float]) -> None:
        path = self._path(real)
        if path is not None:
            cache.save(path, json.dumps(list(speeds.items())).encode())

    def _measured(self, engine: Engine, real: str) -> dict[Tile, float]:
        """Seconds of a product that every tile divides."""
        kind = Kind("float64" if real == "double" else "float32", "float32")
        shape = (1, _TRIAL, _TRIAL)
        dtype = as_dtype(kind.dtype)
        xs = []
        for _ in range(3):
            block = engine.pool.take(prod(shape) * dtype.itemsize)
            xs.append(Buffer(block, 0, shape, c_strides(shape), dtype))
        seconds = {}
        for t in self.candidates(real):
            try:
                seconds[t] = self._seconds(engine, kind, t, xs)
            except CompileError:  # more registers or local memory than there are
                continue
        return seconds

    def _seconds(self, engine: Engine, kind: Kind, tile: Tile, xs: list[Any]) -> float:
        best = float("inf")
        for _ in range(4):
            self.device.synchronize()
            start = time.perf_counter()
            self.run(engine, kind, tile, *xs)
            self.device.synchronize()
            best = min(best, time.perf_counter() - start)
        return best
