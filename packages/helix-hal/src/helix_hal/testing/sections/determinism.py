"""The same bits again: on a second run, from two threads, after other work."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import helix_core as hx
import numpy as np

from .._case import Section, case, each
from .._compare import of_largest
from .._target import same_bits
from .._values import rng, some


def _inputs(small: bool) -> list[np.ndarray]:
    n = 8 if small else 96
    idx = rng(3).integers(0, 5, n).astype(np.int32)
    return [some((n, n), "float32", 1), some((n, n), "float32", 2), idx]


WORK: dict[str, Callable[..., Any]] = {
    "sum": lambda x, y, i: hx.sum(x),
    "sum_rows": lambda x, y, i: hx.sum(x * y, 0),
    "matmul": lambda x, y, i: hx.matmul(x, y),
    "scatter_add": lambda x, y, i: hx.zeros_like(x).at[i].add(y),
    "scatter_set": lambda x, y, i: hx.zeros_like(x).at[i].set(y),
    "cumsum": lambda x, y, i: hx.cumsum(x, 0),
    "linear_scan": lambda x, y, i: hx.linear_scan(hx.tanh(x), y, x[0], axis=0),
    "softmax": lambda x, y, i: hx.softmax(x),
    "layer_norm": lambda x, y, i: hx.layer_norm(x),
    "sort": lambda x, y, i: hx.sort(x, 0),
    "random": lambda x, y, i: hx.random_normal((99,), generator=hx.Generator(1)),
    "embedding_gradient": lambda x, y, i: hx.grad(
        lambda w: hx.sum(hx.embedding(i, w) * y)
    )(x),
    "mlp_gradient": lambda x, y, i: hx.grad(
        lambda w: hx.mean(hx.square(hx.gelu(hx.matmul(x, w)) - y))
    )(y),
    "conv_gradient": lambda x, y, i: hx.grad(
        lambda w: hx.sum(hx.square(hx.conv1d(x[None], w[:, :, None])))
    )(y),
    "attention_gradient": lambda x, y, i: hx.grad(
        lambda q: hx.sum(hx.attention(q, q, q, causal=True))
    )(hx.reshape(x, 1, x.shape[0], 2, -1)),
}


class Determinism(Section):
    """Atomics and thread counts must not show."""

    @each(WORK)
    def rerun(self, name: str) -> None:
        t = self.target
        arrays = _inputs(t.simulated)
        first = self._run(name, arrays)
        for _ in range(t.size(4, 1)):
            again = self._run(name, arrays)
            if not same_bits(first, again):
                share = float(np.mean(first != again))
                raise AssertionError(
                    f"{name}: expected the same bits on a second run; {share:.1%} differ"
                )

    @each(["matmul", "softmax", "scatter_add", "linear_scan", "mlp_gradient"])
    def two_threads(self, name: str) -> None:
        """Two threads on one device do not disturb each other."""
        t = self.target
        inputs = [_inputs(t.simulated), [a[::-1].copy() for a in _inputs(t.simulated)]]
        want = [self._run(name, a) for a in inputs]

        def work(k: int) -> bool:
            return all(
                same_bits(want[k], self._run(name, inputs[k]))
                for _ in range(t.size(20, 1))
            )

        with ThreadPoolExecutor(2) as pool:
            fine = list(pool.map(work, (0, 1)))
        if not all(fine):
            raise AssertionError(
                f"{name}: expected the results of one thread from two; they differ"
            )

    @case
    def results_keep_their_values(self) -> None:
        """Later work does not write into what is still held."""
        t = self.target
        x = t.put(some((32, 32), "float32", 4))
        held = [x * float(i) for i in range(8)]
        host = [np.array(t.get(h)) for h in held]
        seen = [np.asarray(h) for h in held]  # may share the buffers' memory
        for i in range(t.size(200, 5)):
            hx.exp(hx.tanh(x + float(i))) * 2.0
        for i, (h, a, b) in enumerate(zip(held, host, seen, strict=True)):
            t.values(f"result {i}", h, a)
            t.values(f"host copy {i}", b, a)
        del held
        for i in range(t.size(200, 5)):
            hx.exp(x + float(i))
        for i, (a, b) in enumerate(zip(host, seen, strict=True)):
            t.values(f"host copy {i} of a tensor that is gone", b, a)

    @case
    def near_numpy(self) -> None:
        t = self.target
        arrays = _inputs(t.simulated)
        for name, fn in WORK.items():
            t.same(name, fn, *arrays, allowed=of_largest(5e-5))

    def _run(self, name: str, arrays: list[np.ndarray]) -> np.ndarray:
        t = self.target
        with hx.device(t.device):
            return np.array(t.get(WORK[name](*[t.put(a) for a in arrays]), name))
