"""The ``fft`` extension: ``hx.fft`` with the standard's signatures and dtypes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import _fft
from .._device import Device
from .._dtypes import DType
from .._tensor import Tensor
from ._check import FLOAT, REAL_FLOAT, tensor_of

__all__ = (
    "fft ifft fftn ifftn rfft irfft rfftn irfftn hfft ihfft fftfreq rfftfreq fftshift "
    "ifftshift"
).split()


def _one(name: str, kinds: tuple[str, ...]) -> Any:
    fn = getattr(_fft, name)

    def op(
        x: Tensor,
        /,
        *,
        n: int | None = None,
        axis: int = -1,
        norm: str = "backward",
    ) -> Tensor:
        return fn(tensor_of(name, x, kinds), n, axis, norm)

    op.__name__ = op.__qualname__ = name
    op.__doc__ = fn.__doc__
    return op


def _many(name: str, kinds: tuple[str, ...]) -> Any:
    fn = getattr(_fft, name)

    def op(
        x: Tensor,
        /,
        *,
        s: Sequence[int] | None = None,
        axes: Sequence[int] | None = None,
        norm: str = "backward",
    ) -> Tensor:
        return fn(tensor_of(name, x, kinds), s, axes, norm)

    op.__name__ = op.__qualname__ = name
    op.__doc__ = fn.__doc__
    return op


fft = _one("fft", FLOAT)
ifft = _one("ifft", FLOAT)
rfft = _one("rfft", REAL_FLOAT)
irfft = _one("irfft", FLOAT)
hfft = _one("hfft", FLOAT)
ihfft = _one("ihfft", REAL_FLOAT)
fftn = _many("fftn", FLOAT)
ifftn = _many("ifftn", FLOAT)
rfftn = _many("rfftn", REAL_FLOAT)
irfftn = _many("irfftn", FLOAT)


def fftfreq(
    n: int,
    /,
    *,
    d: float = 1.0,
    dtype: DType | None = None,
    device: Device | None = None,
) -> Tensor:
    """Frequency of each bin of `fft`, in cycles per unit of the sample spacing d."""
    return _fft.fftfreq(n, d, dtype, device)


def rfftfreq(
    n: int,
    /,
    *,
    d: float = 1.0,
    dtype: DType | None = None,
    device: Device | None = None,
) -> Tensor:
    """Frequency of each bin of `rfft`, in cycles per unit of the sample spacing d."""
    return _fft.rfftfreq(n, d, dtype, device)


def fftshift(x: Tensor, /, *, axes: int | Sequence[int] | None = None) -> Tensor:
    """Frequency zero to the middle of the axes (all of them by default)."""
    return _fft.fftshift(tensor_of("fftshift", x, FLOAT), axes)


def ifftshift(x: Tensor, /, *, axes: int | Sequence[int] | None = None) -> Tensor:
    """The inverse of `fftshift`."""
    return _fft.ifftshift(tensor_of("ifftshift", x, FLOAT), axes)
