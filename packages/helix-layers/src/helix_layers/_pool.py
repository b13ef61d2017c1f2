"""Pooling layers over one to three axes, and flattening."""

from __future__ import annotations

from math import prod
from typing import Any

import helix_core as hx

from ._check import LayerError


class _MaxPool(hx.Module):
    n = 0

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
    ) -> None:
        self.kernel_size, self.stride = kernel_size, stride
        self.padding, self.dilation = padding, dilation
        self.ceil_mode = ceil_mode

    def forward(self, x: Any) -> hx.Tensor:
        """(batch, channel, *spatial) to (batch, channel, *places)."""
        pool = (hx.max_pool1d, hx.max_pool2d, hx.max_pool3d)[self.n - 1]
        return pool(
            x,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
        )


class MaxPool1d(_MaxPool):
    """Maximum of windows of time; see `helix_core.max_pool2d`."""

    n = 1


class MaxPool2d(_MaxPool):
    """Maximum of windows of an image; see `helix_core.max_pool2d`.

    Parameters
    ----------
    kernel_size : int or tuple
    stride : int or tuple, optional
        Default the window.
    padding, dilation : int or tuple
    ceil_mode : bool

    Examples
    --------
    >>> import helix_core as hx
    >>> MaxPool2d(2)(hx.ones((1, 3, 8, 8))).shape
    (1, 3, 4, 4)
    """

    n = 2


class MaxPool3d(_MaxPool):
    """Maximum of windows of volumes; see `helix_core.max_pool2d`."""

    n = 3


class _AvgPool(hx.Module):
    n = 0

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor: int | None = None,
    ) -> None:
        if divisor is not None and self.n == 1:
            raise LayerError(
                f"[AvgPool1d] expected no divisor: the mean of time has none; got "
                f"{divisor}"
            )
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad
        self.divisor = divisor

    def forward(self, x: Any) -> hx.Tensor:
        """(batch, channel, *spatial) to (batch, channel, *places)."""
        settings = (
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
        )
        if self.n == 1:
            return hx.avg_pool1d(x, *settings)
        pool = hx.avg_pool2d if self.n == 2 else hx.avg_pool3d
        return pool(x, *settings, self.divisor)


class AvgPool1d(_AvgPool):
    """Mean of windows of time; see `helix_core.avg_pool2d`."""

    n = 1


class AvgPool2d(_AvgPool):
    """Mean of windows of an image; see `helix_core.avg_pool2d`.

    Parameters
    ----------
    kernel_size : int or tuple
    stride : int or tuple, optional
        Default the window.
    padding : int or tuple
    ceil_mode, count_include_pad : bool
    divisor : int, optional

    Examples
    --------
    >>> import helix_core as hx
    >>> AvgPool2d(2)(hx.ones((1, 3, 8, 8))).shape
    (1, 3, 4, 4)
    """

    n = 2


class AvgPool3d(_AvgPool):
    """Mean of windows of volumes; see `helix_core.avg_pool2d`."""

    n = 3


class _Adaptive(hx.Module):
    pool: Any = None

    def __init__(self, output_size: Any) -> None:
        self.output_size = output_size

    def forward(self, x: Any) -> hx.Tensor:
        """(batch, channel, *spatial) to (batch, channel, *output_size)."""
        return type(self).pool(x, self.output_size)  # type: ignore[no-any-return]


class AdaptiveAvgPool1d(_Adaptive):
    """Means of regions, as many as ``output_size`` says."""

    pool = staticmethod(hx.adaptive_avg_pool1d)


class AdaptiveAvgPool2d(_Adaptive):
    """Means of regions, as many as ``output_size`` says; 1 is the global mean.

    Parameters
    ----------
    output_size : int, or a tuple of int or None

    Examples
    --------
    >>> import helix_core as hx
    >>> AdaptiveAvgPool2d(1)(hx.ones((1, 3, 8, 8))).shape
    (1, 3, 1, 1)
    """

    pool = staticmethod(hx.adaptive_avg_pool2d)


class AdaptiveAvgPool3d(_Adaptive):
    """Means of regions, as many as ``output_size`` says."""

    pool = staticmethod(hx.adaptive_avg_pool3d)


class AdaptiveMaxPool1d(_Adaptive):
    """Maxima of regions, as many as ``output_size`` says."""

    pool = staticmethod(hx.adaptive_max_pool1d)


class AdaptiveMaxPool2d(_Adaptive):
    """Maxima of regions, as many as ``output_size`` says."""

    pool = staticmethod(hx.adaptive_max_pool2d)


class AdaptiveMaxPool3d(_Adaptive):
    """Maxima of regions, as many as ``output_size`` says."""

    pool = staticmethod(hx.adaptive_max_pool3d)


class Flatten(hx.Module):
    """Join axes ``start`` to ``end`` into one.

    Examples
    --------
    >>> import helix_core as hx
    >>> Flatten()(hx.ones((2, 3, 4, 5))).shape
    (2, 60)
    """

    def __init__(self, start: int = 1, end: int = -1) -> None:
        self.start, self.end = start, end

    def forward(self, x: Any) -> hx.Tensor:
        first, last = self.start % x.ndim, self.end % x.ndim
        if first > last:
            raise LayerError(
                f"[Flatten] expected start no later than end; got {self.start} and "
                f"{self.end} for {x.ndim} axes"
            )
        middle = prod(x.shape[first : last + 1])
        return hx.reshape(x, (*x.shape[:first], middle, *x.shape[last + 1 :]))
