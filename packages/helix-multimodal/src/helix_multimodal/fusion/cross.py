"""Each modality reads all the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import helix_core as hx

from ._attention import Attend, joined, norm
from ._base import Fused, Fusion, pooled


class CrossFusion(Fusion):
    """In every layer each modality attends to itself, then to all the others.

    Parameters
    ----------
    modalities, d_model, modality_dropout, device, dtype, generator
        As of `Fusion`.
    n_layers : int
    n_heads : int, optional
    gated : bool
        What comes from others is scaled by a tanh that begins at 0: an untrained fusion
        gives what each modality alone would (arXiv:2204.14198).
    """

    def __init__(
        self,
        modalities: Mapping[str, int],
        d_model: int,
        modality_dropout: float = 0.0,
        n_layers: int = 2,
        n_heads: int | None = None,
        gated: bool = False,
        **where: Any,
    ) -> None:
        super().__init__(modalities, d_model, modality_dropout, **where)
        depth = 4 * n_layers

        def blocks(others: bool) -> list[dict[str, Attend]]:
            gate = others and gated
            return [
                {
                    n: Attend(d_model, n_heads, others, gate, depth, **self.where)
                    for n in self.names
                }
                for _ in range(n_layers)
            ]

        self.own, self.others = blocks(False), blocks(True)
        self.norm = norm(d_model, self.where)

    def fuse(
        self, names: list[str], xs: list[hx.Tensor], masks: list[hx.Tensor]
    ) -> Fused:
        every = range(len(names))
        for own, others in zip(self.own, self.others, strict=True):
            xs = [own[names[i]](xs[i], masks[i]) for i in every]
            if len(xs) == 1:
                continue
            read = []
            for i in every:
                rest = [k for k in every if k != i]
                context, mask = joined([xs[k] for k in rest], [masks[k] for k in rest])
                read.append(others[names[i]](xs[i], mask, context))
            xs = read
        x, mask = joined(xs, masks)
        return pooled(self.norm(x), mask)
