"""``hx.fft``: discrete Fourier transforms, with NumPy's names and meanings.

float32 and complex64 stay single precision; integers and 16-bit floats become float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod, sqrt
from typing import Any

import numpy as np

from . import _dtypes as dt
from ._create import as_tensor, tensor
from ._errors import DTypeError, ShapeError
from ._ops import cast, complex_, conj, mul, narrow, operand, pad_p, zeros, zeros_like
from ._primitive import bind
from ._primitives._rules import normal_axes
from ._primitives.fft import fft_p
from ._shape import roll
from ._tensor import Tensor

_NORMS = ("backward", "ortho", "forward")


def _prepare(x: Any, kind: str) -> Tensor:
    x = as_tensor(operand(x))
    if kind == "rfft":
        if x.dtype.category == "complex":
            raise DTypeError(
                f"[rfft] expected a real tensor; got {x.aval!r}. Hint: hx.fft.fft"
            )
        return cast(x, x.dtype if x.dtype is dt.float64 else dt.float32)
    if x.dtype.category == "complex":
        return cast(x, x.dtype)
    x = cast(x, x.dtype if x.dtype is dt.float64 else dt.float32)
    return complex_(x, zeros_like(x))


def _resize(x: Tensor, axes: tuple[int, ...], sizes: Sequence[int]) -> Tensor:
    """Cut, or append zeros, so that the axes have these sizes."""
    pads = [(0, 0, 0)] * x.ndim
    for a, n in zip(axes, sizes, strict=True):
        if n < x.shape[a]:
            x = narrow(x, a, 0, n)
        pads[a] = (0, n - x.shape[a], 0)
    if any(hi for _, hi, _ in pads):
        x = pad_p(x, zeros((), x.dtype, x.device), tuple(pads))
    return x


def _transform(x: Any, kind: str, s: Any, axes: Any, norm: str | None) -> Tensor:
    name = norm or "backward"
    if name not in _NORMS:
        raise ShapeError(f"[{kind}] expected norm of {', '.join(_NORMS)}; got {norm!r}")
    x = _prepare(x, kind)
    if axes is None:
        axes = range(x.ndim) if s is None else range(x.ndim - len(s), x.ndim)
    axes = normal_axes(kind, tuple(axes), x.ndim)
    if not axes:
        raise ShapeError(f"[{kind}] expected at least one axis; got {x.aval!r}")
    if s is None:
        sizes = [x.shape[a] for a in axes]
        if kind == "irfft":
            sizes[-1] = 2 * (sizes[-1] - 1)
    else:
        sizes = [int(n) for n in s]
    if len(sizes) != len(axes) or min(sizes) < 1:
        raise ShapeError(
            f"[{kind}] expected one size >= 1 for each of the axes {axes}; got {sizes} "
            f"for {x.aval!r}"
        )
    have = list(sizes)
    if kind == "irfft":
        have[-1] = sizes[-1] // 2 + 1
    x = _resize(x, axes, have)
    y: Tensor = bind(fft_p, x, kind=kind, axes=axes, sizes=tuple(sizes))
    n = prod(sizes)
    inverse = kind in ("ifft", "irfft")
    scale = {"backward": 1.0, "ortho": sqrt(n), "forward": float(n)}[name]
    if scale != 1.0:
        y = mul(y, scale if inverse else 1.0 / scale)
    return y


def _one(n: int | None) -> Any:
    return None if n is None else (n,)


def fft(
    x: Any, n: int | None = None, axis: int = -1, norm: str | None = None
) -> Tensor:
    """Transform of one axis: X_k = sum_j x_j exp(-2 pi i j k / n).

    Parameters
    ----------
    x : Tensor
        Real or complex.
    n : int, optional
        Number of points: the axis is cut, or zeros are appended.
    axis : int
    norm : {"backward", "ortho", "forward"}, optional
        Which direction divides by n: the inverse (default), both by its root, or this.

    Returns
    -------
    Tensor
        complex64, or complex128 for 64-bit input.

    Examples
    --------
    >>> import helix_core as hx
    >>> fft(hx.tensor([1.0, 0.0, 0.0])).real.tolist()
    [1.0, 1.0, 1.0]
    """
    return _transform(x, "fft", _one(n), (axis,), norm)


def ifft(
    x: Any, n: int | None = None, axis: int = -1, norm: str | None = None
) -> Tensor:
    """The inverse of `fft`."""
    return _transform(x, "ifft", _one(n), (axis,), norm)


def rfft(
    x: Any, n: int | None = None, axis: int = -1, norm: str | None = None
) -> Tensor:
    """The first n // 2 + 1 bins of the transform of a real axis."""
    return _transform(x, "rfft", _one(n), (axis,), norm)


