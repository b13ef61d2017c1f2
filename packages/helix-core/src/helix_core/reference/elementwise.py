"""NumPy lowerings of elementwise primitives. A result is an ndarray, also when 0-d."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .._dtypes import foreign
from .quiet import loudless, quiet, run

ndarray = np.ndarray


def ufunc(f: Any) -> Callable[..., np.ndarray]:
    """A lowering of one or two operands from a NumPy function that takes ``out``."""
    if f.nin == 1:

        def unary(dev: Any, a: np.ndarray, out: Any = None) -> np.ndarray:
            try:
                r = run(f, a) if out is None else run(f, a, out=out)
            except RuntimeError:  # another thread is inside
                r = loudless(f, a, out=out)
            return r if r.__class__ is ndarray else np.asarray(r)

        return unary

    def binary(dev: Any, a: np.ndarray, b: np.ndarray, out: Any = None) -> np.ndarray:
        try:
            r = run(f, a, b) if out is None else run(f, a, b, out=out)
        except RuntimeError:
            r = loudless(f, a, b, out=out)
        return r if r.__class__ is ndarray else np.asarray(r)

    return binary


def plain(f: Callable[..., Any]) -> Callable[..., np.ndarray]:
    """A lowering from a function of arrays."""
    f = quiet(f)

    def lowering(dev: Any, *args: np.ndarray, out: Any = None, **attrs: Any) -> Any:
        r = f(*args, **attrs)
        r = r if r.__class__ is ndarray else np.asarray(r)
        if out is not None:
            out[...] = r
            return out
        return r

    return lowering


def _same(a: np.ndarray, r: Any) -> np.ndarray:
    """Some functions of ml_dtypes arrays return float32."""
    r = np.asarray(r)
    return r if r.dtype == a.dtype else r.astype(a.dtype)


def _erf(a: np.ndarray) -> np.ndarray:
    flat = [math.erf(v) for v in a.astype(np.float64).ravel().tolist()]
    return np.array(flat, np.float64).reshape(a.shape).astype(a.dtype)


def _shift(f: Any) -> Any:
    """Counts outside the width: zeros, or the sign for a right shift."""

    def run(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        bits = a.dtype.itemsize * 8
        bad = (b >= bits) | (b < 0)
        r = f(a, np.where(bad, 0, b).astype(b.dtype))
        fill = np.where(a < 0, -1, 0) if f is np.right_shift else np.zeros(())
        return np.where(bad, fill.astype(a.dtype), r)  # uint64 beside -1 is a float

    return run


def _floordiv(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return _same(a, np.floor_divide(a, b))


def _cast(a: np.ndarray, dtype: Any) -> np.ndarray:
    if dtype.category == "bool" and foreign(a.dtype):
        return np.asarray(a.astype(np.float32) != 0)
    return a.astype(dtype.dtype)


def _sign(a: np.ndarray) -> np.ndarray:
    return _same(a, np.sign(a))


def _complex(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    out = np.empty(np.broadcast(a, b).shape, np.result_type(a.dtype, np.complex64))
    out.real, out.imag = a, b
    return out


def _pow(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if a.dtype.kind in "iu":  # NumPy refuses negative exponents: 1 / n rounds to 0
        r = np.power(a, np.where(b < 0, 0, b).astype(b.dtype))
        tiny = np.where(np.abs(a) == 1, np.where(b % 2 == 0, 1, a), 0)
        return np.where(b < 0, tiny, r).astype(a.dtype)
    return _same(a, np.power(a, b))


LOWERINGS: dict[str, Callable[..., Any]] = {
    "add": ufunc(np.add),
    "sub": ufunc(np.subtract),
    "mul": ufunc(np.multiply),
    "neg": ufunc(np.negative),
    "div": ufunc(np.true_divide),
    "floordiv": plain(_floordiv),
    "mod": plain(lambda a, b: _same(a, np.mod(a, b))),
    "pow": plain(_pow),
    "max": ufunc(np.maximum),
    "min": ufunc(np.minimum),
    "atan2": plain(lambda a, b: _same(a, np.arctan2(a, b))),
    "abs": ufunc(np.abs),
    "sign": plain(_sign),
    "floor": ufunc(np.floor),
    "ceil": ufunc(np.ceil),
    "round": ufunc(np.rint),
    "exp": ufunc(np.exp),
    "log": ufunc(np.log),
    "expm1": ufunc(np.expm1),
    "log1p": ufunc(np.log1p),
    "sqrt": ufunc(np.sqrt),
    "rsqrt": plain(lambda a: _same(a, np.asarray(1, a.dtype) / np.sqrt(a))),
    "sin": ufunc(np.sin),
    "cos": ufunc(np.cos),
    "tanh": ufunc(np.tanh),
    "erf": plain(_erf),
    "not": ufunc(np.invert),
    "and": ufunc(np.bitwise_and),
    "or": ufunc(np.bitwise_or),
    "xor": ufunc(np.bitwise_xor),
    "shl": plain(_shift(np.left_shift)),
    "shr": plain(_shift(np.right_shift)),
    "eq": ufunc(np.equal),
    "lt": ufunc(np.less),
    "le": ufunc(np.less_equal),
    "complex": plain(_complex),
    "real": plain(lambda a: np.ascontiguousarray(a.real).reshape(a.shape)),
    "imag": plain(lambda a: np.ascontiguousarray(a.imag).reshape(a.shape)),
    "conj": ufunc(np.conj),
    "where": plain(np.where),
    "cast": plain(_cast),
    "bitcast": plain(
        lambda a, dtype: np.ascontiguousarray(a).view(dtype.dtype).reshape(a.shape)
    ),
}
