"""Tokens with their masks, and the block that fusions are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import helix_core as hx

try:
    from helix_layers import MLP, CrossAttention, LayerNorm
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "[fusion] expected helix-layers; got none installed. "
        "Hint: pip install 'helix-multimodal[fusion]'",
        name=error.name,
    ) from error


@dataclass(frozen=True, slots=True)
class Part:
    """What one modality brings.

    Attributes
    ----------
    modality : str
    tokens : Tensor (batch, length, feature)
    mask : Tensor (batch, length) of bool, or None
        Which tokens are there; None for all. A row without any is a sample without this
        modality.
    """

    modality: str
    tokens: Any
    mask: Any = None


def joined(xs: list[hx.Tensor], masks: list[hx.Tensor]) -> tuple[hx.Tensor, hx.Tensor]:
    """All tokens in one row."""
    if len(xs) == 1:
        return xs[0], masks[0]
    return hx.concat(xs, 1), hx.concat(masks, 1)


def any_of(mask: hx.Tensor) -> hx.Tensor:
    """(batch,) bool: whether a sample has a token."""
    return hx.any(mask, 1)


def mean_of(x: hx.Tensor, mask: hx.Tensor) -> hx.Tensor:
    """(batch, feature): mean over the tokens that are there; 0 where none are."""
    w = hx.expand_dims(mask.astype(x.dtype), 2)
    count = hx.maximum(hx.sum(w, 1), 1.0)
    out: hx.Tensor = hx.sum(hx.where(hx.expand_dims(mask, 2), x, 0.0), 1) / count
    return out


def norm(d_model: int, where: dict[str, Any]) -> LayerNorm:
    return LayerNorm(d_model, device=where["device"], dtype=where["dtype"])


class Attend(hx.Module):
    """Pre-norm attention, then an MLP, each added to what came.

    Parameters
    ----------
    d_model : int
    n_heads : int, optional
    others : bool
        Attend to a context; else x to itself.
    gated : bool
        Both additions are scaled by the tanh of a parameter that begins at 0: at first
        the block does nothing (Alayrac et al., arXiv:2204.14198).
    depth : int
        Blocks in the model.
    """

    def __init__(
        self,
        d_model: int,
        n_heads: int | None = None,
        others: bool = False,
        gated: bool = False,
        depth: int = 1,
        **where: Any,
    ) -> None:
        self.norm, self.mlp_norm = norm(d_model, where), norm(d_model, where)
        self.context_norm = norm(d_model, where) if others else None
        std = d_model**-0.5  # fusions are narrow: 0.02 would begin near nothing
        self.attention = CrossAttention(
            d_model, n_heads=n_heads, depth=depth, std=std, **where
        )
        self.mlp = MLP(d_model, depth=depth, std=std, **where)
        self.gates = (
            hx.Parameter(hx.zeros((2,), device=where["device"]), "gates")
            if gated
            else None
        )

    def forward(
        self, x: hx.Tensor, mask: hx.Tensor, context: hx.Tensor | None = None
    ) -> hx.Tensor:
        """(batch, length, d_model) to the same.

        Parameters
        ----------
        mask : Tensor (batch, length of the context, or of x) of bool
            A sample that sees nothing stays as it is.
        """
        gates = None if self.gates is None else hx.tanh(self.gates)
        h = self.norm(x)
        seen = h if self.context_norm is None else self.context_norm(context)
        y = self.attention(h, seen, mask=mask)
        z = x + (y if gates is None else gates[0] * y)
        y = self.mlp(self.mlp_norm(z))
        z = z + (y if gates is None else gates[1] * y)
        out: hx.Tensor = hx.where(hx.reshape(any_of(mask), (-1, 1, 1)), z, x)
        return out
