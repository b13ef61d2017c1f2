"""Matrix products of a device: the tile is chosen by measurement."""

from __future__ import annotations

import json
import time
from math import prod
from typing import TYPE_CHECKING, Any

from helix_core import CompileError
from helix_core._dtypes import as_dtype

from helix_hal import cache
from helix_hal.loop.buffer import Buffer, c_strides
from helix_hal.webgpu.gemm_source import NUMBERS, Kind, Tile, source
from helix_hal.webgpu.launch import Kernel, group_sizes

if TYPE_CHECKING:
    from helix_hal.loop.engine import Engine
    from helix_hal.webgpu.device import WebGpuDevice

TILES = (
    *(Tile(8, 8, 32), Tile(8, 4, 32), Tile(4, 8, 32), Tile(4, 4, 64)),
    *(Tile(4, 4, 64, True), Tile(4, 4, 256, True)),
)
_TRIAL = 256  # the side of the products that are measured
_LEAST = 1 << 15  # multiply-adds below which a plain program is as good


class Gemm:
    """``gemm(engine, a, b, out, compute)`` of one device.

    Parameters
    ----------
    device : WebGpuDevice
    """

    def __init__(self, device: WebGpuDevice) -> None:
        self.device = device
        self.kernels: dict[tuple[Kind, Tile], Kernel] = {}
        self.chosen: Tile | None = None

    def __call__(
        self, engine: Engine, a: Buffer, b: Buffer, out: Buffer, compute: str
    ) -> bool:
        """``out = a @ b``; False, and nothing done, where a plain program is as good.

        Parameters
        ----------
        a, b, out : Buffer
            (batch, m, k), (batch, k, n) with any strides, and (batch, m, n) in C order,
            of one dtype; others than float32 are declined.
        compute : str
            ``"bfloat16"``: operands are rounded to that first.
        """
        batch, m, k = a.shape
        n = b.shape[2]
        if a.dtype.name != "float32" or batch * m * n * k < _LEAST:
            return False
        if min(m, n, k) < 4 or any(
            self.device.parts(x.memory.handle) > 1 for x in (a, b, out)
        ):
            return False
        if batch > 1 and b.strides[0] == 0 and a.strides[0] == m * a.strides[1]:
            a = a.view((1, batch * m, k), (0, *a.strides[1:]))
            b = b.view((1, k, n), (0, *b.strides[1:]))
            out = out.view((1, batch * m, n), (0, n, 1))
        self.run(self.tile(engine), a, b, out, compute)
        return True

    def run(
        self, tile: Tile, a: Buffer, b: Buffer, out: Buffer, compute: str = "float32"
    ) -> None:
        """A product with this tile."""
        batch, m, k = a.shape
        n = b.shape[2]
        word = 4 if tile.shared else 2
        kind = Kind(
            a=_how(a, 1, 2, word),
            b=_how(b, 2, 1, word),
            rounded=compute == "bfloat16",
            even=k % 2 == 0,
            wide=not tile.shared and "int64" in self.device.features.dtypes,
        )
        high, wide = tile.rows, tile.columns
        if tile.shared:
            high, wide = high * tile.side, wide * tile.side
        tiles = batch * -(-m // high) * -(-n // wide)
        groups = tiles if tile.shared else -(-tiles // tile.local)
        self.kernel(kind, tile).run(
            (a.memory.handle, b.memory.handle, out.memory.handle),
            (
                *(a.offset, b.offset, out.offset, m, n, k),
                *(*a.strides, *b.strides, batch, 0),
            ),
            group_sizes(groups, self.device.max_groups),
        )

    def kernel(self, kind: Kind, tile: Tile) -> Kernel:
        """Compiled when first needed."""
        found = self.kernels.get((kind, tile))
        if found is None:
            name = "product_shared" if tile.shared else "product_tile"
            found = Kernel(self.device, source(kind, tile), name, 3, NUMBERS)
            self.kernels[kind, tile] = found
        return found

    # -------------------------------------------------------------------------- tiles
    def tiles(self) -> list[Tile]:
        """What is measured: what this device has room for."""
        limits = self.device.info.limits
        return [
            t
            for t in TILES
            if t.local <= limits["max_workgroup"]
            and (not t.shared or 512 * t.side <= limits["local_bytes"])
        ]

    def tile(self, engine: Engine) -> Tile:
        """The fastest; measured once for a driver's version, and kept on disk."""
        if self.chosen is None:
            info = self.device.info
            folder = cache.folder()
            key = ("webgpu tile", info.name, info.driver, self.tiles())
            path = None if folder is None else cache.entry(folder, key)
            self.chosen = self._known(None if path is None else cache.read(path))
            if self.chosen is None:
                self.chosen = self._measured(engine)
                if path is not None:
                    cache.save(path, json.dumps(self.chosen).encode())
        return self.chosen

    def _known(self, data: bytes | None) -> Tile | None:
        """The tile of an entry, if it is one that this device may choose."""
        try:
            named = json.loads(data or b"null")
        except ValueError:
            return None
        return next((t for t in self.tiles() if list(t) == named), None)

    def _measured(self, engine: Engine) -> Tile:
        shape, dtype = (1, _TRIAL, _TRIAL), as_dtype("float32")
        xs: list[Any] = []
        for _ in range(3):
            block = engine.pool.take(prod(shape) * dtype.itemsize)
            xs.append(Buffer(block, 0, shape, c_strides(shape), dtype))
        seconds = {}
        for t in self.tiles():
            try:
                seconds[t] = self._seconds(t, xs)
            except CompileError as e:  # more registers or memory than there are
                refused = e
        if not seconds:
            raise refused
        return min(seconds, key=lambda t: seconds[t])

    def _seconds(self, tile: Tile, xs: list[Any]) -> float:
        best = float("inf")
        for _ in range(3):
            self.device.synchronize()
            start = time.perf_counter()
            self.run(tile, *xs)
            self.device.synchronize()
            best = min(best, time.perf_counter() - start)
        return best


def _how(x: Buffer, axis: int, along: int, word: int) -> str:
    """Along which axis neighbours come in whole words: ``along`` is that of k."""
    for name, dense, other in (("k", along, axis), ("x", axis, along)):
        if (
            x.strides[dense] == 1
            and x.shape[dense] % word == 0
            and all(s % word == 0 for s in (x.offset, x.strides[0], x.strides[other]))
        ):
            return name
    return "one"
