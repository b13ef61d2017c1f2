"""``hx.conv`` and ``hx.reduce_window``: windows that slide over spatial axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import _ops as ops
from ._create import as_tensor
from ._errors import ShapeError
from ._primitive import bind
from ._primitives.conv import conv_p
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
