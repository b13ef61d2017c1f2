"""All tokens in one sequence, from the first layer on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import helix_core as hx

from ._attention import Attend, joined, norm
from ._base import Fused, Fusion, pooled


class EarlyFusion(Fusion):
    """Self-attention over the tokens of all modalities.

    Parameters
    ----------
    modalities, d_model, modality_dropout, device, dtype, generator
        As of `Fusion`.
    n_layers : int
    n_heads : int, optional

    Notes
    -----
    Time and memory grow with the square of all tokens.

    Examples
    --------
    >>> import helix_core as hx
    >>> fusion = EarlyFusion({"image": 12, "text": 8}, 16)
    >>> parts = [("text", hx.ones((2, 5, 8))), ("image", hx.ones((2, 4, 12)))]
    >>> fusion(parts).tokens.shape
    (2, 9, 16)
    """

    def __init__(
        self,
        modalities: Mapping[str, int],
        d_model: int,
        modality_dropout: float = 0.0,
        n_layers: int = 2,
        n_heads: int | None = None,
        **where: Any,
    ) -> None:
        super().__init__(modalities, d_model, modality_dropout, **where)
        self.layers = [
            Attend(d_model, n_heads, depth=2 * n_layers, **self.where)
            for _ in range(n_layers)
        ]
        self.norm = norm(d_model, self.where)

    def fuse(
        self, names: list[str], xs: list[hx.Tensor], masks: list[hx.Tensor]
    ) -> Fused:
        x, mask = joined(xs, masks)
        for layer in self.layers:
            x = layer(x, mask)
        return pooled(self.norm(x), mask)
