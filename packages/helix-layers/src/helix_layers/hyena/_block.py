"""A residual Hyena layer."""

from __future__ import annotations

from typing import Any

import helix_core as hx

from .._block import Block
from .._check import positive
from .._linear import Linear
from .._normalisation import LayerNorm
from ._mixer import HyenaMixer


class HyenaBlock(Block):
    """``x + mixer(norm(x))``, then ``x + fc2(gelu(fc1(norm2(x))))``.

    Parameters
    ----------
    d_model, l_max
        See `HyenaMixer`.
    d_inner : int, optional
        Width of the second part, 4 d_model by default; 0 leaves it out.
    norm_eps : float
    **settings
        Of `HyenaMixer`.

    Examples
    --------
    >>> import helix_core as hx
    >>> block = HyenaBlock(16, l_max=32)
    >>> block(hx.ones((1, 5, 16))).shape
    (1, 5, 16)
    """

    def __init__(
        self,
        d_model: int,
        l_max: int = 1024,
        d_inner: int | None = None,
        norm_eps: float = 1e-5,
        **settings: Any,
    ) -> None:
        places = ("device", "dtype", "generator")
        where = {k: settings[k] for k in places if k in settings}
        norm = {k: v for k, v in where.items() if k != "generator"}
        super().__init__(
            LayerNorm(d_model, norm_eps, **norm), HyenaMixer(d_model, l_max, **settings)
        )
        self.norm2: Any = None
        self.fc1: Any = None
        self.fc2: Any = None
        if d_inner != 0:
            d_inner = 4 * d_model if d_inner is None else d_inner
            positive("HyenaBlock", "d_inner", d_inner)
            self.norm2 = LayerNorm(d_model, norm_eps, **norm)
            self.fc1 = Linear(d_model, d_inner, **where)
            self.fc2 = Linear(d_inner, d_model, **where)

    def forward(self, x: Any, state: Any = None, return_state: bool = False) -> Any:
        y, total = self.branch(x, None, state, return_state)
        if return_state:
            return y[0] + total, y[1]
        return y + total

    def branch(
        self, x: Any, residual: Any, state: Any = None, return_state: bool = False
    ) -> tuple[Any, Any]:
        y, total = super().branch(x, residual, state, return_state)
        if self.norm2 is None:
            return y, total
        y, new = y if return_state else (y, None)
        normed, total = self.norm2(y, total)
        y = self._wide(normed)
        return ((y, new) if return_state else y), total

    def _wide(self, x: Any) -> hx.Tensor:
        h = hx.linear(x, self.fc1.weight, self.fc1.bias, activation="gelu_tanh")
        out: hx.Tensor = self.fc2(h)
        return out

    def step(self, x: Any, state: Any) -> tuple[Any, Any]:
        x, state = super().step(x, state)
        return (x if self.norm2 is None else x + self._wide(self.norm2(x))), state