def irfft(
    x: Any, n: int | None = None, axis: int = -1, norm: str | None = None
) -> Tensor:
    """The inverse of `rfft`; ``n`` is the length of the result, even by default."""
    return _transform(x, "irfft", _one(n), (axis,), norm)


_OPPOSITE = {None: "forward", "backward": "forward", "forward": "backward"}


def hfft(
    x: Any, n: int | None = None, axis: int = -1, norm: str | None = None
) -> Tensor:
    """`fft` of n points with Hermitian symmetry, of which x holds n // 2 + 1; real."""
    return irfft(conj(x), n, axis, _OPPOSITE.get(norm, norm))


def ihfft(
    x: Any, n: int | None = None, axis: int = -1, norm: str | None = None
) -> Tensor:
    """The inverse of `hfft`: the first n // 2 + 1 points."""
    return conj(rfft(x, n, axis, _OPPOSITE.get(norm, norm)))


def fftn(x: Any, s: Any = None, axes: Any = None, norm: str | None = None) -> Tensor:
    """`fft` over several axes (all of them by default); ``s`` gives their sizes."""
    return _transform(x, "fft", s, axes, norm)


def ifftn(x: Any, s: Any = None, axes: Any = None, norm: str | None = None) -> Tensor:
    """The inverse of `fftn`."""
    return _transform(x, "ifft", s, axes, norm)


def rfftn(x: Any, s: Any = None, axes: Any = None, norm: str | None = None) -> Tensor:
    """`rfft` over the last of the axes, then `fft` over the others."""
    return _transform(x, "rfft", s, axes, norm)


def irfftn(x: Any, s: Any = None, axes: Any = None, norm: str | None = None) -> Tensor:
    """The inverse of `rfftn`."""
    return _transform(x, "irfft", s, axes, norm)


def fft2(
    x: Any, s: Any = None, axes: Any = (-2, -1), norm: str | None = None
) -> Tensor:
    """`fftn` over the last two axes."""
    return _transform(x, "fft", s, axes, norm)


def ifft2(
    x: Any, s: Any = None, axes: Any = (-2, -1), norm: str | None = None
) -> Tensor:
    """The inverse of `fft2`."""
    return _transform(x, "ifft", s, axes, norm)


def rfft2(
    x: Any, s: Any = None, axes: Any = (-2, -1), norm: str | None = None
) -> Tensor:
    """`rfftn` over the last two axes."""
    return _transform(x, "rfft", s, axes, norm)


def irfft2(
    x: Any, s: Any = None, axes: Any = (-2, -1), norm: str | None = None
) -> Tensor:
    """The inverse of `rfft2`."""
    return _transform(x, "irfft", s, axes, norm)


def fftfreq(n: int, d: float = 1.0, dtype: Any = None, device: Any = None) -> Tensor:
    """Frequency of each bin of `fft`, in cycles per unit of the sample spacing d."""
    return _frequencies(np.fft.fftfreq, n, d, dtype, device)


def rfftfreq(n: int, d: float = 1.0, dtype: Any = None, device: Any = None) -> Tensor:
    """Frequency of each bin of `rfft`, in cycles per unit of the sample spacing d."""
    return _frequencies(np.fft.rfftfreq, n, d, dtype, device)


def _frequencies(f: Any, n: int, d: float, dtype: Any, device: Any) -> Tensor:
    if n < 1:
        raise ShapeError(f"[fftfreq] expected n >= 1; got {n}")
    return tensor(f(n, d), dt.float32 if dtype is None else dtype, device)


def fftshift(x: Any, axes: Any = None) -> Tensor:
    """Frequency zero to the middle of the axes (all of them by default)."""
    return _shifted(x, axes, lambda n: n // 2)


def ifftshift(x: Any, axes: Any = None) -> Tensor:
    """The inverse of `fftshift`."""
    return _shifted(x, axes, lambda n: -(n // 2))


def _shifted(x: Any, axes: Any, by: Any) -> Tensor:
    y = as_tensor(operand(x))
    if axes is None:
        axes = range(y.ndim)
    axes = (axes,) if isinstance(axes, int) else tuple(axes)
    for a in normal_axes("fftshift", axes, y.ndim):
        y = roll(y, by(y.shape[a]), a)
    return y
