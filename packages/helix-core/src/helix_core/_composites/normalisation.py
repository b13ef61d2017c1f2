"""RMS norm (Zhang and Sennrich, arXiv:1910.07467) and layer norm (arXiv:1607.06450)."""

from __future__ import annotations

from typing import Any

from .. import _ops as ops
from .._composite import composite
from .._errors import ShapeError
from .._shape import _in
from .._tensor import Tensor

# inputs: x, weight, then the residual where there is one. residual: rstd, x.shape[:-1]


def _rms_fwd(x: Tensor, w: Tensor, *res: Tensor, eps: float) -> tuple[Tensor, ...]:
    s = x + res[0] if res else x
    rstd = ops.rsqrt(ops.mean(s * s, -1) + eps)
    y = s * ops.expand_dims(rstd, -1) * w
    return (y, s, rstd) if res else (y, rstd)


def _rms(x: Tensor, w: Tensor, *res: Tensor, eps: float) -> Any:
    out = _rms_fwd(x, w, *res, eps=eps)[:-1]
    return out if res else out[0]


def _leading(x: Tensor) -> tuple[int, ...]:
    return tuple(range(x.ndim - 1))


def _rms_grads(s: Tensor, w: Tensor, rstd: Tensor, ct: Tensor) -> tuple[Tensor, Tensor]:
    r = ops.expand_dims(rstd, -1)
    xhat, g = s * r, ct * w
    dx = r * (g - xhat * ops.mean(g * xhat, -1, True))
    return dx, ops.sum(ct * xhat, _leading(s))


def _rms_bwd(
    inputs: Any, outputs: Any, residuals: Any, cts: Any, eps: float
) -> tuple[Tensor, ...]:
    x, w = inputs
    return _rms_grads(x, w, residuals[0], cts[0])


def _rms_add_bwd(
    inputs: Any, outputs: Any, residuals: Any, cts: Any, eps: float
) -> tuple[Tensor, ...]:
    (w,), (_, s) = inputs, outputs
    # from s and not from the residual: second derivatives then need no input
    rstd = ops.rsqrt(ops.mean(s * s, -1) + eps)
    dx, dw = _rms_grads(s, w, rstd, cts[0])
    dx = dx + cts[1]
    return dx, dw, dx


rms_norm_c = composite("rms_norm", fwd=_rms_fwd, bwd=_rms_bwd, reads_outputs=False)(
    _rms
)
rms_norm_add_c = composite(
    "rms_norm_add", fwd=_rms_fwd, bwd=_rms_add_bwd, reads_inputs=(1,)
)(_rms)


def rms_norm(x: Any, weight: Any, eps: float = 1e-5, residual: Any = None) -> Any:
    """weight * x / sqrt(mean(x^2) + eps) over the last axis.

    Parameters
    ----------
    x : Tensor (..., d)
    weight : Tensor (d,)
    residual : Tensor (..., d), optional
        Added to ``x`` first.

    Returns
    -------
    Tensor (..., d), or with ``residual`` a pair: it, and the sum ``x + residual``.
    """
    x, weight = _in(x), _in(weight)
    _check("rms_norm", x, weight)
    if residual is None:
        return rms_norm_c(*ops.lift(x, weight), eps=eps)
    residual = _residual("rms_norm", x, residual)
    return rms_norm_add_c(*ops.lift(x, weight, residual), eps=eps)


def _residual(name: str, x: Tensor, residual: Any) -> Tensor:
    residual = _in(residual)
    if residual.shape != x.shape:
        raise ShapeError(
            f"[{name}] expected a residual of x's shape; got x.shape={x.shape}, "
            f"residual.shape={residual.shape}"
        )
    return residual


def _check(name: str, x: Tensor, weight: Tensor) -> None:
    if x.ndim == 0 or weight.shape != x.shape[-1:]:
        raise ShapeError(
            f"[{name}] expected a weight of the last axis' size; got x.shape={x.shape}, "
            f"weight.shape={weight.shape} on {x.device.name!r}"
        )


# ---------------------------------------------------------------------- layer norm
# inputs: x, weight, bias (ones and zeros where the caller gave none), then the residual
# where there is one. residuals: mean and rstd, x.shape[:-1]


def _layer_fwd(
    x: Tensor, w: Tensor, b: Tensor, *res: Tensor, eps: float
) -> tuple[Tensor, ...]:
    s = x + res[0] if res else x
    mean = ops.mean(s, -1)
    d = s - ops.expand_dims(mean, -1)
    rstd = ops.rsqrt(ops.mean(d * d, -1) + eps)
    y = d * ops.expand_dims(rstd, -1) * w + b
    return (y, s, mean, rstd) if res else (y, mean, rstd)


def _layer(x: Tensor, w: Tensor, b: Tensor, *res: Tensor, eps: float) -> Any:
    out = _layer_fwd(x, w, b, *res, eps=eps)[:-2]
    return out if res else out[0]


def _layer_grads(
    s: Tensor, w: Tensor, mean: Tensor, rstd: Tensor, ct: Tensor
) -> tuple[Tensor, ...]:
    r = ops.expand_dims(rstd, -1)
    xhat = (s - ops.expand_dims(mean, -1)) * r
    g = ct * w
    dx = r * (g - ops.mean(g, -1, True) - xhat * ops.mean(g * xhat, -1, True))
    return dx, ops.sum(ct * xhat, _leading(s)), ops.sum(ct, _leading(s))


def _layer_bwd(
    inputs: Any, outputs: Any, residuals: Any, cts: Any, eps: float
) -> tuple[Tensor, ...]:
    mean, rstd = residuals
    return _layer_grads(inputs[0], inputs[1], mean, rstd, cts[0])


def _layer_add_bwd(
    inputs: Any, outputs: Any, residuals: Any, cts: Any, eps: float
) -> tuple[Tensor, ...]:
    (w,), (_, s) = inputs, outputs
    # from s and not from the residuals: second derivatives then need no input
    mean = ops.mean(s, -1)
    d = s - ops.expand_dims(mean, -1)
    rstd = ops.rsqrt(ops.mean(d * d, -1) + eps)
    dx, dw, db = _layer_grads(s, w, mean, rstd, cts[0])
    dx = dx + cts[1]
    return dx, dw, db, dx


layer_norm_c = composite(
    "layer_norm", fwd=_layer_fwd, bwd=_layer_bwd, reads_outputs=False
)(_layer)
layer_norm_add_c = composite(
    "layer_norm_add", fwd=_layer_fwd, bwd=_layer_add_bwd, reads_inputs=(1,)
)(_layer)


def layer_norm(
    x: Any,
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
    residual: Any = None,
) -> Any:
    """(x - mean) / sqrt(var + eps) * weight + bias over the last axis.

    Parameters
    ----------
    x : Tensor (..., d)
    weight, bias : Tensor (d,), optional
        Ones and zeros by default.
    residual : Tensor (..., d), optional
        Added to ``x`` first.

    Returns
    -------
    Tensor (..., d), or with ``residual`` a pair: it, and the sum ``x + residual``.
    """
    x = _in(x)
    d = x.shape[-1:]
    weight = ops.ones(d, x.dtype, x.device) if weight is None else _in(weight)
    bias = ops.zeros(d, x.dtype, x.device) if bias is None else _in(bias)
    _check("layer_norm", x, weight)
    _check("layer_norm", x, bias)
    if residual is None:
        return layer_norm_c(*ops.lift(x, weight, bias), eps=eps)
    residual = _residual("layer_norm", x, residual)
    return layer_norm_add_c(*ops.lift(x, weight, bias, residual), eps=eps)
