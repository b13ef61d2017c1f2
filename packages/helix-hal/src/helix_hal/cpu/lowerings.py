"""Primitives where the CPU backend does better than plain NumPy.

Small operands take NumPy's ufuncs: nothing compiles in a REPL. Large results come from
the buffer pool, because fresh pages cost as much as the arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from helix_core.reference.backend import LOWERINGS as NUMPY
from helix_core.reference.quiet import loudless, quiet, run
from helix_core.reference.reduce import dot_operands

from helix_hal.cpu import pool
from helix_hal.cpu.blas import matmul
from helix_hal.cpu.threads import get_num_threads

ndarray = np.ndarray
LARGE = pool.MIN_BYTES
MANY = 1 << 15  # elements from which a numba map beats one thread of NumPy


def _like(a: Any, b: Any) -> Any:
    """Memory for the result of a binary operation, in the order of two alike operands."""
    if a.shape != b.shape:
        return pool.empty(np.broadcast_shapes(a.shape, b.shape), a.dtype)
    if a.strides != b.strides or a.flags.c_contiguous:
        return pool.empty(a.shape, a.dtype)
    order = sorted(range(a.ndim), key=lambda i: -a.strides[i])
    out = pool.empty(tuple([a.shape[i] for i in order]), a.dtype)
    return out.transpose(sorted(range(a.ndim), key=order.__getitem__))


def _pooled(f: Any) -> Callable[..., Any]:
    """A binary ufunc that writes large results into pool buffers."""

    def lowering(dev: Any, a: Any, b: Any, out: Any = None) -> Any:
        if out is None and (a.nbytes >= LARGE or b.nbytes >= LARGE):
            out = _like(a, b)
        try:
            r = run(f, a, b) if out is None else run(f, a, b, out=out)
        except RuntimeError:  # another thread is inside
            r = loudless(f, a, b, out=out)
        return r if r.__class__ is ndarray else np.asarray(r)

    return lowering


def _mapped(name: str) -> Callable[..., Any]:
    """A unary function through a numba map when there is enough to do."""
    plain = NUMPY[name]

    def lowering(dev: Any, a: Any, out: Any = None) -> Any:
        if a.size < MANY or out is not None or a.dtype.char not in "fd":
            return plain(dev, a, out=out)
        from helix_hal.cpu.kernels.elementwise import unary_forward

        return unary_forward(name, np.ascontiguousarray(a))

    return lowering


def _erf(dev: Any, a: Any, out: Any = None) -> Any:
    if a.dtype.char == "f" and a.size >= MANY:
        return _mapped("erf")(dev, a, out)
    from scipy.special import erf

    return np.asarray(erf(a.astype(np.float64))).astype(a.dtype)


def _dot(
    dev: Any, a: Any, b: Any, dims: Any, compute: str = "float32", out: Any = None
) -> Any:
    half = a.dtype if a.dtype.name == "bfloat16" else None
    if half is not None:  # as bits: nothing is widened before it is packed
        a, b = a.view(np.uint16), b.view(np.uint16)
    x, y, shape, dtype = dot_operands(a, b, dims, "float32")
    if half is None:
        into = pool.empty((*x.shape[:-1], y.shape[-1]), x.dtype)
        matmul(x, y, into, compute)
    else:
        into = pool.empty((*x.shape[:-1], y.shape[-1]), np.float32)
        matmul(x.view(half), y.view(half), into)
        dtype = half
    return into.reshape(shape).astype(dtype, copy=False)


def _linear_scan(
    dev: Any, a: Any, b: Any, h0: Any, axis: int, reverse: bool, out: Any = None
) -> Any:
    if a.dtype.char not in "fdFD":
        return NUMPY["linear_scan"](dev, a, b, h0, axis=axis, reverse=reverse)
    from helix_hal.cpu.kernels.linear_scan import linear_scan

    return linear_scan(a, b, h0, axis=axis, reverse=reverse)


def _random_bits(
    dev: Any, key: Any, shape: Any, bits: int = 32, out: Any = None
) -> Any:
    if prod(shape) < 4096:
        return NUMPY["random_bits"](dev, key, shape=shape, bits=bits)
    from helix_hal.cpu.kernels.dropout import random_bits

    return random_bits(shape, key[:2], key[2:], bits)


def _fft(dev: Any, x: Any, kind: str, axes: Any, sizes: Any, out: Any = None) -> Any:
    if x.size < MANY or not prod(sizes):
        return NUMPY["fft"](dev, x, kind=kind, axes=axes, sizes=sizes)
    from scipy import fft

    transform = getattr(fft, f"{kind}n")  # fftn, ifftn, rfftn, irfftn
    return transform(x, s=sizes, axes=axes, workers=get_num_threads())


def _conv(dev: Any, *args: Any, **attrs: Any) -> Any:
    from helix_hal.cpu.conv_lowering import conv

    return conv(dev, *args, **attrs)


def _concat(dev: Any, *xs: Any, axis: int, out: Any = None) -> Any:
    if sum(x.nbytes for x in xs) < LARGE:
        return np.concatenate(xs, axis, out=out)
    shape = list(xs[0].shape)
    shape[axis] = sum(x.shape[axis] for x in xs)
    out = pool.empty(tuple(shape), xs[0].dtype)
    return np.concatenate(xs, axis, out=out)


def _full(
    dev: Any, shape: Any, value: Any, dtype: Any, weak: bool = False, out: Any = None
) -> Any:
    if prod(shape) * dtype.itemsize < LARGE:
        return NUMPY["full"](dev, shape=shape, value=value, dtype=dtype)
    into = pool.empty(shape, dtype.dtype)
    into.fill(value)
    return into


LOWERINGS: dict[str, Callable[..., Any]] = {
    **NUMPY,
    "add": _pooled(np.add),
    "sub": _pooled(np.subtract),
    "mul": _pooled(np.multiply),
    "div": _pooled(np.true_divide),
    "max": _pooled(np.maximum),
    "min": _pooled(np.minimum),
    "exp": _mapped("exp"),
    "tanh": _mapped("tanh"),
    "erf": quiet(_erf),
    "dot_general": quiet(_dot),
    "conv": quiet(_conv),
    "linear_scan": _linear_scan,
    "random_bits": _random_bits,
    "fft": quiet(_fft),
    "concat": _concat,
    "full": _full,
}
