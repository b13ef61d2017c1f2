"""Dropout (Srivastava et al., 2014)."""

from __future__ import annotations

from typing import Any

import helix_core as hx

from ._check import LayerError


class Dropout(hx.Module):
    """In training, zero elements with probability ``p`` and scale the rest by 1 / (1 - p).

    Parameters
    ----------
    p : float in [0, 1]
    generator : Generator, optional
        Default the process-wide one.
    """

    def __init__(self, p: float = 0.5, *, generator: Any = None) -> None:
        if not 0.0 <= p <= 1.0:
            raise LayerError(f"[Dropout] expected p in [0, 1]; got {p}")
        self.p, self.generator = float(p), generator

    def forward(self, x: Any) -> hx.Tensor:
        return hx.dropout(x, self.p, self.training, self.generator)
