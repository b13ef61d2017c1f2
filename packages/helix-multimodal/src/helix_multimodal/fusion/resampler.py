"""Any number of tokens to a fixed, small one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import helix_core as hx

from ._attention import Attend, joined, norm
from ._base import Fused, Fusion, pooled


class Resampler(Fusion):
    """Learned queries that read the tokens of all modalities, and each other.

    Parameters
    ----------
    modalities, d_model, modality_dropout, device, dtype, generator
        As of `Fusion`.
    n_latents : int
    n_layers : int
    n_heads : int, optional

    Attributes
    ----------
    latents : Parameter (n_latents, d_model)

    Notes
    -----
    Alayrac et al. (2022), arXiv:2204.14198. Time and memory are linear in the tokens.
    """

    def __init__(
        self,
        modalities: Mapping[str, int],
        d_model: int,
        modality_dropout: float = 0.0,
        n_latents: int = 64,
        n_layers: int = 2,
        n_heads: int | None = None,
        **where: Any,
    ) -> None:
        super().__init__(modalities, d_model, modality_dropout, **where)
        drawn = hx.init.normal((n_latents, d_model), 0.0, 0.02, **self.where)
        self.latents = hx.Parameter(drawn, "latents")
        self.layers = [
            Attend(d_model, n_heads, True, depth=2 * n_layers, **self.where)
            for _ in range(n_layers)
        ]
        self.norm = norm(d_model, self.where)

    def fuse(
        self, names: list[str], xs: list[hx.Tensor], masks: list[hx.Tensor]
    ) -> Fused:
        batch, n = xs[0].shape[0], self.latents.shape[0]
        x = hx.broadcast_to(hx.expand_dims(self.latents, 0), (batch, n, self.d_model))
        here = hx.ones((batch, n), dtype="bool", device=xs[0].device)
        for layer in self.layers:
            context, mask = joined([*xs, x], [*masks, here])
            x = layer(x, mask, context)
        return pooled(self.norm(x), here)
