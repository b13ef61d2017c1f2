"""Feed-forward layers: plain (GELU, SiLU, squared ReLU) and gated (SwiGLU, GeGLU)."""

from __future__ import annotations

import math
from typing import Any

import helix_core as hx

from .._check import LayerError, last_axis, positive
from .._dropout import Dropout
from .._linear import Linear

PLAIN = {
    "gelu": "gelu",
    "gelu_tanh": "gelu_tanh",
    "relu": "relu",
    "relu2": "relu",
    "silu": "silu",
}
GATED = {
    "swiglu": "silu",
    "geglu": "gelu",
    "geglu_tanh": "gelu_tanh",
    "reglu": "relu",
}


def projection(
    inputs: int, outputs: int, bias: bool, std: float, where: dict[str, Any]
) -> Linear:
    """A `Linear` drawn as GPT-2's: normal weights, zero bias."""
    out = Linear(inputs, outputs, bias, **where)
    out.weight.value = hx.init.normal((outputs, inputs), 0.0, std, **where)
    if out.bias is not None:
        out.bias.value = hx.zeros_like(out.bias.value)
    return out


def width(d_model: int, d_ff: int | None, activation: str) -> int:
    """Hidden features of an `MLP`."""
    if activation not in PLAIN and activation not in GATED:
        raise LayerError(
            f"[MLP] expected an activation of {', '.join([*PLAIN, *GATED])}; got "
            f"{activation!r}"
        )
    if d_ff is None:
        return 32 * math.ceil(d_model / 12) if activation in GATED else 4 * d_model
    return positive("MLP", "d_ff", d_ff)


class MLP(hx.Module):
    """``down(act(up(x)))``, or ``down(act(gate(x)) * up(x))``.

    Parameters
    ----------
    d_model : int
    d_ff : int, optional
        Hidden features; 4 d_model, or where there is a gate 8/3 d_model up to a multiple
        of 32.
    activation : str
        "gelu", "gelu_tanh", "relu", "relu2" (squared, arXiv:2109.08668), "silu"; with a
        gate (arXiv:2002.05202) "swiglu", "geglu", "geglu_tanh", "reglu".
    bias : bool
    dropout : float in [0, 1]
        Of the result.
    depth : int
        Residual branches in the model: ``down`` is drawn smaller by the root of it.
    std : float
        Deviation of the normal that draws the weights; biases are zeros (GPT-2).

    Attributes
    ----------
    up, down : Linear
    gate : Linear or None

    Examples
    --------
    >>> import helix_core as hx
    >>> MLP(8, activation="swiglu")(hx.ones((2, 5, 8))).shape
    (2, 5, 8)
    """

    def __init__(
        self,
        d_model: int,
        d_ff: int | None = None,
        activation: str = "gelu",
        bias: bool = True,
        dropout: float = 0.0,
        depth: int = 1,
        std: float = 0.02,
        *,
        device: Any = None,
        dtype: Any = None,
        generator: Any = None,
    ) -> None:
        self.d_model = positive("MLP", "d_model", d_model)
        self.activation = activation
        self.d_ff = d_ff = width(d_model, d_ff, activation)
        where = {"device": device, "dtype": dtype, "generator": generator}
        self.gate: Linear | None = None
        if activation in GATED:
            self.gate = projection(d_model, d_ff, bias, std, where)
        self.up = projection(d_model, d_ff, bias, std, where)
        small = std / math.sqrt(positive("MLP", "depth", depth))
        self.down = projection(d_ff, d_model, bias, small, where)
        self.dropout = Dropout(dropout, generator=generator)

    def forward(self, x: Any) -> hx.Tensor:
        """(..., d_model) to the same."""
        last_axis("MLP", x, self.d_model)
        if self.gate is None:
            kind = PLAIN[self.activation]
            h = hx.linear(x, self.up.weight, self.up.bias, activation=kind)
            if self.activation == "relu2":
                h = h * h
        else:
            gate, kind = self.gate, GATED[self.activation]
            h = hx.linear(x, gate.weight, gate.bias, activation=kind) * self.up(x)
        return dropped(self.dropout, self.down(h))


def dropped(dropout: Dropout, x: hx.Tensor) -> hx.Tensor:
    """With elements zeroed in training."""
    return dropout(x) if dropout.training and dropout.p else x
