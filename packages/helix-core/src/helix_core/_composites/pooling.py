"""Pooling: maximum or mean of windows that slide over the spatial axes."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from .. import _ops as ops
from .._composite import composite
from .._conv import _per_axis
from .._errors import ShapeError
from .._indexing import take, take_along_axis
from .._primitive import bind
from .._primitives.index import scatter_p
from .._primitives.window import _padded, _places, _windows_last, reduce_window_p
from .._shape import _in
from .._tensor import Tensor

# max_pool: input x (batch, channel, *spatial); residual: where in its image, flattened,
# each maximum lies, int32, -1 for a window of border only.
# avg_pool: input x; the sum of each window times ``share``, by place


def _full(at: Any) -> tuple[Any, ...]:
    """Window, strides, padding and dilation of every axis, from the spatial ones."""
    window, strides, padding, dilation = at
    return (
        (1, 1, *window),
        (1, 1, *strides),
        ((0, 0), (0, 0), *padding),
        (1, 1, *dilation),
    )


# --------------------------------------------------------------------------- maximum
def _max_fwd(x: Tensor, at: Any) -> tuple[Tensor, Tensor]:
    window, strides, padding, dilation = _full(at)
    y = bind(
        reduce_window_p,
        x,
        kind="max",
        window=window,
        strides=strides,
        padding=padding,
        dilation=dilation,
    )
    if not y.size:
        return y, ops.zeros(y.shape, "int32", x.device)
    # (*places, elements of the window) -> position in the image, -1 in the border
    place = _places(x.shape[2:], *at)
    real = ops.tensor((place >= 0).reshape((1, 1, *place.shape)), device=x.device)
    values = _windows_last(_padded(x, "max", padding), window, strides, dilation)
    hit = ops.eq(values, ops.expand_dims(y, -1))
    hit = ops.logical_and(ops.logical_or(hit, ops.isnan(values)), real)
    order = ops.arange(place.shape[-1], device=x.device)
    first = ops.min(ops.where(hit, order, place.shape[-1]), -1, True)
    chosen = ops.where(ops.eq(order, first), ops.tensor(place, device=x.device), -1)
    return y, ops.cast(ops.max(chosen, -1), "int32")


def _max_bwd(
    inputs: Any, outputs: Any, residuals: Any, cts: Any, shape: Any, at: Any
) -> tuple[Tensor]:
    (where,), ct = residuals, cts[0]
    rows, size = prod(shape[:2]), prod(shape[2:])
    zero = ops.zeros((rows * size,), ct.dtype, ct.device)
    if not ct.size:
        return (ops.reshape_p(zero, shape),)
    width = "int32" if rows * size < 2**31 else "int64"
    first = ops.arange(rows, dtype=width, device=ct.device) * size
    flat = ops.reshape_p(ops.cast(where, width), (rows, ct.size // rows))
    flat = ops.where(ops.lt(flat, 0), -1, flat + ops.expand_dims(first, -1))
    g = bind(
        scatter_p,
        zero,
        ops.reshape_p(flat, (ct.size,)),
        ops.reshape_p(ct, (ct.size,)),
        axis=0,
        mode="add",
    )
    return (ops.reshape_p(g, shape),)


max_pool_c = composite(
    "max_pool",
    fwd=lambda x, shape, at: _max_fwd(x, at),
    bwd=_max_bwd,
    reads_inputs=(),
    reads_outputs=False,
)(lambda x, shape, at: _max_fwd(x, at)[0])


# ------------------------------------------------------------------------------ mean
def _window_sum(x: Tensor, at: Any) -> Tensor:
    window, strides, padding, dilation = _full(at)
    return bind(
        reduce_window_p,
        x,
        kind="sum",
        window=window,
        strides=strides,
        padding=padding,
        dilation=dilation,
    )


def _shares(sizes: Sequence[int], at: Any, real: Any, divisor: int | None) -> Any:
    """One over the number of elements of each window: of the axes, in order.

    ``real``: how far beyond each end of an axis elements count.
    """
    if divisor is not None:
        return [np.full(1, 1.0 / divisor)]
    out = []
    for n, k, s, (lo, hi), (before, after) in zip(sizes, *at[:3], real, strict=True):
        first = np.arange(max(0, (n + lo + hi - k) // s + 1)) * s - lo
        count = np.minimum(first + k, n + after) - np.maximum(first, -before)
        out.append(1.0 / np.maximum(count, 1))
    return out


def _scaled(y: Tensor, sizes: Any, at: Any, real: Any, divisor: int | None) -> Tensor:
    shares = _shares(sizes, at, real, divisor)
    if all(a.size and (a == a[0]).all() for a in shares):
        return y * float(prod(a[0] for a in shares))
    for i, a in enumerate(shares):
        shape = [1] * y.ndim
        shape[2 + i] = a.size
        y = y * ops.tensor(a.reshape(shape), dtype=y.dtype, device=y.device)
    return y


def _mean(x: Tensor, shape: Any, at: Any, real: Any, divisor: int | None) -> Tensor:
    return _scaled(_window_sum(x, at), shape[2:], at, real, divisor)


def _mean_bwd(
    inputs: Any,
    outputs: Any,
    residuals: Any,
    cts: Any,
    shape: Any,
    at: Any,
    real: Any,
    divisor: int | None,
) -> tuple[Tensor]:
    """Every element gets the cotangents of the windows that hold it."""
    ct = _scaled(cts[0], shape[2:], at, real, divisor)
    if not ct.size:
        return (ops.zeros(shape, ct.dtype, ct.device),)
    window, strides, padding, _ = at
    pads = [(0, 0, 0)] * 2
    for n, m, k, s, (lo, _) in zip(
        shape[2:], ct.shape[2:], window, strides, padding, strict=True
    ):
        pads.append((k - 1 - lo, n + lo - (m - 1) * s - 1, s - 1))
    wide = ops.pad_p(ct, ops.zeros((), ct.dtype, ct.device), tuple(pads))
    one = (1,) * len(window)
    return (_window_sum(wide, (window, one, ((0, 0),) * len(window), one)),)


avg_pool_c = composite(
    "avg_pool",
    fwd=lambda x, **attrs: (_mean(x, **attrs),),
    bwd=_mean_bwd,
    reads_inputs=(),
    reads_outputs=False,
)(_mean)


# -------------------------------------------------------------------------- arguments
def _image(name: str, n: int, x: Any) -> tuple[Tensor, bool]:
    """x with its batch axis, and whether it came without one."""
    x = _in(x)
    if x.ndim not in (n + 1, n + 2) or 0 in x.shape[x.ndim - n - 1 :]:
        raise ShapeError(
            f"[{name}] expected x (batch, channel, *spatial) with {n} spatial axes, "
            f"none of them empty; got x.shape={x.shape} on {x.device.name!r}"
        )
    return (ops.expand_dims(x, 0), True) if x.ndim == n + 1 else (x, False)


def _out(y: Tensor, single: bool) -> Tensor:
    return ops.reshape_p(y, y.shape[1:]) if single else y


def _geometry(
    name: str,
    sizes: Sequence[int],
    window: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
) -> tuple[Any, ...]:
    """Window, strides, padding (low, high) and dilation, as `reduce_window` has them."""
    n = len(sizes)
    window = _per_axis(name, window, n)
    strides = window if stride is None else _per_axis(name, stride, n)
    padding, step = _per_axis(name, padding, n), _per_axis(name, dilation, n)
    if min(*window, *strides, *step) < 1:
        raise ShapeError(
            f"[{name}] expected window, stride and dilation of at least 1; got "
            f"{window}, {strides}, {step}"
        )
    if any(not 0 <= p <= k // 2 for p, k in zip(padding, window, strict=True)):
        raise ShapeError(
            f"[{name}] expected padding of at most half the window; got {padding} for "
            f"the window {window}"
        )
    pads = []
    for size, k, s, p, d in zip(sizes, window, strides, padding, step, strict=True):
        free = size + 2 * p - (k - 1) * d - 1
        places = (-(-free // s) if ceil_mode else free // s) + 1
        if ceil_mode and (places - 1) * s >= size + p:
            places -= 1  # a window may not begin in the far border
        if places < 1:
            raise ShapeError(
                f"[{name}] expected a window no larger than the padded input; got sizes "
                f"{tuple(sizes)}, window {window}, padding {padding}, dilation {step}"
            )
        pads.append((p, max(p, (places - 1) * s + (k - 1) * d + 1 - size - p)))
    return window, strides, tuple(pads), step


def _max_pool(
    n: int,
    x: Any,
    window: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
) -> Tensor:
    name = f"max_pool{n}d"
    x, single = _image(name, n, x)
    at = _geometry(name, x.shape[2:], window, stride, padding, dilation, ceil_mode)
    y = max_pool_c(x, shape=x.shape, at=at)
    return _out(y, single)


def _avg_pool(
    n: int,
    x: Any,
    window: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor: int | None,
) -> Tensor:
    name = f"avg_pool{n}d"
    x, single = _image(name, n, *ops.lift(x, inexact=True))
    at = _geometry(name, x.shape[2:], window, stride, padding, 1, ceil_mode)
    if divisor == 0:
        raise ShapeError(f"[{name}] expected a divisor that is not 0; got 0")
    border = _per_axis(name, padding, n) if count_include_pad else (0,) * n
    real = tuple([(p, p) for p in border])
    y = avg_pool_c(x, shape=x.shape, at=at, real=real, divisor=divisor)
    return _out(y, single)


# --------------------------------------------------------------------------- adaptive
def _targets(name: str, n: int, sizes: Sequence[int], size: Any) -> tuple[int, ...]:
    given = (size,) * n if size is None or isinstance(size, int) else tuple(size)
    out = tuple(
        [s if t is None else int(t) for s, t in zip(sizes, given, strict=False)]
    )
    if len(given) != n or min(out) < 1:
        raise ShapeError(
            f"[{name}] expected {n} output sizes of at least 1; got {size!r}"
        )
    return out


def _regions(n: int, m: int) -> tuple[Any, Any]:
    """Where each of m regions of n elements begins and ends."""
    i = np.arange(m)
    return i * n // m, -(-(i + 1) * n // m)


def _even(sizes: Sequence[int], targets: Sequence[int]) -> Any:
    """The pooling that does the same, where regions are equal and do not overlap."""
    if any(n % m for n, m in zip(sizes, targets, strict=True)):
        return None
    k = tuple([n // m for n, m in zip(sizes, targets, strict=True)])
    return k, k, ((0, 0),) * len(k), (1,) * len(k)


def _adaptive_avg(n: int, x: Any, size: Any) -> Tensor:
    name = f"adaptive_avg_pool{n}d"
    x, single = _image(name, n, *ops.lift(x, inexact=True))
    targets = _targets(name, n, x.shape[2:], size)
    at = _even(x.shape[2:], targets)
    if at is not None:
        real = ((0, 0),) * n
        y = avg_pool_c(x, shape=x.shape, at=at, real=real, divisor=None)
        return _out(y, single)
    y = x
    for i, m in enumerate(targets):
        size = y.shape[2 + i]
        first, last = _regions(size, m)
        at_ = np.arange(size)
        inside = (first[:, None] <= at_) & (at_ < last[:, None])
        share = inside / (last - first)[:, None]
        matrix = ops.tensor(share, dtype=x.dtype, device=x.device)
        y = ops.dot_general(y, matrix, (((2 + i,), (1,)), ((), ())), "float32")
        y = ops.moveaxis(y, -1, 2 + i)
    return _out(y, single)


def _adaptive_max(n: int, x: Any, size: Any) -> Tensor:
    name = f"adaptive_max_pool{n}d"
    x, single = _image(name, n, x)
    targets = _targets(name, n, x.shape[2:], size)
    at = _even(x.shape[2:], targets)
    if at is not None:
        y = max_pool_c(x, shape=x.shape, at=at)
        return _out(y, single)
    y = x
    for i, m in reversed(list(enumerate(targets))):
        first, last = _regions(y.shape[2 + i], m)
        k = int((last - first).max())  # shorter regions repeat their last element
        idx = np.minimum(first[:, None] + np.arange(k), last[:, None] - 1)
        y = take(y, idx.astype(np.int32), 2 + i)
    # (batch, channel, out, window, out, window, ...)
    outs = [2 + 2 * i for i in range(n)]
    y = ops.permute_p(y, (0, 1, *outs, *[o + 1 for o in outs]))
    y = ops.reshape_p(y, (*y.shape[: 2 + n], prod(y.shape[2 + n :])))
    where = ops.expand_dims(ops.argmax(y, -1), -1)
    y = ops.squeeze(take_along_axis(y, where, -1), -1)
    return _out(y, single)


# ------------------------------------------------------------------------------ public
def max_pool1d(
    x: Any,
    window: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """Maximum of windows of time; see `max_pool2d`. x is (batch, channel, time)."""
    return _max_pool(1, x, window, stride, padding, dilation, ceil_mode)


def max_pool2d(
    x: Any,
    window: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """Maximum of every window of an image.

    Parameters
    ----------
    x : Tensor (batch, channel, height, width) or (channel, height, width)
    window : int or tuple
    stride : int or tuple, optional
        Default the window.
    padding : int or tuple
        A border that never wins; at most half the window.
    dilation : int or tuple
        Spacing of a window's elements.
    ceil_mode : bool
        Windows may reach beyond the far border, if they begin before it.

    Returns
    -------
    Tensor (batch, channel, height', width'), or without the batch
        The gradient goes to the first maximum of each window.

    Raises
    ------
    ShapeError

    Examples
    --------
    >>> import helix_core as hx
    >>> max_pool2d(hx.tensor([[[1.0, 2.0], [4.0, 3.0]]]), 2).tolist()
    [[[4.0]]]
    """
    return _max_pool(2, x, window, stride, padding, dilation, ceil_mode)


def max_pool3d(
    x: Any,
    window: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """Maximum of windows of volumes; see `max_pool2d`."""
    return _max_pool(3, x, window, stride, padding, dilation, ceil_mode)


def avg_pool1d(
    x: Any,
    window: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """Mean of windows of time; see `avg_pool2d`. x is (batch, channel, time)."""
    return _avg_pool(1, x, window, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(
    x: Any,
    window: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor: int | None = None,
) -> Tensor:
    """Mean of every window of an image.

    Parameters
    ----------
    x : Tensor (batch, channel, height, width) or (channel, height, width)
    window, stride, padding, ceil_mode : see `max_pool2d`
    count_include_pad : bool
        The zeros of the border count.
    divisor : int, optional
        Divides the sums, instead of the number of elements.

    Returns
    -------
    Tensor (batch, channel, height', width'), or without the batch

    Examples
    --------
    >>> import helix_core as hx
    >>> avg_pool2d(hx.tensor([[[1.0, 2.0], [4.0, 3.0]]]), 2).tolist()
    [[[2.5]]]
    """
    return _avg_pool(
        2, x, window, stride, padding, ceil_mode, count_include_pad, divisor
    )


def avg_pool3d(
    x: Any,
    window: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor: int | None = None,
) -> Tensor:
    """Mean of windows of volumes; see `avg_pool2d`."""
    return _avg_pool(
        3, x, window, stride, padding, ceil_mode, count_include_pad, divisor
    )


def adaptive_avg_pool1d(x: Any, size: Any) -> Tensor:
    """Means of ``size`` regions of time; see `adaptive_avg_pool2d`."""
    return _adaptive_avg(1, x, size)


def adaptive_avg_pool2d(x: Any, size: Any) -> Tensor:
    """Means of regions, as many as ``size`` says.

    Parameters
    ----------
    x : Tensor (batch, channel, height, width) or (channel, height, width)
    size : int, or a tuple of int or None
        Of the result; None keeps the size. Region i of m over n elements reaches from
        ``floor(i n / m)`` to ``ceil((i + 1) n / m)``.

    Examples
    --------
    >>> import helix_core as hx
    >>> adaptive_avg_pool2d(hx.ones((1, 8, 7, 5)), 1).shape
    (1, 8, 1, 1)
    """
    return _adaptive_avg(2, x, size)


def adaptive_avg_pool3d(x: Any, size: Any) -> Tensor:
    """Means of regions of volumes; see `adaptive_avg_pool2d`."""
    return _adaptive_avg(3, x, size)


def adaptive_max_pool1d(x: Any, size: Any) -> Tensor:
    """Maxima of ``size`` regions of time; regions as in `adaptive_avg_pool2d`."""
    return _adaptive_max(1, x, size)


def adaptive_max_pool2d(x: Any, size: Any) -> Tensor:
    """Maxima of regions, as many as ``size`` says; regions as in `adaptive_avg_pool2d`."""
    return _adaptive_max(2, x, size)


def adaptive_max_pool3d(x: Any, size: Any) -> Tensor:
    """Maxima of regions of volumes; regions as in `adaptive_avg_pool2d`."""
    return _adaptive_max(3, x, size)
