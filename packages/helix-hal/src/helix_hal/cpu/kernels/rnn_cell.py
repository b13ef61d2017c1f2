"""What the passes of recurrent layers share: cells, and how arrays lie in kernels.

Widths are padded with zeros to multiples of two vectors, so that kernels have no edges.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from helix_core.reference import rounding
from numpy.typing import NDArray

from helix_hal.cpu.jit import Jitted, device_function
from helix_hal.cpu.kernels import simd
from helix_hal.cpu.kernels.rnn_tile import rounded

__all__ = ["EVEN", "GATES", "Array", "Cell", "even", "grain", "narrower", "operand"]
__all__ += ["sequences", "square", "weights", "wider"]

Array = NDArray[Any]
F32 = np.float32
W = simd.WIDTH
GATES = 4
EVEN = 2 * W
_ROWS = 16  # sequences that a thread walks together, at most
_LEAST = 1 << 21  # multiply-adds of a task


class Cell(NamedTuple):
    """What happens to the four gates of a unit.

    Attributes
    ----------
    forward : Jitted
        ``forward(acc, a, h, state, s, keep, gates, g, hidden, cells, c)`` has the sums
        of sixteen units at ``acc[a]``, a vector a gate, and their last output `h`. It
        gives the next one, updates ``state[s]``, and if `keep` writes what the backward
        pass wants: a vector a gate to ``gates[g]``, `hidden` apart, and ``cells[c]``.
    backward : Jitted
        ``backward(gates, g, hidden, now, before, h, dh, state, s)`` gives the gradients
        of the four sums, and the part of h's gradient that does not pass through them.
        `now` and `before` are the cells; ``state[s]`` is their gradient.
    of_x, of_h : (first, past)
        The gates that the input and the last output have weights for.
    remembers : bool
        Whether there are cells.
    """

    forward: Jitted
    backward: Jitted
    of_x: tuple[int, int]
    of_h: tuple[int, int]
    remembers: bool


@device_function
def _same(x):
    return x


@device_function
def _round(x):
    return rounded(x)


def operand(half: bool) -> Jitted:
    """What products take of a vector."""
    return _round if half else _same


def even(n: int) -> int:
    """The width inside kernels."""
    return -(-n // EVEN) * EVEN


def sequences(batch: int, heights: tuple[int, ...]) -> tuple[int, int]:
    """How many are walked together, and the height of their tiles.

    There are two tasks at least, and few sequences take low tiles: the rest of a tile
    is computed in vain.
    """
    half = -(-batch // 2)
    tall = next((n for n in heights if 2 * half > n), heights[-1])
    return min(_ROWS, -(-half // tall) * tall), tall


def grain(work: int) -> int:
    """Tasks of this many multiply-adds that are worth a thread."""
    return max(1, _LEAST // max(work, 1))


def weights(w: Array, parts: int, rows: int, columns: int, half: bool) -> Array:
    """Weights (parts * rows, columns), every part and row padded with zeros.

    With `half` they are rounded to bfloat16.
    """
    if half:
        w = rounding.rounded(w, "bfloat16")
    old = w.shape[0] // parts
    if old == rows and w.shape[1] == columns:
        return w
    out = np.zeros((parts, rows, columns), F32)
    out[:, :old, : w.shape[1]] = w.reshape(parts, old, -1)
    return out.reshape(parts * rows, columns)


def square(flat: Array, parts: int, shape: tuple[int, int], wide: Any) -> Array:
    """Undo the padding of `weights`: (parts * rows, columns) of this shape a part."""
    whole = flat.reshape(parts, *wide)
    if shape != wide:
        whole = np.ascontiguousarray(whole[:, : shape[0], : shape[1]])
    return whole.reshape(parts * shape[0], shape[1])


def wider(a: Array, parts: int, width: int) -> Array:
    """Flat, each of the last axis' equal parts padded with zeros to the width."""
    old = a.shape[-1] // parts
    if old == width:
        return a.reshape(-1)
    out = np.zeros((*a.shape[:-1], parts, width), F32)
    out[..., :old] = a.reshape(*a.shape[:-1], parts, old)
    return out.reshape(-1)


def narrower(flat: Array, shape: tuple[int, ...], parts: int, width: int) -> Array:
    """Undo `wider`: an array of this shape."""
    old = shape[-1] // parts
    if old == width:
        return flat.reshape(shape)
    whole = flat.reshape(*shape[:-1], parts, width)
    return np.ascontiguousarray(whole[..., :old]).reshape(shape)
