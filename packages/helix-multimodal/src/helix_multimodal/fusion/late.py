"""Each modality decides alone; the decisions are averaged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import helix_core as hx
from helix_layers import MLP, Linear

from ._attention import any_of, mean_of, norm
from ._base import Fused, Fusion


class LateFusion(Fusion):
    """A weighted mean of what an MLP makes of each modality's mean token.

    Additive by construction: it cannot learn a label that depends on a combination, such
    as the exclusive or of two modalities.

    Parameters
    ----------
    modalities, d_model, modality_dropout, device, dtype, generator
        As of `Fusion`.
    d_out : int, optional
        Features of each decision, such as logits; ``d_model`` by default.

    Attributes
    ----------
    weights : Parameter (modality,)
        Logits of the mean's weights, over the modalities that are there.
    """

    def __init__(
        self,
        modalities: Mapping[str, int],
        d_model: int,
        modality_dropout: float = 0.0,
        d_out: int | None = None,
        **where: Any,
    ) -> None:
        super().__init__(modalities, d_model, modality_dropout, **where)
        self.norms = {n: norm(d_model, self.where) for n in self.names}
        self.bodies = {n: MLP(d_model, **self.where) for n in self.names}
        d_out = d_model if d_out is None else d_out
        self.heads = {n: Linear(d_model, d_out, **self.where) for n in self.names}
        self.weights = hx.Parameter(
            hx.zeros((len(self.names),), device=self.where["device"]), "weights"
        )

    def fuse(
        self, names: list[str], xs: list[hx.Tensor], masks: list[hx.Tensor]
    ) -> Fused:
        each, logits, there = [], [], []
        for n, x, mask in zip(names, xs, masks, strict=True):
            h = mean_of(x, mask)
            h = h + self.bodies[n](self.norms[n](h))
            each.append(self.heads[n](h))
            logits.append(self.weights[self.names.index(n)])
            there.append(any_of(mask))
        out, mask = hx.stack(each, 1), hx.stack(there, 1)
        w = hx.expand_dims(hx.stack(logits, 0), 0)
        # -1e30: all weights stay finite where nothing is there
        w = hx.softmax(hx.where(mask, w, -1e30), -1)
        w = hx.expand_dims(hx.where(mask, w, 0.0), 2)
        return Fused(out, mask, hx.sum(out * w, 1))
