"""The outer product of all modalities, without ever building it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import helix_core as hx

from ._attention import any_of, mean_of
from ._base import Fused, Fusion


class LowRankFusion(Fusion):
    """Low-rank multimodal fusion: a product over modalities, summed over ranks.

    ``y = sum_r w_r prod_m (W[m, r] [1; h_m])`` with h_m the mean token of modality m. A
    missing modality is a factor of 1.

    Parameters
    ----------
    modalities, d_model, modality_dropout, device, dtype, generator
        As of `Fusion`.
    rank : int

    Attributes
    ----------
    factors : dict of str to Parameter (rank, d_model + 1, d_model)
    weights : Parameter (rank,)
    bias : Parameter (d_model,)

    Notes
    -----
    Liu et al. (2018), arXiv:1806.00064.
    """

    def __init__(
        self,
        modalities: Mapping[str, int],
        d_model: int,
        modality_dropout: float = 0.0,
        rank: int = 4,
        **where: Any,
    ) -> None:
        super().__init__(modalities, d_model, modality_dropout, **where)
        if rank < 1:
            raise hx.HelixError(f"[LowRankFusion] expected rank from 1; got {rank}")
        shape, std = (rank, d_model + 1, d_model), (d_model + 1) ** -0.5
        self.factors = {
            n: hx.Parameter(hx.init.normal(shape, 0.0, std, **self.where), "factor")
            for n in self.names
        }
        device = self.where["device"]
        self.weights = hx.Parameter(hx.full((rank,), rank**-0.5, device=device), "w")
        self.bias = hx.Parameter(hx.zeros((d_model,), device=device), "bias")

    def fuse(
        self, names: list[str], xs: list[hx.Tensor], masks: list[hx.Tensor]
    ) -> Fused:
        product = None
        for n, x, mask in zip(names, xs, masks, strict=True):
            h = mean_of(x, mask)
            w = self.factors[n]
            y = hx.einsum("bi,rio->bro", h, w[:, 1:]) + w[:, 0]
            y = hx.where(hx.reshape(any_of(mask), (-1, 1, 1)), y, 1.0)
            product = y if product is None else product * y
        out = hx.einsum("bro,r->bo", product, self.weights) + self.bias
        one = hx.ones((out.shape[0], 1), dtype="bool", device=out.device)
        return Fused(hx.expand_dims(out, 1), one, out)
