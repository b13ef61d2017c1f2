"""Modalities meet in a few shared tokens only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import helix_core as hx

from ._attention import Attend, any_of, joined, norm
from ._base import Fused, Fusion, pooled


class BottleneckFusion(Fusion):
    """Each modality has layers of its own; from one on they share a few tokens.

    A modality attends to itself and to the shared tokens, which are the mean of what the
    modalities that are there make of them. No score is ever computed between tokens of
    two modalities.

    Parameters
    ----------
    modalities, d_model, modality_dropout, device, dtype, generator
        As of `Fusion`.
    n_layers : int
    n_heads : int, optional
    n_shared : int
        Shared tokens.
    start : int, optional
        First layer that has them; half the layers by default.

    Attributes
    ----------
    shared : Parameter (n_shared, d_model)

    Notes
    -----
    Nagrani et al. (2021), arXiv:2107.00135.
    """

    def __init__(
        self,
        modalities: Mapping[str, int],
        d_model: int,
        modality_dropout: float = 0.0,
        n_layers: int = 2,
        n_heads: int | None = None,
        n_shared: int = 4,
        start: int | None = None,
        **where: Any,
    ) -> None:
        super().__init__(modalities, d_model, modality_dropout, **where)
        self.start = n_layers // 2 if start is None else start
        if not 0 <= self.start < n_layers or n_shared < 1:
            raise hx.HelixError(
                f"[BottleneckFusion] expected start in [0, {n_layers}) and n_shared from "
                f"1; got {start} and {n_shared}"
            )
        self.layers = [
            {
                n: Attend(d_model, n_heads, depth=2 * n_layers, **self.where)
                for n in self.names
            }
            for _ in range(n_layers)
        ]
        drawn = hx.init.normal((n_shared, d_model), 0.0, 0.02, **self.where)
        self.shared = hx.Parameter(drawn, "shared")
        self.norm = norm(d_model, self.where)

    def fuse(
        self, names: list[str], xs: list[hx.Tensor], masks: list[hx.Tensor]
    ) -> Fused:
        batch, d = xs[0].shape[0], self.d_model
        n_shared = self.shared.shape[0]
        shared = hx.broadcast_to(hx.expand_dims(self.shared, 0), (batch, n_shared, d))
        seen = hx.ones((batch, n_shared), dtype="bool", device=xs[0].device)
        there = [any_of(m).astype(xs[0].dtype) for m in masks]
        count = there[0]
        for t in there[1:]:
            count = count + t
        count = hx.reshape(hx.maximum(count, 1.0), (batch, 1, 1))
        for i, layer in enumerate(self.layers):
            if i < self.start:
                xs = [layer[n](x, m) for n, x, m in zip(names, xs, masks, strict=True)]
                continue
            total = None
            for k, n in enumerate(names):
                x, mask = joined([xs[k], shared], [masks[k], seen])
                y = layer[n](x, mask)
                xs[k] = y[:, : y.shape[1] - n_shared]
                one = y[:, y.shape[1] - n_shared :] * hx.reshape(
                    there[k], (batch, 1, 1)
                )
                total = one if total is None else total + one
            shared = total / count
        x, mask = joined([shared, *xs], [seen, *masks])
        return pooled(self.norm(x), mask)
