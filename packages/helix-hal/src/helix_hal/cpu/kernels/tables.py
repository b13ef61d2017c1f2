"""One launch over many arrays: kernels that find their data through a table.

An optimizer has hundreds of parameters, most of them small. Their arrays are cut into
blocks of equal size, and one launch runs over the blocks of all arrays; a kernel looks
up where each lies.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from helix_hal.cpu import pool
from helix_hal.cpu.jit import Jitted, intrinsic
from helix_hal.cpu.launch import launch

__all__ = ["BLOCK", "Array", "Arrays", "array_at", "fresh", "launch_over"]

Array = NDArray[Any]
Arrays = Sequence[Array]

BLOCK = 1 << 13
_export: Any = ctypes.c_byte.from_buffer


@intrinsic
def array_at(typingctx, address, size, like):
    """A view of `size` numbers at an address, typed as the array `like`."""
    from numba import types
    from numba.np.arrayobj import make_array, populate_array

    def codegen(context, builder, signature, args):
        array_type = signature.return_type
        array = make_array(array_type)(context, builder)
        data_type = context.get_data_type(array_type.dtype)
        width = context.get_constant(types.intp, context.get_abi_sizeof(data_type))
        populate_array(
            array,
            data=builder.inttoptr(args[0], array.data.type),
            shape=(args[1],),
            strides=(width,),
            itemsize=width,
            meminfo=None,
        )
        return array._getvalue()

    return like(types.intp, types.intp, like), codegen


def launch_over(run: Jitted, rows: Sequence[Arrays], *args: Any) -> None:
    """Launch a kernel over every block of n arrays.

    Parameters
    ----------
    run : Jitted
        ``run(lo, hi, owner, start, size, table, like, *args)``. Block ``b`` belongs to
        array ``k = owner[b]``, begins at its element ``(b - start[k]) * BLOCK`` and ends
        with the block or at ``size[k]``; ``table[r, k]`` is the address of
        ``rows[r][k]``, and ``like`` an empty array of the arrays' dtype.
    rows : sequence of lists of n ndarray
        Of one dtype; ``rows[r][k]`` has the size of ``rows[0][k]``. What the kernel
        writes is C-contiguous; of what it reads, the rest is copied first.
    """
    first = rows[0]
    owner, start, size = _layout(tuple([a.size for a in first]))
    kept: list[Array] = []
    table = np.array([_addresses(arrays, kept) for arrays in rows], np.int64)
    like = np.empty(0, first[0].dtype)
    launch(run, len(owner), owner, start, size, table, like, *args, grain=2)


def fresh(arrays: Arrays) -> list[Array]:
    """Uninitialised arrays of the same shapes, from the pool."""
    return [pool.empty(a.shape, a.dtype) for a in arrays]


@lru_cache(maxsize=64)
def _layout(sizes: tuple[int, ...]) -> tuple[Array, Array, Array]:
    """Which array each block belongs to, and the first block and size of each array."""
    size = np.array(sizes, np.int64)
    blocks = -(-size // BLOCK)
    return np.repeat(np.arange(len(sizes)), blocks), np.cumsum(blocks) - blocks, size


def _addresses(arrays: Arrays, kept: list[Array]) -> list[int]:
    """Where the first elements lie, of copies where need be, which `kept` keeps alive."""
    try:  # four times faster than asking the arrays
        return list(map(ctypes.addressof, map(_export, arrays)))
    except (TypeError, ValueError):  # one is strided, read-only or empty
        rows = [a if a.flags.c_contiguous else np.ascontiguousarray(a) for a in arrays]
        kept += rows
        return [int(a.__array_interface__["data"][0]) for a in rows]
