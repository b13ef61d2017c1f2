"""Matrix products with tiles in shared memory.

A block makes a tile of the result, each thread a small square of it in registers. Both
operands come through strides, a slab of k at a time; every element adds up over k in order.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from helix_core import CompileError

from helix_hal.cuda.renderer import ROWS
from helix_hal.cuda.scalars import F32, F64
from helix_hal.loop.buffer import Buffer
from helix_hal.loop.numba_source import TYPES

if TYPE_CHECKING:
    from helix_hal.cuda.device import CudaDevice
    from helix_hal.loop.engine import Engine


class Tile(NamedTuple):
    """``side`` by ``side`` threads, ``each`` by ``each`` elements a thread."""

    side: int
    each: int
    depth: int

    @property
    def edge(self) -> int:
        """Rows, and columns, of a block's tile."""
        return self.side * self.each


TILES = {"float32": Tile(16, 4, 16), "float64": Tile(16, 2, 16)}
SIMULATED = Tile(2, 2, 4)
NUMBERS = 13  # whole numbers that the kernel takes
_LEAST = 1 << 12  # multiply-adds below which a plain program is as good

_SOURCE = """\
def product(a, b, c, ao, bo, co, m, n, k, a0, a1, a2, b0, b1, b2, batch):
    left = cuda.shared.array({slab}, {dtype})
    right = cuda.shared.array({slab}, {dtype})
    item = cuda.threadIdx.x
    row, col = item // {side} * {each}, item % {side} * {each}
    across = (n + {edge} - 1) // {edge}
    top, start = cuda.blockIdx.x // across * {edge}, cuda.blockIdx.x % across * {edge}
    plane = cuda.blockIdx.y + cuda.gridDim.y * cuda.blockIdx.z
    if plane >= batch:
        return
    ao += plane * a0
    bo += plane * b0
    co += plane * m * n
{zeros}
    for slab in range(0, k, {depth}):
        for x in range(item, {slab}, {threads}):
            i, p = top + x // {depth}, slab + x % {depth}
            v = {dtype}(0)
            if i < m and p < k:
                v = a[ao + i * a1 + p * a2]
            left[x % {depth} * {edge} + x // {depth}] = v
        for x in range(item, {slab}, {threads}):
            p, j = slab + x // {edge}, start + x % {edge}
            v = {dtype}(0)
            if p < k and j < n:
                v = b[bo + p * b1 + j * b2]
            right[x] = v
        cuda.syncthreads()
        for p in range({depth}):
            at = p * {edge}
{loads}
{sums}
        cuda.syncthreads()
{stores}
"""


@cache
def source(dtype: str, tile: Tile) -> str:
    """The kernel as numba reads it."""
    each = range(tile.each)
    pairs = [(i, j) for i in each for j in each]
    numba_type = TYPES[dtype]
    lines = {
        "zeros": [f"    s{i}_{j} = {numba_type}(0)" for i, j in pairs],
        "loads": [
            f"            {x}{i} = {shared}[at + {where} + {i}]"
            for x, shared, where in (("x", "left", "row"), ("y", "right", "col"))
            for i in each
        ],
        "sums": [f"            s{i}_{j} += x{i} * y{j}" for i, j in pairs],
        "stores": [
            f"    if top + row + {i} < m and start + col + {j} < n:\n"
            f"        c[co + (top + row + {i}) * n + start + col + {j}] = s{i}_{j}"
            for i, j in pairs
        ],
    }
    return _SOURCE.format(
        **{k: "\n".join(v) for k, v in lines.items()},
        dtype=numba_type,
        side=tile.side,
        each=tile.each,
        edge=tile.edge,
        depth=tile.depth,
        slab=tile.edge * tile.depth,
        threads=tile.side**2,
    )


def kernel(dtype: str, tile: Tile) -> Any:
    """The numba kernel.

    Raises
    ------
    CompileError
    """
    from numba import cuda

    text = source(dtype, tile)
    scope: dict[str, Any] = {"cuda": cuda, "F32": F32, "F64": F64}
    try:
        exec(compile(text, f"<product_{dtype}>", "exec"), scope)
        return cuda.jit(scope["product"])
    except Exception as e:
        raise CompileError(
            f"[product] expected a kernel that numba compiles for CUDA; got "
            f"{type(e).__name__}: {e}\n{text}"
        ) from e


class Gemm:
    """``gemm(engine, a, b, out, compute)`` of one device.

    Parameters
    ----------
    device : CudaDevice
    """

    def __init__(self, device: CudaDevice) -> None:
        self.device = device
        self.kernels: dict[str, Any] = {}

    def __call__(
        self, engine: Engine, a: Buffer, b: Buffer, out: Buffer, compute: str
    ) -> bool:
        """``out = a @ b``; False, and nothing done, where a plain program is as good.

        Parameters
        ----------
        a, b, out : Buffer
            (batch, m, k), (batch, k, n) with any strides, and (batch, m, n) in C order,
            of one dtype; others than float32 and float64 are declined.
        compute : str
            "bfloat16" is declined: the program rounds operands first.
        """
        name = a.dtype.name
        batch, m, k = a.shape
        n = b.shape[2]
        few = min(m, n, k) < 4 or batch * m * n * k < _LEAST
        if name not in TILES or compute == "bfloat16" or few:
            return False
        tile = SIMULATED if self.device.simulated else TILES[name]
        run = self.kernels.get(name)
        if run is None:
            run = self.kernels[name] = kernel(name, tile)
        tiles = -(-m // tile.edge) * -(-n // tile.edge)
        grid = (tiles, min(batch, ROWS), -(-batch // ROWS))
        memories = [x.memory.handle for x in (a, b, out)]
        numbers = (*(x.offset for x in (a, b, out)), m, n, k, *a.strides, *b.strides)
        self.device.start(
            run, grid, tile.side**2, memories, [name] * 3, (*numbers, batch)
        )
        return True


def product_ptx(dtype: str, capability: tuple[int, int]) -> str:
    """The PTX of the product, with no GPU at hand.

    Raises
    ------
    CompileError
    """
    from helix_hal.cuda.device import ptx_of

    return ptx_of(kernel(dtype, TILES[dtype]), [dtype] * 3, NUMBERS, capability)
