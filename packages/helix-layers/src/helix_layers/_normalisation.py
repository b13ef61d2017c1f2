"""RMS norm (arXiv:1910.07467) and layer norm (arXiv:1607.06450) of the last axis."""

from __future__ import annotations

from typing import Any

import helix_core as hx

from ._check import last_axis, positive


class RMSNorm(hx.Module):
    """x / sqrt(mean(x^2) + eps) * weight.

    Parameters
    ----------
    d_model : int
    eps : float

    Attributes
    ----------
    weight : Parameter (d_model,)
        Ones; no weight decay.
    """

    def __init__(
        self, d_model: int, eps: float = 1e-5, *, device: Any = None, dtype: Any = None
    ) -> None:
        self.d_model, self.eps = positive("RMSNorm", "d_model", d_model), float(eps)
        w = hx.ones((d_model,), dtype=dtype or hx.float32, device=device)
        self.weight = hx.Parameter(w, "weight", decay=False)

    def forward(self, x: Any, residual: Any = None) -> Any:
        """(..., d_model) to the same; with ``residual``, the norm of ``x + residual``,
        and that sum."""
        last_axis("RMSNorm", x, self.d_model)
        return hx.rms_norm(x, self.weight, self.eps, residual)


class LayerNorm(hx.Module):
    """(x - mean) / sqrt(var + eps) * weight + bias.

    Parameters
    ----------
    d_model : int
    eps : float
    bias : bool

    Attributes
    ----------
    weight, bias : Parameter (d_model,)
        Ones and zeros; no weight decay.
    """

    def __init__(
        self,
        d_model: int,
        eps: float = 1e-5,
        bias: bool = True,
        *,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        self.d_model, self.eps = positive("LayerNorm", "d_model", d_model), float(eps)
        dtype = dtype or hx.float32
        w = hx.ones((d_model,), dtype=dtype, device=device)
        self.weight = hx.Parameter(w, "weight", decay=False)
        self.bias: hx.Parameter | None = None
        if bias:
            b = hx.zeros((d_model,), dtype=dtype, device=device)
            self.bias = hx.Parameter(b, "bias", decay=False)

    def forward(self, x: Any, residual: Any = None) -> Any:
        """(..., d_model) to the same; with ``residual``, the norm of ``x + residual``,
        and that sum."""
        last_axis("LayerNorm", x, self.d_model)
        return hx.layer_norm(x, self.weight, self.bias, self.eps, residual)
