"""A table of vectors."""

from __future__ import annotations

from typing import Any

import helix_core as hx

from ._check import positive


class Embedding(hx.Module):
    """Row ``i`` of a table for every number ``i``; numbers outside clamp.

    Parameters
    ----------
    num_embeddings, d_model : int
    std : float
        Deviation of the normal that draws the table.

    Attributes
    ----------
    weight : Parameter (num_embeddings, d_model)
    """

    def __init__(
        self,
        num_embeddings: int,
        d_model: int,
        std: float = 1.0,
        *,
        device: Any = None,
        dtype: Any = None,
        generator: Any = None,
    ) -> None:
        self.num_embeddings = positive("Embedding", "num_embeddings", num_embeddings)
        self.d_model = positive("Embedding", "d_model", d_model)
        where = {"device": device, "dtype": dtype, "generator": generator}
        w = hx.init.normal((num_embeddings, d_model), 0.0, std, **where)
        self.weight = hx.Parameter(w, "weight")

    def forward(self, ids: Any) -> hx.Tensor:
        """Integers (...) to (..., d_model)."""
        return hx.embedding(ids, self.weight)
