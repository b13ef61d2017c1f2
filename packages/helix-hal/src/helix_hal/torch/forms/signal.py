"""Transforms, convolutions and windows in torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from helix_core._primitives.cumulative import highest, lowest
from helix_core._primitives.window import out_size

from ..dtypes import OURS, SMALL, UNSIGNED, raw
from .common import Tensor, accumulated, narrow, ordered, unordered
from .contract import rounded
from .movement import pad

_TRANSFORMS: dict[str, Any] = {
    "fft": torch.fft.fftn,
    "ifft": torch.fft.ifftn,
    "rfft": torch.fft.rfftn,
    "irfft": torch.fft.irfftn,
}
_CONV = (torch.float32, torch.float64)


def _fft(x: Tensor, kind: str, axes: Any, sizes: Any) -> Tensor:
    shape = list(x.shape)
    if 0 in shape:
        last = sizes[-1] // 2 + 1 if kind == "rfft" else sizes[-1]
        shape[axes[-1]] = last
        dtype = x.dtype.to_real() if kind == "irfft" else x.dtype.to_complex()
        return x.new_zeros(shape, dtype=dtype)
    out: Tensor = _TRANSFORMS[kind](x, s=sizes, dim=axes)
    return out


# ---------------------------------------------------------------------------- convolution
def conv(
    x: Tensor,
    w: Tensor,
    strides: Any,
    padding: Any,
    lhs_dilation: Any,
    rhs_dilation: Any,
    feature_groups: int = 1,
    batch_groups: int = 1,
    compute: str = "float32",
) -> Tensor | None:
    """None where torch has none: of integers, of complex numbers, over many axes."""
    n, dtype = x.ndim - 2, x.dtype
    small = dtype.is_floating_point and dtype.itemsize < 4
    if not 1 <= n <= 3 or not (small or dtype in _CONV) or 0 in (*x.shape, *w.shape):
        return None
    x, w = rounded(x, compute), rounded(w, compute)
    if small and (dtype not in SMALL or x.device.type == "cpu"):
        x, w = x.float(), w.float()
    if batch_groups > 1:  # the groups of the batch beside each other as channels
        b = x.shape[0] // batch_groups
        x = x.unflatten(0, (batch_groups, b)).movedim(0, 1).flatten(1, 2)
    groups = feature_groups * batch_groups
    turned = _transposed(x, w, strides, padding, lhs_dilation, rhs_dilation, groups)
    if turned is not None:
        return narrow(turned, dtype)
    even = all(lo == hi >= 0 for lo, hi in padding)
    if not even or max(lhs_dilation) > 1:
        spread = [
            (lo, hi, d - 1) for (lo, hi), d in zip(padding, lhs_dilation, strict=True)
        ]
        x = pad(x, x.new_zeros(()), ((0, 0, 0), (0, 0, 0), *spread))
        pads = [0] * n
    else:
        pads = [lo for lo, _ in padding]
    places = [
        out_size(m, k, s, (p, p), d)
        for m, k, s, p, d in zip(
            x.shape[2:], w.shape[2:], strides, pads, rhs_dilation, strict=True
        )
    ]
    if 0 in places:
        return x.new_zeros((x.shape[0], w.shape[0], *places), dtype=dtype)
    zero = [0] * n
    y = _run(x, w, list(strides), pads, list(rhs_dilation), False, zero, groups)
    return narrow(y, dtype)


def _run(x: Tensor, w: Tensor, *how: Any) -> Tensor:
    if x.device.type == "cuda":  # float32 is float32
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            return torch.convolution(x, w, None, *how)
    return torch.convolution(x, w, None, *how)


def _transposed(
    x: Tensor, w: Tensor, strides: Any, padding: Any, lhs: Any, rhs: Any, groups: int
) -> Tensor | None:
    """A stretched input, as in gradients of strided convolutions: torch has that too."""
    if max(lhs) == 1 or max(strides) > 1:
        return None
    reach = [(k - 1) * d for k, d in zip(w.shape[2:], rhs, strict=True)]
    pads = [r - lo for r, (lo, _) in zip(reach, padding, strict=True)]
    extra = [hi - lo for lo, hi in padding]
    fits = all(
        p >= 0 and 0 <= e < max(s, d)
        for p, e, s, d in zip(pads, extra, lhs, rhs, strict=True)
    )
    if not fits:
        return None
    out, channel = w.shape[:2]
    # (out, channel / groups) -> (channel, out / groups), mirrored
    v = w.unflatten(0, (groups, out // groups)).transpose(1, 2)
    v = v.reshape(groups * channel, out // groups, *w.shape[2:])
    v = v.flip(tuple(range(2, w.ndim)))
    return _run(x, v, list(lhs), pads, list(rhs), True, extra, groups)


# -------------------------------------------------------------------------------- windows
def _reduce_window(
    x: Tensor, kind: str, window: Any, strides: Any, padding: Any, dilation: Any
) -> Tensor:
    dtype = OURS[x.dtype]
    fill = {"sum": 0, "max": lowest(dtype), "min": highest(dtype)}[kind]
    if kind == "sum":
        a = raw(x) if x.dtype in UNSIGNED else x.to(accumulated(x))
        value = a.new_zeros(())
    else:
        from .movement import full

        a, value = ordered(x), ordered(full((), fill, dtype, x.device))
    a = pad(a, value, tuple((lo, hi, 0) for lo, hi in padding))
    places = [
        out_size(n, k, s, (0, 0), d)
        for n, k, s, d in zip(a.shape, window, strides, dilation, strict=True)
    ]
    if 0 in places or not window:
        return x.new_zeros(places) if window else x.clone()
    v = a.contiguous()
    steps = v.stride()
    view = v.as_strided(
        (*places, *window),
        (
            *[t * s for t, s in zip(steps, strides, strict=True)],
            *[t * d for t, d in zip(steps, dilation, strict=True)],
        ),
    )
    axes = tuple(range(x.ndim, 2 * x.ndim))
    if kind == "sum":
        r = torch.sum(view, axes, dtype=a.dtype)
        return r.view(x.dtype) if x.dtype in UNSIGNED else narrow(r, x.dtype)
    return unordered((torch.amax if kind == "max" else torch.amin)(view, axes), x.dtype)


FORMS: dict[str, Callable[..., Any]] = {"fft": _fft, "reduce_window": _reduce_window}
