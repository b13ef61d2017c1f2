"""An affine map of the last axis."""

from __future__ import annotations

import math
from typing import Any

import helix_core as hx

from ._check import last_axis, positive


class Linear(hx.Module):
    """y = x W^T + b.

    Parameters
    ----------
    in_features, out_features : int
    bias : bool
    device, dtype, generator
        Where the weights live, their dtype (float32), and what draws them.

    Attributes
    ----------
    weight : Parameter (out_features, in_features)
        Uniform in +-1 / sqrt(in_features), as torch's.
    bias : Parameter (out_features,) or None

    Examples
    --------
    >>> import helix_core as hx
    >>> Linear(3, 2)(hx.ones((5, 3))).shape
    (5, 2)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        device: Any = None,
        dtype: Any = None,
        generator: Any = None,
    ) -> None:
        self.in_features = positive("Linear", "in_features", in_features)
        self.out_features = positive("Linear", "out_features", out_features)
        bound = 1.0 / math.sqrt(in_features)
        where = {"device": device, "dtype": dtype, "generator": generator}
        w = hx.init.uniform((out_features, in_features), -bound, bound, **where)
        self.weight = hx.Parameter(w, "weight")
        self.bias: hx.Parameter | None = None
        if bias:
            b = hx.init.uniform((out_features,), -bound, bound, **where)
            self.bias = hx.Parameter(b, "bias", decay=False)

    def forward(self, x: Any) -> hx.Tensor:
        """(..., in_features) to (..., out_features)."""
        last_axis("Linear", x, self.in_features)
        return linear(x, self.weight, self.bias)


def linear(
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    activation: str | None = None,
    residual: Any = None,
) -> hx.Tensor:
    """``act(x @ weight.T + bias) + residual``: `helix_core.linear`.

    Parameters
    ----------
    x : Tensor (..., in)
    weight : Tensor (out, in)
    bias : Tensor (out,), optional
    activation : {"relu", "gelu", "gelu_tanh", "silu", "sigmoid", "tanh"}, optional
    residual : Tensor (..., out), optional
    """
    return hx.linear(x, weight, bias, activation=activation, residual=residual)
