"""The default loss of a batch, means over batches, and evaluation without traces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import helix_core as hx
import numpy as np

from ._average import Average


def model_loss(model: Any, batch: Any) -> Any:
    """``model.loss(*batch)``, with NumPy arrays moved to the device of the model."""
    parts = batch if isinstance(batch, (tuple, list)) else (batch,)
    if any(isinstance(x, np.ndarray) for x in parts):
        device = next((p.device for p in model.parameters()), None)
        parts = [
            hx.tensor(x, device=device) if isinstance(x, np.ndarray) else x
            for x in parts
        ]
    return model.loss(*parts)


def batch_count(batch: Any) -> float:
    """Elements of the last array of a batch: its labels, or its rows."""
    last = batch[-1] if isinstance(batch, (tuple, list)) and batch else batch
    shape = getattr(last, "shape", ())
    return float(np.prod(shape)) if shape else 1.0


def shares(batches: list[Any], count: Callable[[Any], float]) -> list[float]:
    """The weights of batches in the mean over all their items."""
    counts = [float(count(b)) for b in batches]
    if not sum(counts) > 0.0:
        raise hx.HelixError(f"[trainer] expected batches with items; got {counts}")
    return [n / sum(counts) for n in counts]


def mean_loss(
    batches: Iterable[Any],
    loss: Callable[[Any, Any], Any] = model_loss,
    count: Callable[[Any], float] = batch_count,
) -> Callable[[Any], dict[str, float]]:
    """An evaluation for ``Trainer(evaluate=...)``: the mean loss over these batches.

    Parameters
    ----------
    batches : iterable
        Read anew at each evaluation.
    loss, count : callable
        As in `Trainer`.
    """

    def evaluate(model: Any) -> dict[str, float]:
        total = items = 0.0
        for batch in batches:
            n = count(batch)
            total += loss(model, batch).item() * n
            items += n
        if items == 0.0:
            raise hx.HelixError("[evaluate] expected at least one batch; got none")
        return {"loss": total / items}

    return evaluate


@contextmanager
def evaluating(model: hx.Module, average: Average | None) -> Iterator[None]:
    """Evaluation mode and averaged weights inside; modes, weights and the random state
    as they were after."""
    modes = [(m, m.training) for m in model.modules()]
    random = hx.default_generator().state_dict()
    model.eval()
    try:
        with hx.no_grad(), average.swapped() if average else nullcontext():
            yield
    finally:
        hx.default_generator().load_state_dict(random)
        for m, training in modes:
            m.training = training
