"""``conv``: cross-correlation over any number of spatial axes.

x is (batch, channel, *spatial), w is (out, channel / feature_groups, *spatial). Group g
of the output channels sees group g of the input channels (``feature_groups``) or of the
batch (``batch_groups``: the output has batch / batch_groups entries). With
``compute="bfloat16"`` operands of float32 are rounded to it first.
"""

from __future__ import annotations

from math import prod
from typing import Any

from .. import _ops as ops
from .._aval import Aval
from .._errors import DTypeError, ShapeError
from .._primitive import bind, primitive
from ._rules import need, same_dtype, shapes
from .contract import dot_general_p
from .window import out_size, windows


def _stretched(n: int, dilation: int) -> int:
    return max(0, (n - 1) * dilation + 1)


def _infer(
    x: Aval,
    w: Aval,
    strides: Any,
    padding: Any,
    lhs_dilation: Any,
    rhs_dilation: Any,
    feature_groups: int = 1,
    batch_groups: int = 1,
    compute: str = "float32",
) -> tuple[Aval, ...]:
    same_dtype("conv", x, w)
    need("conv", x, "int", "uint", "float", "complex")
    if compute not in ("float32", "bfloat16"):
        raise DTypeError(
            f"[conv] expected compute='float32' or 'bfloat16'; got {compute!r}"
        )
    n = x.ndim - 2
    if n < 0 or w.ndim != x.ndim:
        raise ShapeError(
            "[conv] expected x (batch, channel, *spatial) and w (out, channel, "
            f"*spatial); got {shapes(x, w)}"
        )
    per_axis = (strides, padding, lhs_dilation, rhs_dilation)
    if any(len(p) != n for p in per_axis) or (
        min(*strides, *lhs_dilation, *rhs_dilation, 1, 1) < 1
    ):
        raise ShapeError(
            f"[conv] expected strides, padding and dilations for {n} spatial axes, at "
            f"least 1; got strides={strides}, padding={padding}, "
            f"lhs_dilation={lhs_dilation}, rhs_dilation={rhs_dilation}"
        )
    fg, bg = feature_groups, batch_groups
    if fg < 1 or bg < 1 or (fg > 1 and bg > 1):
        raise ShapeError(f"[conv] expected groups of one kind; got {fg} and {bg}")
    batch, channel, out = x.shape[0], x.shape[1], w.shape[0]
    if channel % fg or channel // fg != w.shape[1] or out % (fg * bg) or batch % bg:
        raise ShapeError(
            f"[conv] expected w (out, channel / groups, ...) with {fg} feature and "
            f"{bg} batch groups; got {shapes(x, w)}"
        )
    if 0 in w.shape[2:]:
        raise ShapeError(f"[conv] expected a kernel of at least 1; got {w!r}")
    wide = [_stretched(m, d) for m, d in zip(x.shape[2:], lhs_dilation, strict=True)]
    spatial = map(out_size, wide, w.shape[2:], strides, padding, rhs_dilation)
    return (Aval((batch // bg, out, *spatial), x.dtype),)


def _conv(x: Any, w: Any, **attrs: Any) -> Any:
    return bind(conv_p, x, w, **attrs)


def _swap(t: Any) -> Any:
    return ops.swapaxes(t, 0, 1)


def regroup(t: Any, groups: int, source: int, target: int) -> Any:
    """Take the groups out of one axis, and put them in front of another."""
    if groups == 1:
        return t
    shape = list(t.shape)
    shape[source : source + 1] = [groups, shape[source] // groups]
    t = ops.moveaxis(ops.reshape_p(t, tuple(shape)), source, target)
    shape = list(t.shape)
    shape[target : target + 2] = [shape[target] * shape[target + 1]]
    return ops.reshape_p(t, tuple(shape))


def _input_gradient(x: Any, w: Any, ct: Any, a: dict[str, Any]) -> Any:
    """The cotangent, stretched by the strides, under the mirrored kernel."""
    fg, bg = a["feature_groups"], a["batch_groups"]
    spatial = tuple(range(2, x.ndim))
    # (out, channel / g) -> (channel, out / g): the groups move to the other side
    back = _swap(regroup(w, fg * bg, 0, 1))
    pads = []
    for n, k, m, s, (lo, _), ld, rd in zip(
        *(x.shape[2:], w.shape[2:], ct.shape[2:], a["strides"], a["padding"]),
        *(a["lhs_dilation"], a["rhs_dilation"]),
        strict=True,
    ):
        before = _stretched(k, rd) - lo - 1
        wide, spread = _stretched(n, ld), _stretched(m, s)
        pads.append((before, wide + _stretched(k, rd) - 1 - spread - before))
    g = _conv(
        ct,
        ops.flip_p(back, spatial),
        strides=a["lhs_dilation"],
        padding=tuple(pads),
        lhs_dilation=a["strides"],
        rhs_dilation=a["rhs_dilation"],
        feature_groups=fg * bg,
        batch_groups=1,
        compute=a["compute"],
    )
    return regroup(g, bg, 1, 0)


def _kernel_gradient(x: Any, w: Any, ct: Any, a: dict[str, Any]) -> Any:
    """The input under the cotangent as a kernel; batch and channel change places."""
    pads = []
    for n, k, m, s, (lo, _), ld, rd in zip(
        *(x.shape[2:], w.shape[2:], ct.shape[2:], a["strides"], a["padding"]),
        *(a["lhs_dilation"], a["rhs_dilation"]),
        strict=True,
    ):
        hi = _stretched(m, s) - _stretched(n, ld) + _stretched(k, rd) - lo - 1
        pads.append((lo, hi))
    g = _conv(
        _swap(x),
        _swap(ct),
        strides=a["rhs_dilation"],
        padding=tuple(pads),
        lhs_dilation=a["lhs_dilation"],
        rhs_dilation=a["strides"],
        feature_groups=a["batch_groups"],
        batch_groups=a["feature_groups"],
        compute=a["compute"],
    )
    return _swap(g)


def _vjp(inputs: Any, outputs: Any, cts: Any, wanted: Any, **attrs: Any) -> Any:
    (x, w), ct = inputs, cts[0]
    a = {"feature_groups": 1, "batch_groups": 1, "compute": "float32", **attrs}
    if 0 in ct.shape or 0 in x.shape or 0 in w.shape:
        zeros = [ops.zeros(t.shape, ct.dtype, ct.device) for t in (x, w)]
        return zeros[0] if wanted[0] else None, zeros[1] if wanted[1] else None
    return (
        _input_gradient(x, w, ct, a) if wanted[0] else None,
        _kernel_gradient(x, w, ct, a) if wanted[1] else None,
    )


def _decompose(
    x: Any,
    w: Any,
    strides: Any,
    padding: Any,
    lhs_dilation: Any,
    rhs_dilation: Any,
    feature_groups: int = 1,
    batch_groups: int = 1,
    compute: str = "float32",
) -> Any:
    """Windows as axes, then one batched product over the groups."""
    n, g = x.ndim - 2, feature_groups * batch_groups
    pads = [(0, 0, 0)] * 2
    pads += [(lo, hi, d - 1) for (lo, hi), d in zip(padding, lhs_dilation, strict=True)]
    x = ops.pad_p(x, ops.zeros((), x.dtype, x.device), tuple(pads))
    x = windows(x, range(2, n + 2), w.shape[2:], strides, rhs_dilation)
    places = tuple(range(2, 2 + 2 * n, 2))
    x = ops.permute_p(x, (0, *places, 1, *range(3, 3 + 2 * n, 2)))
    batch, spatial, channel = x.shape[0], x.shape[1 : n + 1], x.shape[n + 1]
    taps = prod(w.shape[2:])
    x = ops.reshape_p(
        x,
        (
            *(batch_groups, batch // batch_groups * prod(spatial)),
            *(feature_groups, channel // feature_groups * taps),
        ),
    )
    x = ops.moveaxis(x, 2, 1)  # (batch group, feature group, rows, columns)
    x = ops.reshape_p(x, (g, *x.shape[2:]))
    out = w.shape[0]
    w = ops.reshape_p(w, (g, out // g, channel // feature_groups * taps))
    dims = ((2,), (2,)), ((0,), (0,))
    y = bind(dot_general_p, w, x, dims=dims, compute=compute)
    y = ops.reshape_p(y, (out, batch // batch_groups, *spatial))
    return _swap(y)


conv_p = primitive(
    "conv", "CONTRACT", _infer, _vjp, reads=((1,), (0,)), decompose=_decompose
)
