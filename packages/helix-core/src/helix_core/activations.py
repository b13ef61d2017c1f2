"""Activation functions.

The costly smooth ones are composites, with kernels on fast backends, whose gradient is
computed again from the input; the piecewise linear ones are primitives.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from . import _ops as ops
from ._composite import composite
from ._dtypes import float32
from ._shape import _in
from ._tensor import Tensor

__all__ = [
    "elu",
    "gelu",
    "glu",
    "hard_sigmoid",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "log_sigmoid",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softplus",
    "tanh",
]

tanh = ops.tanh


def _float(x: Any) -> Tensor:
    x = _in(x)
    return x if x.dtype.inexact else ops.cast(x, float32)


def _smooth(
    name: str, body: Callable[..., Tensor], slope: Callable[..., Tensor]
) -> Any:
    """A composite of one input whose derivative is ``slope(x)``."""
    return composite(
        name,
        fwd=lambda x, **attrs: (body(x, **attrs),),
        bwd=lambda inputs, outputs, residuals, cts, **attrs: (
            cts[0] * slope(inputs[0], **attrs),
        ),
        reads_outputs=False,
    )(body)


def _sigmoid(x: Tensor) -> Tensor:
    # exp of what is negative on both sides never overflows
    e = ops.exp(-ops.abs(x))
    top = ops.where(ops.lt(x, 0), e, 1.0)
    return top / (1.0 + e)


def _sigmoid_slope(x: Tensor) -> Tensor:
    s = _sigmoid(x)
    return s * (1.0 - s)


def _silu_slope(x: Tensor) -> Tensor:
    s = _sigmoid(x)
    return s * (1.0 + x * (1.0 - s))


def _softplus(x: Tensor) -> Tensor:
    return ops.maximum(x, 0.0) + ops.log1p(ops.exp(-ops.abs(x)))


_SQRT_2 = math.sqrt(2.0)
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805
_TANH_A, _TANH_B = math.sqrt(2.0 / math.pi), 0.044715


def _gelu(x: Tensor) -> Tensor:
    return 0.5 * x * (1.0 + ops.erf(x / _SQRT_2))


def _gelu_slope(x: Tensor) -> Tensor:
    density = ops.exp(-0.5 * x * x) * (1.0 / math.sqrt(2.0 * math.pi))
    return 0.5 * (1.0 + ops.erf(x / _SQRT_2)) + x * density


def _gelu_tanh(x: Tensor) -> Tensor:
    return 0.5 * x * (1.0 + ops.tanh(_TANH_A * (x + _TANH_B * x * x * x)))


def _gelu_tanh_slope(x: Tensor) -> Tensor:
    t = ops.tanh(_TANH_A * (x + _TANH_B * x * x * x))
    inner = _TANH_A * (1.0 + 3.0 * _TANH_B * x * x)
    return 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * inner


sigmoid_c = _smooth("sigmoid", _sigmoid, _sigmoid_slope)
silu_c = _smooth("silu", lambda x: x * _sigmoid(x), _silu_slope)
softplus_c = _smooth("softplus", _softplus, _sigmoid)
gelu_c = _smooth("gelu", _gelu, _gelu_slope)
gelu_tanh_c = _smooth("gelu_tanh", _gelu_tanh, _gelu_tanh_slope)


def sigmoid(x: Any) -> Tensor:
    """1 / (1 + exp(-x)), exact on both sides."""
    return sigmoid_c(_float(x))


def silu(x: Any) -> Tensor:
    """x sigmoid(x), also called swish (arXiv:1702.03118)."""
    return silu_c(_float(x))


def log_sigmoid(x: Any) -> Tensor:
    """log(sigmoid(x)), exact where the sigmoid underflows."""
    return -softplus_c(-_float(x))


def softplus(x: Any, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta x)) / beta; x itself where beta x is above the threshold.

    The threshold is torch's; float32 cannot tell the two apart there.
    """
    x = _float(x)
    if beta == 1.0 and threshold == 20.0:
        return softplus_c(x)
    z = x * beta
    return ops.where(ops.gt(z, threshold), x, softplus_c(z) / beta)


def gelu(x: Any, approximate: str = "none") -> Tensor:
    """x times the normal distribution function of x (arXiv:1606.08415).

    ``approximate="tanh"`` is the approximation by tanh that GPT-2 uses.
    """
    if approximate not in ("none", "tanh"):
        raise ValueError(
            f"[gelu] expected approximate 'none' or 'tanh'; got {approximate!r}"
        )
    return (gelu_c if approximate == "none" else gelu_tanh_c)(_float(x))


def relu(x: Any) -> Tensor:
    """max(x, 0); its slope at 0 is 0."""
    x = _in(x)
    return ops.where(ops.le(x, 0), ops.zeros((), x.dtype, x.device), x)


def relu6(x: Any) -> Tensor:
    """min(max(x, 0), 6)."""
    return hard_tanh(x, 0.0, 6.0)


def leaky_relu(x: Any, negative_slope: float = 0.01) -> Tensor:
    """x where it is positive, else negative_slope x."""
    x = _float(x)
    return ops.where(ops.gt(x, 0), x, x * negative_slope)


def elu(x: Any, alpha: float = 1.0) -> Tensor:
    """x where it is positive, else alpha (exp(x) - 1) (arXiv:1511.07289)."""
    x = _float(x)
    low = ops.where(ops.gt(x, 0), ops.zeros((), x.dtype, x.device), x)
    return ops.where(ops.gt(x, 0), x, ops.expm1(low) * alpha)


def selu(x: Any) -> Tensor:
    """elu scaled so that activations keep mean 0 and variance 1 (arXiv:1706.02515)."""
    return elu(x, _SELU_ALPHA) * _SELU_SCALE


def mish(x: Any) -> Tensor:
    """x tanh(softplus(x)) (arXiv:1908.08681)."""
    x = _float(x)
    return x * ops.tanh(softplus(x))


def hard_tanh(x: Any, low: float = -1.0, high: float = 1.0) -> Tensor:
    """x limited to [low, high]; its slope at the limits is 0."""
    x = _float(x)
    inside = ops.logical_and(ops.gt(x, low), ops.lt(x, high))
    edge = ops.clip(x.detach(), low, high)
    return ops.where(inside, x, edge)


def hard_sigmoid(x: Any) -> Tensor:
    """relu6(x + 3) / 6."""
    return relu6(_float(x) + 3.0) / 6.0


def hard_swish(x: Any) -> Tensor:
    """x relu6(x + 3) / 6 (arXiv:1905.02244)."""
    x = _float(x)
    return x * hard_sigmoid(x)


def glu(x: Any, axis: int = -1) -> Tensor:
    """The first half times the sigmoid of the second (arXiv:1612.08083)."""
    x = _float(x)
    a, b = ops.split(x, 2, axis)
    return a * sigmoid(b)
