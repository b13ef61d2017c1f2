"""A linear layer: product, bias, activation and residual as one op."""

from __future__ import annotations

from typing import Any

from .. import _ops as ops
from .. import activations as act
from .._composite import composite
from .._errors import HelixError, ShapeError
from .._precision import checked
from .._shape import _in
from .._tensor import Tensor

# inputs: x (..., in), weight (out, in), then bias (out,) and residual (..., out) where
# the flags say so. "linear_act" has one residual, which gives the activation's slope: the
# preactivation, or the activation's result where that is enough (`_FROM_RESULT`)

_ACTIVATIONS: dict[str, Any] = {
    "gelu": act.gelu_c,
    "gelu_tanh": act.gelu_tanh_c,
    "relu": act.relu,
    "sigmoid": act.sigmoid_c,
    "silu": act.silu_c,
    "tanh": ops.tanh,
}
_SLOPES: dict[str, Any] = {
    "gelu": act._gelu_slope,
    "gelu_tanh": act._gelu_tanh_slope,
    "relu": lambda y: ops.cast(ops.gt(y, 0), y.dtype),
    "sigmoid": lambda y: y * (1.0 - y),
    "silu": act._silu_slope,
    "tanh": lambda y: 1.0 - y * y,
}
_FROM_RESULT = ("relu", "sigmoid", "tanh")


def _affine(
    x: Tensor, w: Tensor, *rest: Tensor, bias: bool, residual: bool, compute: str
) -> Tensor:
    z = ops.dot_general(x, w, (((x.ndim - 1,), (1,)), ((), ())), compute)
    z = z + rest[0] if bias else z
    return z + rest[-1] if residual else z


def _pull(
    x: Tensor,
    w: Tensor,
    dz: Tensor,
    ct: Tensor,
    bias: bool,
    residual: bool,
    compute: str,
) -> tuple[Tensor, ...]:
    last = x.ndim - 1
    lead = tuple(range(last))
    dx = ops.dot_general(dz, w, (((last,), (0,)), ((), ())), compute)
    dw = ops.dot_general(dz, x, ((lead, lead), ((), ())), compute)
    db = (ops.sum(dz, lead),) if bias else ()
    return dx, dw, *db, *((ct,) if residual else ())


def _bwd(
    inputs: Any, outputs: Any, residuals: Any, cts: Any, **attrs: Any
) -> tuple[Tensor, ...]:
    x, w = inputs
    return _pull(x, w, cts[0], cts[0], **attrs)


linear_c = composite(
    "linear",
    fwd=lambda *xs, **attrs: (_affine(*xs, **attrs),),
    bwd=_bwd,
    reads_inputs=(0, 1),
    reads_outputs=False,
)(_affine)


def _act_fwd(
    x: Tensor,
    w: Tensor,
    *rest: Tensor,
    activation: str,
    bias: bool,
    residual: bool,
    compute: str,
) -> tuple[Tensor, Tensor]:
    first = rest[:1] if bias else ()
    z = _affine(x, w, *first, bias=bias, residual=False, compute=compute)
    y = _ACTIVATIONS[activation](z)
    out = y + rest[-1] if residual else y
    return out, y if activation in _FROM_RESULT else z


def _act_bwd(
    inputs: Any,
    outputs: Any,
    residuals: Any,
    cts: Any,
    activation: str,
    **attrs: Any,
) -> tuple[Tensor, ...]:
    dz = cts[0] * _SLOPES[activation](residuals[0])
    return _pull(inputs[0], inputs[1], dz, cts[0], **attrs)


linear_act_c = composite("linear_act", fwd=_act_fwd, bwd=_act_bwd, reads_outputs=False)(
    lambda *xs, **attrs: _act_fwd(*xs, **attrs)[0]
)


def linear(
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    activation: str | None = None,
    residual: Any = None,
) -> Tensor:
    """act(x @ weight.T + bias) + residual.

    The product obeys `precision`; integers become float32. With bias, activation or
    residual this is one op, which kernels finish while parts of the product are still in
    the caches.

    Parameters
    ----------
    x : Tensor (..., in)
    weight : Tensor (out, in)
    bias : Tensor (out,), optional
    activation : {"relu", "gelu", "gelu_tanh", "silu", "sigmoid", "tanh"}, optional
    residual : Tensor (..., out), optional
        Added last.

    Returns
    -------
    Tensor (..., out)

    Raises
    ------
    ShapeError, HelixError
        Where shapes do not fit, or the activation is not one of these.

    Examples
    --------
    >>> import helix_core as hx
    >>> w = hx.tensor([[1.0, 1.0], [-1.0, -1.0]])
    >>> linear(hx.ones((1, 2)), w, hx.ones((2,)), activation="relu").tolist()
    [[3.0, 0.0]]
    """
    compute = checked("linear", None)
    given = [None if a is None else _in(a) for a in (bias, residual)]
    x, weight = _in(x), _in(weight)
    _check(x, weight, given[0], given[1], activation)
    some = [a for a in given if a is not None]
    x, weight, *some = ops.lift(x, weight, *some, inexact=True)
    dims = (((x.ndim - 1,), (1,)), ((), ()))
    if not some and activation is None:
        # two products of their own in the backward pass: only the wanted ones run
        return ops.dot_general(x, weight, dims, compute)
    flags = {"bias": given[0] is not None, "residual": given[1] is not None}
    out: Tensor
    if activation is None:
        out = linear_c(x, weight, *some, **flags, compute=compute)
    else:
        out = linear_act_c(
            *(x, weight, *some), activation=activation, **flags, compute=compute
        )
    return out


def _check(
    x: Tensor, weight: Tensor, bias: Any, residual: Any, activation: Any
) -> None:
    if activation is not None and activation not in _ACTIVATIONS:
        raise HelixError(
            f"[linear] expected an activation of {', '.join(_ACTIVATIONS)}, or None; "
            f"got {activation!r}"
        )
    if x.ndim == 0 or weight.ndim != 2 or x.shape[-1] != weight.shape[1]:
        raise ShapeError(
            "[linear] expected x (..., in) and weight (out, in); got "
            f"x.shape={x.shape}, weight.shape={weight.shape} on {x.device.name!r}"
        )
    out = (*x.shape[:-1], weight.shape[0])
    if bias is not None and bias.shape != out[-1:]:
        raise ShapeError(
            f"[linear] expected a bias of shape {out[-1:]}; got {bias.shape}"
        )
    if residual is not None and residual.shape != out:
        raise ShapeError(
            f"[linear] expected a residual of shape {out}; got {residual.shape}"
        )
