"""Convolutions, and reductions over windows that slide over spatial axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import _ops as ops
from ._create import as_tensor
from ._errors import ShapeError
from ._precision import checked
from ._primitive import bind
from ._primitives.conv import conv_p, regroup
from ._primitives.window import reduce_window_p
from ._tensor import Tensor


def _per_axis(name: str, value: Any, n: int) -> tuple[int, ...]:
    out = (value,) * n if isinstance(value, int) else tuple(int(v) for v in value)
    if len(out) != n:
        raise ShapeError(f"[{name}] expected {n} values, one per axis; got {value!r}")
    return out


def _pads(
    name: str, padding: Any, sizes: Sequence[int], window: Any, strides: Any, step: Any
) -> tuple[tuple[int, int], ...]:
    if isinstance(padding, str):
        word = padding.lower()
        if word not in ("valid", "same"):
            raise ShapeError(
                f"[{name}] expected padding='valid', 'same', or widths; got {padding!r}"
            )
        if word == "valid":
            return ((0, 0),) * len(sizes)
        out = []
        for n, k, s, d in zip(sizes, window, strides, step, strict=True):
            total = max(0, (-(-n // s) - 1) * s + (k - 1) * d + 1 - n)
            out.append((total // 2, total - total // 2))
        return tuple(out)
    if isinstance(padding, int):
        return ((padding, padding),) * len(sizes)
    pads = tuple(
        (p, p) if isinstance(p, int) else (int(p[0]), int(p[1])) for p in padding
    )
    if len(pads) != len(sizes):
        raise ShapeError(
            f"[{name}] expected padding for {len(sizes)} axes; got {padding!r}"
        )
    return pads


def conv(
    x: Any,
    w: Any,
    strides: Any = 1,
    padding: Any = "valid",
    lhs_dilation: Any = 1,
    rhs_dilation: Any = 1,
    feature_groups: int = 1,
    batch_groups: int = 1,
    compute: str | None = None,
) -> Tensor:
    """Cross-correlation over any number of spatial axes.

    Parameters
    ----------
    x : Tensor, (batch, channel, *spatial)
    w : Tensor, (out, channel / feature_groups, *spatial)
    strides : int or tuple
    padding : {"valid", "same"}, int, or one int or (low, high) per axis
        Zeros at the ends; negative widths cut. "same" gives ceil(size / stride) places.
    lhs_dilation : int or tuple
        Spacing of x: ``d - 1`` zeros between elements (a transposed convolution).
    rhs_dilation : int or tuple
        Spacing of the elements of w.
    feature_groups, batch_groups : int
        Group g of the output channels sees group g of the channels, or of the batch.
    compute : {"float32", "bfloat16"}, optional
        What operands of float32 are rounded to. Default: what `precision` says.

    Returns
    -------
    Tensor, (batch / batch_groups, out, *places)
        16-bit floats accumulate in float32.

    Raises
    ------
    ShapeError
        If the sizes or groups do not fit.

    Examples
    --------
    >>> import helix_core as hx
    >>> conv(hx.ones((1, 1, 5)), hx.ones((1, 1, 3)), padding=1).tolist()
    [[[2.0, 3.0, 3.0, 3.0, 2.0]]]
    """
    x, w = ops.lift(x, w)
    n = x.ndim - 2
    if n < 0 or w.ndim != x.ndim:
        raise ShapeError(
            "[conv] expected x (batch, channel, *spatial) and w (out, channel, "
            f"*spatial); got {x.aval!r}, {w.aval!r}"
        )
    strides = _per_axis("conv", strides, n)
    lhs_dilation = _per_axis("conv", lhs_dilation, n)
    rhs_dilation = _per_axis("conv", rhs_dilation, n)
    sizes = [
        max(0, (m - 1) * d + 1) for m, d in zip(x.shape[2:], lhs_dilation, strict=True)
    ]
    pads = _pads("conv", padding, sizes, w.shape[2:], strides, rhs_dilation)
    return bind(
        conv_p,
        x,
        w,
        strides=strides,
        padding=pads,
        lhs_dilation=lhs_dilation,
        rhs_dilation=rhs_dilation,
        feature_groups=feature_groups,
        batch_groups=batch_groups,
        compute=checked("conv", compute),
    )


def reduce_window(
    x: Any,
    kind: str,
    window: Any,
    strides: Any = 1,
    padding: Any = "valid",
    dilation: Any = 1,
) -> Tensor:
    """Sum, maximum or minimum of every window.

    Parameters
    ----------
    x : Tensor
    kind : {"sum", "max", "min"}
    window, strides, dilation : int, or one per axis of x
    padding : {"valid", "same"}, int, or one int or (low, high) per axis
        With what changes nothing: 0, or the lowest or highest value.

    Returns
    -------
    Tensor
        The gradient of max and min goes to the first such element of each window.
    """
    x = as_tensor(ops.operand(x))
    n = x.ndim
    window, strides = (
        _per_axis("reduce_window", window, n),
        _per_axis("reduce_window", strides, n),
    )
    dilation = _per_axis("reduce_window", dilation, n)
    pads = _pads("reduce_window", padding, x.shape, window, strides, dilation)
    return bind(
        reduce_window_p,
        x,
        kind=kind,
        window=window,
        strides=strides,
        padding=pads,
        dilation=dilation,
    )


# ------------------------------------------------------------- torch's convolutions
def _operands(name: str, n: int, x: Any, w: Any, bias: Any) -> tuple[Any, bool]:
    """x with its batch axis, and whether it came without one; shapes are checked."""
    spatial = ", ".join(("depth", "height", "width")[3 - n :])
    if w.ndim != n + 2 or x.ndim not in (n + 1, n + 2):
        raise ShapeError(
            f"[{name}] expected x (batch, channel, {spatial}) and a weight of "
            f"{n + 2} axes; got x.shape={x.shape}, weight.shape={w.shape} on "
            f"{x.device.name!r}"
        )
    if 0 in w.shape:
        raise ShapeError(
            f"[{name}] expected a weight without an empty axis; got {w.shape}"
        )
    single = x.ndim == n + 1
    x = ops.expand_dims(x, 0) if single else x
    if 0 in x.shape[1:]:
        raise ShapeError(
            f"[{name}] expected channels and sizes of at least 1; got x.shape={x.shape}"
        )
    return x, single


def _grouped(name: str, groups: Any, parts: Sequence[tuple[str, int]]) -> int:
    if isinstance(groups, bool) or not isinstance(groups, int) or groups < 1:
        raise ShapeError(f"[{name}] expected groups of at least 1; got {groups!r}")
    for what, size in parts:
        if size % groups:
            raise ShapeError(
                f"[{name}] expected groups that divide the {what}; got {groups} groups "
                f"and {size}"
            )
    return groups


def _positive(name: str, what: str, values: Sequence[int], least: int = 1) -> None:
    if min(values, default=least) < least:
        raise ShapeError(
            f"[{name}] expected {what} of at least {least}; got {tuple(values)}"
        )


def _biased(name: str, y: Tensor, bias: Any, single: bool) -> Tensor:
    if bias is not None:
        (bias,) = ops.lift(bias)
        if bias.shape != y.shape[1:2]:
            raise ShapeError(
                f"[{name}] expected a bias ({y.shape[1]},), one per output channel; got "
                f"{bias.shape}"
            )
        y = y + ops.reshape_p(bias, (*bias.shape, *(1,) * (y.ndim - 2)))
    return ops.reshape_p(y, y.shape[1:]) if single else y


def _convolution(
    n: int,
    x: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Tensor:
    name = f"conv{n}d"
    x, w = ops.lift(x, weight)
    x, single = _operands(name, n, x, w, bias)
    stride, step = _per_axis(name, stride, n), _per_axis(name, dilation, n)
    _positive(name, "strides", stride)
    _positive(name, "dilations", step)
    groups = _grouped(name, groups, [("output channels", w.shape[0])])
    if x.shape[1] != w.shape[1] * groups:
        raise ShapeError(
            f"[{name}] expected x with {w.shape[1] * groups} channels (weight "
            f"{w.shape} in {groups} groups); got x.shape={x.shape}"
        )
    if isinstance(padding, str) and padding.lower() == "same":
        if max(stride) > 1:
            raise ShapeError(
                f"[{name}] expected stride 1 with padding='same'; got {stride}"
            )
    elif not isinstance(padding, str):
        padding = _per_axis(name, padding, n)
        _positive(name, "padding", padding, 0)
    pads = _pads(name, padding, x.shape[2:], w.shape[2:], stride, step)
    for size, k, d, p in zip(x.shape[2:], w.shape[2:], step, pads, strict=True):
        if (k - 1) * d + 1 > size + sum(p):
            raise ShapeError(
                f"[{name}] expected a kernel no larger than the padded input; got "
                f"x.shape={x.shape} with padding {pads}, weight.shape={w.shape} with "
                f"dilation {step}. Hint: more padding, or a smaller kernel"
            )
    y = bind(
        conv_p,
        x,
        w,
        strides=stride,
        padding=pads,
        lhs_dilation=(1,) * n,
        rhs_dilation=step,
        feature_groups=groups,
        batch_groups=1,
        compute=checked(name, None),
    )
    return _biased(name, y, bias, single)


def _transposed(
    n: int,
    x: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
) -> Tensor:
    name = f"conv_transpose{n}d"
    x, w = ops.lift(x, weight)
    x, single = _operands(name, n, x, w, bias)
    stride, step = _per_axis(name, stride, n), _per_axis(name, dilation, n)
    padding, more = _per_axis(name, padding, n), _per_axis(name, output_padding, n)
    _positive(name, "strides", stride)
    _positive(name, "dilations", step)
    _positive(name, "padding", padding, 0)
    _positive(name, "output padding", more, 0)
    groups = _grouped(name, groups, [("channels", w.shape[0])])
    if x.shape[1] != w.shape[0]:
        raise ShapeError(
            f"[{name}] expected x with {w.shape[0]} channels (weight {w.shape}); got "
            f"x.shape={x.shape}"
        )
    if any(m >= max(s, d) for m, s, d in zip(more, stride, step, strict=True)):
        raise ShapeError(
            f"[{name}] expected output padding below stride or dilation; got {more} "
            f"with stride {stride} and dilation {step}"
        )
    pads = []
    for size, k, s, p, m, d in zip(
        x.shape[2:], w.shape[2:], stride, padding, more, step, strict=True
    ):
        reach = (k - 1) * d
        if (size - 1) * s - 2 * p + reach + m + 1 < 1:
            raise ShapeError(
                f"[{name}] expected a result of at least 1 element; got "
                f"x.shape={x.shape} with padding {padding} and weight.shape={w.shape}"
            )
        pads.append((reach - p, reach - p + m))
    # (in, out / groups) -> (out, in / groups)
    back = ops.swapaxes(regroup(w, groups, 0, 1), 0, 1)
    y = bind(
        conv_p,
        x,
        ops.flip_p(back, tuple(range(2, n + 2))),
        strides=(1,) * n,
        padding=tuple(pads),
        lhs_dilation=stride,
        rhs_dilation=step,
        feature_groups=groups,
        batch_groups=1,
        compute=checked(name, None),
    )
    return _biased(name, y, bias, single)


def conv1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution over time; see `conv2d`.

    Parameters
    ----------
    x : Tensor (batch, channel, time) or (channel, time)
    weight : Tensor (out, channel / groups, k)
    bias : Tensor (out,), optional

    Returns
    -------
    Tensor (batch, out, places) or (out, places)
    """
    return _convolution(1, x, weight, bias, stride, padding, dilation, groups)


