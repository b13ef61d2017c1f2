"""Transforms of sixteen channels at once, for convolutions.

A signal of m numbers is a polynomial modulo z^m - i. A level of the transform splits
z^m - w into r factors z^(m/r) - w_q, whose w_q are the r-th roots of w, until every
factor is of degree one. Products of polynomials are then products of numbers, in
whatever order they ended up. Linear convolutions need no zeros appended: what passes
z^m comes back times i, that is, in the imaginary part.

Every lane of a vector is a channel, so that nothing is shuffled, and a factor of the
twiddles belongs to a whole block: `spread` from a table. An element is two vectors,
real and imaginary, beside each other. Everything happens in place.

References
----------
Nussbaumer, "Fast Fourier Transform and Convolution Algorithms", 1982 (right-angle
circular convolution).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from helix_hal.cpu.jit import device_function
from helix_hal.cpu.kernels import simd
from helix_hal.cpu.kernels.simd import (
    add,
    fma,
    load,
    mul,
    multiply_add,
    operation,
    splat,
    spread,
    store,
    sub,
)

__all__ = ["ELEMENT", "Plan", "fnma", "forward", "inverse", "plan", "sizes"]

Array = NDArray[Any]
F32 = np.float32
W = simd.WIDTH
ELEMENT = 2 * W  # floats of an element of sixteen channels
_SMALLEST = 16
_HALF, _SIN60 = F32(0.5), F32(0.8660254037844386)

fnma = operation(
    "fnma", 3, lambda _, b, x, y, z: multiply_add(b, b.fneg(x), y, z), "z - x * y"
)


class Plan(NamedTuple):
    """How a transform of ``rows * columns`` elements is done.

    Its first `upper` levels work on columns, elements that are `columns` apart; the
    others on rows, each of which stands for one factor.

    Attributes
    ----------
    size, rows, columns : int
    levels : ndarray, shape (levels, 2), int64
        Radix, and where the level's twiddles begin.
    upper : int
    twiddles : ndarray, float32
        For each factor of a level, w^1 to w^(r-1) of its r-th root w: real, imaginary.
    """

    size: int
    rows: int
    columns: int
    levels: Array
    upper: int
    twiddles: Array


def sizes(least: int) -> list[int]:
    """The two smallest sizes that are no smaller: a power of two, and 3/2 of one."""
    two = max(_SMALLEST, 1 << (least - 1).bit_length())
    three = two // 4 * 3
    return [three, two] if three >= max(least, _SMALLEST) else [two, two // 2 * 3]


@lru_cache(maxsize=16)
def plan(size: int) -> Plan:
    """For a size of `sizes`."""
    odd = 3 if size % 3 == 0 else 1
    bits = (size // odd).bit_length() - 1
    low = (bits + 1) // 2
    high = bits - low
    upper = [3] * (odd == 3) + _radices(high)
    radices = upper + _radices(low)
    turns = np.array([0.25])  # of w, for every factor
    levels, tables, start = [], [], 0
    for r in radices:
        angles = 2 * np.pi / r * np.outer(turns, np.arange(1, r))
        table = np.stack([np.cos(angles), np.sin(angles)], -1)
        levels.append((r, start))
        tables.append(table.astype(F32).reshape(-1))
        start += tables[-1].size
        turns = (turns[:, None] / r + np.arange(r) / r).reshape(-1)
    return Plan(
        size,
        odd << high,
        1 << low,
        np.array(levels, np.int64),
        len(upper),
        np.concatenate(tables),
    )


def _radices(bits: int) -> list[int]:
    return [4] * (bits // 2) + [2] * (bits % 2)


# ---------------------------------------------------------------------- butterflies
@device_function
def _turn(re, im, c, s):
    """Times c + s i."""
    return fnma(im, s, mul(re, c)), fma(re, s, mul(im, c))


@device_function
def _back(re, im, c, s):
    """Times c - s i."""
    return fma(im, s, mul(re, c)), fnma(re, s, mul(im, c))


@device_function
def _forward2(a, at, part, tw, k):
    c, s = spread(tw, k), spread(tw, k + 1)
    half = part * ELEMENT
    for i in range(at, at + half, ELEMENT):
        xr, xi = load(a, i), load(a, i + W)
        yr, yi = _turn(load(a, i + half), load(a, i + half + W), c, s)
        store(a, i, add(xr, yr))
        store(a, i + W, add(xi, yi))
        store(a, i + half, sub(xr, yr))
        store(a, i + half + W, sub(xi, yi))


@device_function
def _inverse2(a, at, part, tw, k):
    c, s = spread(tw, k), spread(tw, k + 1)
    half = part * ELEMENT
    for i in range(at, at + half, ELEMENT):
        xr, xi = load(a, i), load(a, i + W)
        yr, yi = load(a, i + half), load(a, i + half + W)
        store(a, i, add(xr, yr))
        store(a, i + W, add(xi, yi))
        yr, yi = _back(sub(xr, yr), sub(xi, yi), c, s)
        store(a, i + half, yr)
        store(a, i + half + W, yi)


@device_function
def _forward3(a, at, part, tw, k):
    c1, s1 = spread(tw, k), spread(tw, k + 1)
    c2, s2 = spread(tw, k + 2), spread(tw, k + 3)
    half, sine = splat(_HALF), splat(_SIN60)
    step = part * ELEMENT
    for i in range(at, at + step, ELEMENT):
        j, n = i + step, i + 2 * step
        xr, xi = load(a, i), load(a, i + W)
        yr, yi = _turn(load(a, j), load(a, j + W), c1, s1)
        zr, zi = _turn(load(a, n), load(a, n + W), c2, s2)
        sr, si = add(yr, zr), add(yi, zi)
        dr, di = mul(sub(yr, zr), sine), mul(sub(yi, zi), sine)
        mr, mi = fnma(sr, half, xr), fnma(si, half, xi)
        store(a, i, add(xr, sr))
        store(a, i + W, add(xi, si))
        store(a, j, sub(mr, di))
        store(a, j + W, add(mi, dr))
        store(a, n, add(mr, di))
        store(a, n + W, sub(mi, dr))


@device_function
def _inverse3(a, at, part, tw, k):
    c1, s1 = spread(tw, k), spread(tw, k + 1)
    c2, s2 = spread(tw, k + 2), spread(tw, k + 3)
    half, sine = splat(_HALF), splat(_SIN60)
    step = part * ELEMENT
    for i in range(at, at + step, ELEMENT):
        j, n = i + step, i + 2 * step
        xr, xi = load(a, i), load(a, i + W)
        yr, yi = load(a, j), load(a, j + W)
        zr, zi = load(a, n), load(a, n + W)
        sr, si = add(yr, zr), add(yi, zi)
        dr, di = mul(sub(yr, zr), sine), mul(sub(yi, zi), sine)
        mr, mi = fnma(sr, half, xr), fnma(si, half, xi)
        store(a, i, add(xr, sr))
        store(a, i + W, add(xi, si))
        yr, yi = _back(add(mr, di), sub(mi, dr), c1, s1)
        store(a, j, yr)
        store(a, j + W, yi)
        zr, zi = _back(sub(mr, di), add(mi, dr), c2, s2)
        store(a, n, zr)
        store(a, n + W, zi)


@device_function
def _forward4(a, at, part, tw, k):
    c1, s1 = spread(tw, k), spread(tw, k + 1)
    c2, s2 = spread(tw, k + 2), spread(tw, k + 3)
    c3, s3 = spread(tw, k + 4), spread(tw, k + 5)
    step = part * ELEMENT
    for i in range(at, at + step, ELEMENT):
        j, n, m = i + step, i + 2 * step, i + 3 * step
        xr, xi = load(a, i), load(a, i + W)
        zr, zi = _turn(load(a, n), load(a, n + W), c2, s2)
        pr, pi = add(xr, zr), add(xi, zi)
        qr, qi = sub(xr, zr), sub(xi, zi)
        yr, yi = _turn(load(a, j), load(a, j + W), c1, s1)
        vr, vi = _turn(load(a, m), load(a, m + W), c3, s3)
        sr, si = add(yr, vr), add(yi, vi)
        dr, di = sub(yr, vr), sub(yi, vi)
        store(a, i, add(pr, sr))
        store(a, i + W, add(pi, si))
        store(a, j, sub(qr, di))
        store(a, j + W, add(qi, dr))
        store(a, n, sub(pr, sr))
        store(a, n + W, sub(pi, si))
        store(a, m, add(qr, di))
        store(a, m + W, sub(qi, dr))


@device_function
def _inverse4(a, at, part, tw, k):
    c1, s1 = spread(tw, k), spread(tw, k + 1)
    c2, s2 = spread(tw, k + 2), spread(tw, k + 3)
    c3, s3 = spread(tw, k + 4), spread(tw, k + 5)
    step = part * ELEMENT
    for i in range(at, at + step, ELEMENT):
        j, n, m = i + step, i + 2 * step, i + 3 * step
        xr, xi = load(a, i), load(a, i + W)
        zr, zi = load(a, n), load(a, n + W)
        pr, pi = add(xr, zr), add(xi, zi)
        qr, qi = sub(xr, zr), sub(xi, zi)
        yr, yi = load(a, j), load(a, j + W)
        vr, vi = load(a, m), load(a, m + W)
        sr, si = add(yr, vr), add(yi, vi)
        dr, di = sub(yr, vr), sub(yi, vi)
        store(a, i, add(pr, sr))
        store(a, i + W, add(pi, si))
        yr, yi = _back(add(qr, di), sub(qi, dr), c1, s1)
        store(a, j, yr)
        store(a, j + W, yi)
        zr, zi = _back(sub(pr, sr), sub(pi, si), c2, s2)
        store(a, n, zr)
        store(a, n + W, zi)
        vr, vi = _back(sub(qr, di), add(qi, dr), c3, s3)
        store(a, m, vr)
        store(a, m + W, vi)


# --------------------------------------------------------------------------- levels
@device_function
def forward(a, at, size, levels, first, last, factor, tw):
    """Levels `first` to `last` of the block of `size` elements at ``a[at]``, which
    stands for one factor of level `first`."""
    count = 1
    for level in range(first, last):
        radix, table = levels[level, 0], levels[level, 1]
        width, part = 2 * (radix - 1), size // radix
        for i in range(count):
            k = table + (factor * count + i) * width
            here = at + i * size * ELEMENT
            if radix == 4:
                _forward4(a, here, part, tw, k)
            elif radix == 2:
                _forward2(a, here, part, tw, k)
            else:
                _forward3(a, here, part, tw, k)
        count *= radix
        size = part


@device_function
def inverse(a, at, size, levels, first, last, factor, tw):
    """Undoes `forward`, but for a factor of `size`."""
    count, part = size, 1
    for back in range(last - first):
        level = last - 1 - back
        radix, table = levels[level, 0], levels[level, 1]
        width, whole = 2 * (radix - 1), part * radix
        count //= radix
        for i in range(count):
            k = table + (factor * count + i) * width
            here = at + i * whole * ELEMENT
            if radix == 4:
                _inverse4(a, here, part, tw, k)
            elif radix == 2:
                _inverse2(a, here, part, tw, k)
            else:
                _inverse3(a, here, part, tw, k)
        part = whole
