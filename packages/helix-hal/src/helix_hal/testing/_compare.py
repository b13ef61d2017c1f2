"""How far a result may be from NumPy's: the kit's tolerances, and comparing by them.

An allowed error is absolute, per element, in float64. One unit in the last place (ulp)
is ``eps * |want|``. Every float comparison grants the smallest normal number besides: a
device may flush subnormal numbers to zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ml_dtypes
import numpy as np

Allowed = Callable[..., Any]  # (want, *operands) -> absolute error

# ulp by class of op and dtype: GPUs' languages guarantee about this much
ULPS = {
    # division, square root: OpenCL and WGSL let a GPU miss by 2.5 to 3
    "rounded": {"float64": 2, "float32": 3, "bfloat16": 1, "float16": 1},
    # exp, log, tanh, erf, ...
    "function": {"float64": 12, "float32": 12, "bfloat16": 1, "float16": 2},
    # pow: exp2(y log2 x)
    "power": {"float64": 24, "float32": 24, "bfloat16": 2, "float16": 3},
}
_REAL = {"complex64": "float32", "complex128": "float64"}


def is_float(dtype: np.dtype[Any]) -> bool:
    """Floats of NumPy and of ml_dtypes."""
    return dtype.kind == "f" or dtype.isbuiltin == 2


def info(dtype: np.dtype[Any]) -> Any:
    """``finfo`` of a float, of ml_dtypes too; of a complex, that of its parts."""
    name = _REAL.get(dtype.name, dtype.name)
    find: Callable[..., Any] = ml_dtypes.finfo if dtype.isbuiltin == 2 else np.finfo
    return find(name)


def wide(x: np.ndarray) -> np.ndarray:
    """As float64 or complex128."""
    return x.astype(np.complex128 if x.dtype.kind == "c" else np.float64)


def ulps(kind: str) -> Allowed:
    """So many ulp of the result, by the table."""

    def allowed(want: np.ndarray, *xs: np.ndarray) -> Any:
        name = _REAL.get(want.dtype.name, want.dtype.name)
        n = ULPS[kind][name] * (4 if want.dtype.kind == "c" else 1)
        return n * float(info(want.dtype).eps) * np.abs(wide(want))

    return allowed


def summed(scale: Callable[..., np.ndarray]) -> Allowed:
    """For sums of products: ``c eps scale``, with ``scale`` the same of magnitudes.

    Any order of adding n terms is within n eps; pairs, lanes and blocks are within a
    few. 16-bit results accumulate in float32, and are rounded once.
    """

    def allowed(want: np.ndarray, *xs: np.ndarray) -> Any:
        own = float(info(want.dtype).eps)
        eps = min(own, float(np.finfo(np.float32).eps))
        return 16 * eps * wide(scale(want, *xs)).real + own * np.abs(wide(want))

    return allowed


def of_largest(fraction: float) -> Allowed:
    """A fraction of the largest result: for whole layers."""

    def allowed(want: np.ndarray, *xs: np.ndarray) -> Any:
        if not is_float(want.dtype) and want.dtype.kind != "c":
            return None
        eps = float(info(want.dtype).eps)
        w = np.abs(wide(want))
        top = float(np.max(w, initial=0.0, where=np.isfinite(w)))
        if eps > 1e-4:  # 16 bits
            return max(fraction, 4 * eps) * top
        return (fraction if eps > 1e-10 else fraction * 1e-7) * top

    return allowed


def drawn(x: np.ndarray) -> str:
    return f"{x.dtype.name}[{','.join(map(str, x.shape))}]"


def compare(
    what: str,
    got: np.ndarray,
    want: np.ndarray,
    limit: Any = None,
    zeros: bool = True,
    operands: Sequence[np.ndarray] = (),
) -> None:
    """Raise AssertionError with the first and the largest difference.

    Parameters
    ----------
    limit : array or float, optional
        Absolute error; None for equality.
    zeros : bool
        Whether the signs of zeros must agree.
    operands : sequence of array
        Named in the message where the difference is, if they have its shape.
    """
    if got.dtype != want.dtype or got.shape != want.shape:
        raise AssertionError(f"{what}: expected {drawn(want)}; got {drawn(got)}")
    if not got.size:
        return
    a, b = _parts(got), _parts(want)
    if limit is not None and a.ndim > want.ndim:
        limit = np.asarray(limit)[..., None] * np.ones(2)
    bad = _wrong(a, b, limit, zeros, want.dtype)
    if not bad.any():
        return
    at = tuple(int(i) for i in np.argwhere(bad)[0])[: want.ndim]
    here = ", ".join(
        f"{_shown(np.broadcast_to(x, want.shape)[at])}"
        for x in operands
        if _broadcasts(x, want)
    )
    text = f"{what}: expected {_shown(want[at])}; got {_shown(got[at])}"
    text += f" at {list(at)}" if at else ""
    text += f" for ({here})" if here else ""
    text += f"; {int(bad.sum())} of {bad.size} differ"
    if is_float(want.dtype) or want.dtype.kind == "c":
        with np.errstate(all="ignore"):
            error = np.abs(a.astype(np.float64) - b.astype(np.float64))
        error = np.where(bad & np.isfinite(error), error, 0.0)
        worst = np.unravel_index(int(np.argmax(error)), error.shape)
        most = float(np.broadcast_to(0.0 if limit is None else limit, a.shape)[worst])
        text += f", largest error {error[worst]:.3g} (allowed {most:.3g})"
    raise AssertionError(text)


def _parts(x: np.ndarray) -> np.ndarray:
    """Real and imaginary parts as an axis."""
    return np.stack([x.real, x.imag], -1) if x.dtype.kind == "c" else x


def _wrong(
    a: np.ndarray, b: np.ndarray, limit: Any, zeros: bool, dtype: np.dtype[Any]
) -> np.ndarray:
    if not (is_float(dtype) or dtype.kind == "c"):
        return np.asarray(a != b)
    f = info(dtype)
    a, b = a.astype(np.float64), b.astype(np.float64)
    with np.errstate(all="ignore"):
        allow = np.broadcast_to(0.0 if limit is None else limit, a.shape)
        allow = np.where(np.isfinite(allow), allow, 0.0)
        if limit is not None:
            allow = allow + float(f.tiny)
        near = (np.abs(a - b) <= allow) | (a == b) | (np.isnan(a) & np.isnan(b))
        # where the exact result is within the allowed error of the largest number
        edge = np.isinf(a) & (np.sign(a) == np.sign(b))
        near |= edge & (np.abs(b) + allow >= float(f.max)) & (limit is not None)
        # a subnormal may be flushed
        near |= (np.abs(b) < float(f.tiny)) & (a == 0)
        if zeros:
            near &= (a != 0) | (b != 0) | (np.signbit(a) == np.signbit(b))
    return np.asarray(~near)


def _broadcasts(x: np.ndarray, want: np.ndarray) -> bool:
    try:
        return np.broadcast_shapes(x.shape, want.shape) == want.shape
    except ValueError:
        return False


def _shown(x: Any) -> str:
    return f"{x:.9g}" if isinstance(x, (float, np.floating)) else str(x)
