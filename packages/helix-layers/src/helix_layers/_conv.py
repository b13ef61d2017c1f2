"""Convolutions and transposed convolutions over one to three axes."""

from __future__ import annotations

import math
from typing import Any

import helix_core as hx

from ._check import LayerError, positive

_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


def _tuple(layer: str, name: str, value: Any, n: int, least: int) -> tuple[int, ...]:
    out = (value,) * n if isinstance(value, int) else tuple(value)
    ok = len(out) == n and all(type(v) is int and v >= least for v in out)
    if not ok:
        raise LayerError(
            f"[{layer}] expected {name} to be an int >= {least}, or {n} of them; got "
            f"{value!r}"
        )
    return out


class _Convolution(hx.Module):
    """What all of them share: settings and weights."""

    n = 0  # spatial axes
    transposed = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        device: Any = None,
        dtype: Any = None,
        generator: Any = None,
    ) -> None:
        name, n = type(self).__name__, self.n
        self.in_channels = positive(name, "in_channels", in_channels)
        self.out_channels = positive(name, "out_channels", out_channels)
        self.groups = positive(name, "groups", groups)
        if in_channels % groups or out_channels % groups:
            raise LayerError(
                f"[{name}] expected groups that divide in_channels and out_channels; got "
                f"{groups} groups, {in_channels} and {out_channels} channels"
            )
        self.kernel_size = _tuple(name, "kernel_size", kernel_size, n, 1)
        self.stride = _tuple(name, "stride", stride, n, 1)
        self.dilation = _tuple(name, "dilation", dilation, n, 1)
        self.padding = self._padding(padding)
        a, b = in_channels, out_channels
        a, b = (a, b // groups) if self.transposed else (b, a // groups)
        shape = (a, b, *self.kernel_size)
        bound = 1.0 / math.sqrt(hx.init.fans(shape)[0])
        where = {"device": device, "dtype": dtype, "generator": generator}
        self.weight = hx.Parameter(
            hx.init.uniform(shape, -bound, bound, **where), "weight"
        )
        self.bias: hx.Parameter | None = None
        if bias:
            v = hx.init.uniform((out_channels,), -bound, bound, **where)
            self.bias = hx.Parameter(v, "bias", decay=False)

    def _padding(self, padding: Any) -> Any:
        return _tuple(type(self).__name__, "padding", padding, self.n, 0)


class _Conv(_Convolution):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        device: Any = None,
        dtype: Any = None,
        generator: Any = None,
    ) -> None:
        if padding_mode not in _PADDING_MODES:
            raise LayerError(
                f"[{type(self).__name__}] expected padding_mode of "
                f"{', '.join(_PADDING_MODES)}; got {padding_mode!r}"
            )
        self.padding_mode = padding_mode
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            device=device,
            dtype=dtype,
            generator=generator,
        )

    def _padding(self, padding: Any) -> Any:
        if not isinstance(padding, str):
            return super()._padding(padding)
        name = type(self).__name__
        if padding not in ("valid", "same"):
            raise LayerError(
                f"[{name}] expected padding 'valid', 'same' or widths; got {padding!r}"
            )
        if padding == "same" and max(self.stride) > 1:
            raise LayerError(
                f"[{name}] expected stride 1 with padding='same'; got {self.stride}"
            )
        return padding

    def forward(self, x: Any) -> hx.Tensor:
        """(batch, in_channels, *spatial) to (batch, out_channels, *places), or both
        without the batch."""
        padding = self.padding
        if self.padding_mode != "zeros" and padding != "valid":
            x, padding = self._bordered(x), 0
        conv = (hx.conv1d, hx.conv2d, hx.conv3d)[self.n - 1]
        return conv(
            x,
            self.weight,
            self.bias,
            self.stride,
            padding,
            self.dilation,
            self.groups,
        )

    def _bordered(self, x: Any) -> hx.Tensor:
        widths = [(0, 0)] * (x.ndim - self.n)
        if self.padding == "same":
            reach = [
                d * (k - 1)
                for d, k in zip(self.dilation, self.kernel_size, strict=True)
            ]
            widths += [(r // 2, r - r // 2) for r in reach]
        else:
            widths += [(p, p) for p in self.padding]
        return hx.pad(x, widths, mode=self.padding_mode)


class _Transposed(_Convolution):
    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        *,
        device: Any = None,
        dtype: Any = None,
        generator: Any = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            device=device,
            dtype=dtype,
            generator=generator,
        )
        name = type(self).__name__
        self.output_padding = _tuple(name, "output_padding", output_padding, self.n, 0)
        limits = map(max, self.stride, self.dilation)
        if any(p >= m for p, m in zip(self.output_padding, limits, strict=True)):
            raise LayerError(
                f"[{name}] expected output_padding below stride or dilation; got "
                f"{self.output_padding} with stride {self.stride} and dilation "
                f"{self.dilation}"
            )

    def forward(self, x: Any) -> hx.Tensor:
        """(batch, in_channels, *spatial) to (batch, out_channels, *places), or both
        without the batch."""
        conv = (hx.conv_transpose1d, hx.conv_transpose2d, hx.conv_transpose3d)
        return conv[self.n - 1](
            x,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self.output_padding,
            self.groups,
            self.dilation,
        )


class Conv1d(_Conv):
    """`Conv2d` over time: x (batch, in_channels, time)."""

    n = 1


class Conv2d(_Conv):
    """Convolution of images.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, dilation : int or tuple
    padding : int, tuple, "valid" or "same"
    groups : int
        Group g of the output channels sees group g of the input channels.
    bias : bool
    padding_mode : {"zeros", "reflect", "replicate", "circular"}
        What the border holds.
    device, dtype, generator
        Where the weights live, their dtype (float32), and what draws them.

    Attributes
    ----------
    weight : Parameter (out_channels, in_channels / groups, *kernel_size)
        Uniform in +-1 / sqrt(fan_in), as torch's.
    bias : Parameter (out_channels,) or None

    Examples
    --------
    >>> import helix_core as hx
    >>> Conv2d(3, 8, 3, padding=1)(hx.ones((2, 3, 16, 16))).shape
    (2, 8, 16, 16)
    """

    n = 2


class Conv3d(_Conv):
    """`Conv2d` over volumes: x (batch, in_channels, depth, height, width)."""

    n = 3


class ConvTranspose1d(_Transposed):
    """`ConvTranspose2d` over time: x (batch, in_channels, time)."""

    n = 1


class ConvTranspose2d(_Transposed):
    """Transposed convolution: the gradient of a `Conv2d` as a layer that enlarges.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, padding, dilation : int or tuple
    output_padding : int or tuple
        Added to the far end of the result; below stride or dilation.
    groups : int
    bias : bool

    Attributes
    ----------
    weight : Parameter (in_channels, out_channels / groups, *kernel_size)
    bias : Parameter (out_channels,) or None

    Examples
    --------
    >>> import helix_core as hx
    >>> ConvTranspose2d(8, 3, 2, stride=2)(hx.ones((2, 8, 4, 4))).shape
    (2, 3, 8, 8)
    """

    n = 2


class ConvTranspose3d(_Transposed):
    """`ConvTranspose2d` over volumes: x (batch, in_channels, depth, height, width)."""

    n = 3
