"""An exponential moving average of a module's weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import helix_core as hx
import numpy as np
from helix_core import optim


class Average:
    """Averaged parameters.

    Parameters
    ----------
    model : Module
    decay : float
        In step t (1 first) the decay is ``min(decay, (1 + t) / (10 + t))``, so that the
        start is soon forgotten.
    """

    def __init__(self, model: hx.Module, decay: float) -> None:
        if not 0.0 < decay < 1.0:
            raise hx.HelixError(f"[trainer] expected 0 < ema < 1; got {decay}")
        self.model, self.decay = model, decay
        self.params = dict(model.named_parameters())
        self.cells = {k: hx.Cell(p.value.detach(), k) for k, p in self.params.items()}

    def update(self, step: int) -> None:
        """Take the weights after this step in."""
        d = min(self.decay, (1.0 + step) / (10.0 + step))
        optim.ema_update([*self.cells.values()], [*self.params.values()], d)

    def state_dict(self) -> dict[str, hx.Tensor]:
        """A whole state of the model, with averaged parameters."""
        averaged = {k: c.value for k, c in self.cells.items()}
        return {**self.model.state_dict(), **averaged}

    def load_state_dict(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Go on from averages that `state_dict` gave; nothing is set if one is missing."""
        for k, c in self.cells.items():
            if k not in arrays or tuple(arrays[k].shape) != c.value.shape:
                raise hx.HelixError(
                    f"[trainer] expected an averaged {k} of shape {c.value.shape}; got "
                    f"{tuple(arrays[k].shape) if k in arrays else 'none'}"
                )
        for k, c in self.cells.items():
            old = c.value
            c.value = hx.tensor(arrays[k], dtype=old.dtype, device=old.device)

    @contextmanager
    def swapped(self) -> Iterator[Any]:
        """``with ...``: the model has the averaged weights."""
        own = {k: p.value.detach() for k, p in self.params.items()}
        for k, p in self.params.items():
            p.value = self.cells[k].value
        try:
            yield self.model
        finally:
            for k, p in self.params.items():
                p.value = own[k]
