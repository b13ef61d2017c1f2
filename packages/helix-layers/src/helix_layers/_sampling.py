"""Choosing the next id from logits: greedy, temperature, top-k, top-p; seeded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import helix_core as hx
import numpy as np

from ._check import LayerError

_DRAWS = 256  # uniform numbers drawn at a time


class Sampler:
    """Draws ids. Draw i uses element i of a random stream of the seed's own.

    Parameters
    ----------
    temperature : float
        Divides the logits; 0 takes the largest.
    top_k : int, optional
    top_p : float in (0, 1], optional
    seed : int

    Examples
    --------
    >>> Sampler(temperature=0.0)(np.array([0.0, 2.0, 1.0]))
    1
    """

    def __init__(
        self,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int = 0,
    ) -> None:
        if not 0.0 <= temperature < float("inf"):
            raise LayerError(
                f"[generate] expected a finite temperature >= 0; got {temperature}"
            )
        if top_k is not None and top_k < 1:
            raise LayerError(f"[generate] expected top_k >= 1; got {top_k}")
        if top_p is not None and not 0.0 < top_p <= 1.0:
            raise LayerError(f"[generate] expected 0 < top_p <= 1; got {top_p}")
        self.temperature, self.top_k, self.top_p = temperature, top_k, top_p
        self._generator = hx.Generator(seed)
        self._draws: list[float] = []

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """The distribution that is drawn from, float64 (vocab_size,)."""
        z: np.ndarray = np.asarray(logits, np.float64)
        if not np.isfinite(z.max(initial=-np.inf)) or np.isnan(z).any():
            raise LayerError("[generate] expected finite logits; got NaN or infinity")
        if self.temperature == 0.0:
            p: np.ndarray = (np.arange(len(z)) == int(z.argmax())).astype(np.float64)
            return p
        z = (z - z.max()) / self.temperature
        if self.top_k is not None and self.top_k < len(z):
            order = np.argsort(-z, kind="stable")
            z[order[self.top_k :]] = -np.inf
        p = np.exp(z)
        p /= p.sum()
        if self.top_p is not None and self.top_p < 1.0:
            order = np.argsort(-p, kind="stable")
            before = np.cumsum(p[order]) - p[order]
            p[order[before >= self.top_p]] = 0.0
            p /= p.sum()
        return p

    def __call__(self, logits: np.ndarray) -> int:
        """The next id."""
        if self.temperature == 0.0:
            return int(np.argmax(logits))
        edges = np.cumsum(self.probabilities(logits))
        u = self._uniform() * edges[-1]
        return int(min(np.searchsorted(edges, u, side="right"), len(edges) - 1))

    def _uniform(self) -> float:
        if not self._draws:
            drawn = hx.random_uniform(
                (_DRAWS,), dtype=hx.float64, device="numpy", generator=self._generator
            )
            self._draws = drawn.tolist()[::-1]
        return self._draws.pop()


def generate(model: Any, prompt: Sequence[int], sampler: Sampler) -> Iterator[int]:
    """Ids that follow the prompt, endlessly: one prefill, then a step for each."""
    ids = np.asarray(list(prompt), np.int32)
    if ids.size == 0:
        raise LayerError("[generate] expected a prompt of at least one id; got none")
    size = model.config.vocab_size
    if ids.min() < 0 or ids.max() >= size:
        raise LayerError(
            f"[generate] expected prompt ids in [0, {size}); got {ids.min()} to "
            f"{ids.max()}"
        )
    device = model.norm.weight.device

    def run() -> Iterator[int]:
        with hx.no_grad():
            logits, state = model.prefill(hx.tensor(ids[None], device=device))
        while True:
            i = sampler(np.asarray(logits)[0])
            yield i
            with hx.no_grad():
                step = hx.tensor(np.array([i], np.int32), device=device)
                logits, state = model.step(step, state)

    return run()
