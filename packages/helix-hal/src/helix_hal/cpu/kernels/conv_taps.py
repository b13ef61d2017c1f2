"""Taps of a convolution, and how kernels walk over pixels by them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from helix_hal.cpu.jit import device_function

__all__ = ["Taps", "address_of", "distances", "falls_inside", "first_place", "go_on"]
__all__ += ["ints", "place_of", "steps_of"]

Array = NDArray[Any]
Ints = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Taps:
    """How a pixel of the result and a tap lead to a pixel of the input.

    Attributes
    ----------
    steps : (z, y, x)
        Steps in the input for one step in the result.
    first : (z, y, x)
        Place in the input of the result's first pixel, for a tap at 0.
    at : tuple of (z, y, x)
        Where each tap reads, relative to that.
    weights : sequence of int
        For each element of the sum (tap by tap, and in a tap by channel), its offset in
        the weights, in elements.
    run : int
        Elements that a tap reads, one after the other.
    """

    steps: Ints
    first: Ints
    at: tuple[Ints, ...]
    weights: Any
    run: int

    @cached_property
    def arrays(self) -> tuple[Array, Array, Array]:
        """Steps, first place and taps, for kernels."""
        return ints(self.steps), ints(self.first), ints(self.at).reshape(-1, 3)

    @cached_property
    def sorted(self) -> tuple[int, Array, Array]:
        """The least offset of the weights; all, from it, in the order of memory; and that
        order."""
        offsets = np.asarray(self.weights, np.int64)
        order = np.argsort(offsets, kind="stable")
        least = int(offsets[order[0]])
        return least, offsets[order] - least, order

    @cached_property
    def by_tile(self) -> dict[int, tuple[Array, Array]]:
        """For tiles of so many rows, what `orders` returns."""
        return {}

    def orders(self, rows: int) -> tuple[Array, Array]:
        """Of each row tile: its offsets in the order of memory, and where in it each
        element stands."""
        known = self.by_tile.get(rows)
        if known is None:
            known = self.by_tile[rows] = self._orders(rows)
        return known

    def _orders(self, rows: int) -> tuple[Array, Array]:
        tiles, count = -(-self.run // rows), len(self.at)
        by_tap = np.asarray(self.weights, np.int64).reshape(count, self.run)
        offsets = np.zeros((tiles, count * rows), np.int64)
        places = np.full((tiles, count * rows), -1, np.int64)
        for i in range(tiles):
            mine = by_tap[:, i * rows : (i + 1) * rows]
            order = np.argsort(mine, axis=None)
            offsets[i, : order.size] = mine.reshape(-1)[order]
            tap, row = order // mine.shape[1], order % mine.shape[1]
            places[i, tap * rows + row] = np.arange(order.size)
        return offsets, places


@device_function
def place_of(pixel, shape, where):
    """(n, z, y, x) of a pixel of the result."""
    rest = pixel
    for axis in range(3, 0, -1):
        where[axis] = rest % shape[axis]
        rest //= shape[axis]
    where[0] = rest


@device_function
def go_on(where, shape):
    """Go on to the next pixel."""
    where[3] += 1
    for axis in range(3, 0, -1):
        if where[axis] == shape[axis]:
            where[axis] = 0
            where[axis - 1] += 1


@device_function
def distances(taps, xs, width):
    """How far each tap is from the first place, in bytes; and the taps' extremes."""
    away = np.empty(taps.shape[0], np.int64)
    reach = np.empty((2, 3), np.int64)
    for axis in range(3):
        reach[0, axis] = reach[1, axis] = taps[0, axis]
    for k in range(taps.shape[0]):
        away[k] = 0
        for axis in range(3):
            away[k] += taps[k, axis] * xs[axis + 1] * width
            reach[0, axis] = min(reach[0, axis], taps[k, axis])
            reach[1, axis] = max(reach[1, axis], taps[k, axis])
    return away, reach


@device_function
def first_place(where, steps, first, xs, sizes, reach, base):
    """The first place in the input of a pixel, (z, y, x), and its offset in elements;
    whether every tap of it falls inside."""
    inside = True
    offset = where[0] * xs[0]
    for axis in range(3):
        at = where[axis + 1] * steps[axis] + first[axis]
        base[axis] = at
        offset += at * xs[axis + 1]
        inside &= at + reach[0, axis] >= 0
        inside &= at + reach[1, axis] < sizes[axis]
    base[3] = offset
    return inside


@device_function
def falls_inside(base, taps, k, sizes):
    inside = True
    for axis in range(3):
        at = base[axis] + taps[k, axis]
        inside &= (at >= 0) & (at < sizes[axis])
    return inside


def ints(values: Any) -> Array:
    return np.array(values, np.int64)


def address_of(a: Array) -> int:
    return int(a.__array_interface__["data"][0])


def steps_of(a: Array) -> Array:
    """Between neighbours on each axis but the last, in elements."""
    return ints([s // a.itemsize for s in a.strides[:-1]])