def conv2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution over images, as torch defines it: windows are not mirrored.

    Parameters
    ----------
    x : Tensor (batch, channel, height, width) or (channel, height, width)
    weight : Tensor (out, channel / groups, k_height, k_width)
    bias : Tensor (out,), optional
    stride, dilation : int or tuple
    padding : int, tuple, "valid" or "same"
        Zeros at both ends; "same" keeps the size, at stride 1.
    groups : int
        Group g of the output channels sees group g of the channels.

    Returns
    -------
    Tensor (batch, out, height', width') or (out, height', width')
        The product obeys `precision`.

    Raises
    ------
    ShapeError
        Where channels or groups do not fit, or the kernel is larger than the input.

    Examples
    --------
    >>> import helix_core as hx
    >>> conv2d(hx.ones((1, 3, 8, 8)), hx.ones((4, 3, 3, 3)), stride=2, padding=1).shape
    (1, 4, 4, 4)
    """
    return _convolution(2, x, weight, bias, stride, padding, dilation, groups)


def conv3d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution over volumes; see `conv2d`.

    Parameters
    ----------
    x : Tensor (batch, channel, depth, height, width), or without the batch
    weight : Tensor (out, channel / groups, k_depth, k_height, k_width)
    bias : Tensor (out,), optional
    """
    return _convolution(3, x, weight, bias, stride, padding, dilation, groups)


def conv_transpose1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """Transposed convolution over time; see `conv_transpose2d`.

    Parameters
    ----------
    x : Tensor (batch, channel, time) or (channel, time)
    weight : Tensor (channel, out / groups, k)
    bias : Tensor (out,), optional
    """
    return _transposed(
        1, x, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv_transpose2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """The gradient of `conv2d` by its input, as a layer that enlarges images.

    Parameters
    ----------
    x : Tensor (batch, channel, height, width) or (channel, height, width)
    weight : Tensor (channel, out / groups, k_height, k_width)
    bias : Tensor (out,), optional
    stride, dilation, padding : int or tuple
        Of the convolution whose gradient this is: padding cuts the result.
    output_padding : int or tuple
        Added to the far end of the result; below stride or dilation.
    groups : int

    Returns
    -------
    Tensor (batch, out, height', width')
        ``height' = (height - 1) stride - 2 padding + dilation (k - 1)
        + output_padding + 1``.

    Examples
    --------
    >>> import helix_core as hx
    >>> conv_transpose2d(hx.ones((1, 4, 8, 8)), hx.ones((4, 3, 2, 2)), stride=2).shape
    (1, 3, 16, 16)
    """
    return _transposed(
        2, x, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv_transpose3d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """Transposed convolution over volumes; see `conv_transpose2d`.

    Parameters
    ----------
    x : Tensor (batch, channel, depth, height, width), or without the batch
    weight : Tensor (channel, out / groups, k_depth, k_height, k_width)
    bias : Tensor (out,), optional
    """
    return _transposed(
        3, x, weight, bias, stride, padding, output_padding, groups, dilation
    )
