"""S4: how quickly samples are made and written, alone and beside peers.

Throughputs are of two processes, one a core; beside networkx and KernelSynth's published
algorithm one process makes samples one after another, as the peers do.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from functools import reduce
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from ..case import Work
from ..environment import THREADS
from .synth_process import Makers

# generator, spec, samples a round
_MADE: dict[str, tuple[str, dict[str, Any], int]] = {
    "mqar, 512 tokens": ("mqar", {"length": 512}, 16384),
    "shapes, 64 x 64": ("shapes", {"side": 64}, 8192),
    "scenes, 256 x 256, with masks": ("scenes", {"side": 256}, 1024),
    "kernel_synth, 1024 steps": ("kernel_synth", {"length": 1024}, 1024),
    "notes, 1 s at 16 kHz": ("notes", {"rate": 16000, "seconds": 1.0}, 2048),
    "solids, 2048 points": ("solids", {"points": 2048}, 8192),
}
_GRAPHS: dict[str, tuple[str, dict[str, Any]]] = {
    "erdos_renyi": ("fast_gnp_random_graph", {"nodes": 1000, "p": 0.01}),
    "block_model": ("stochastic_block_model", {"groups": 4, "group_size": 250}),
    "barabasi_albert": ("barabasi_albert_graph", {"nodes": 1000, "m": 5}),
}


def rate(variant: str) -> Work:
    """Seconds a sample, on both cores."""
    name, spec, n = _MADE[variant]
    makers = Makers(name, spec, THREADS)
    starts = count(10**6, n)

    def sample() -> float:
        first = next(starts)
        start = time.perf_counter()
        makers.make(first, n)
        return (time.perf_counter() - start) / n

    sample()  # caches that a generator fills, of every kind of sample
    return Work(sample, sample=sample)


def _seconds_each(make: Callable[[int], None], n: int) -> Work:
    """Seconds a sample of ``make(n)``."""

    def sample() -> float:
        start = time.perf_counter()
        make(n)
        return (time.perf_counter() - start) / n

    return Work(sample, sample=sample)


# ------------------------------------------------------------------------------- graphs
def graphs(variant: str) -> Work:
    """Graphs of a thousand nodes, in blocks."""
    from helix_synth import registry

    g = registry.generator(variant, seed=1, **_GRAPHS[variant][1])
    starts = count(0, 128)

    def make(n: int) -> None:
        for _ in g.blocks(n, start=next(starts)):
            pass

    return _seconds_each(make, 128)


def graphs_by_networkx(variant: str) -> Work:
    """The same models of networkx."""
    import networkx as nx

    seeds = count()
    make_one = {
        "erdos_renyi": lambda s: nx.fast_gnp_random_graph(1000, 0.01, seed=s),
        "block_model": lambda s: nx.stochastic_block_model(
            [250] * 4, np.full((4, 4), 0.002) + 0.018 * np.eye(4), seed=s
        ),
        "barabasi_albert": lambda s: nx.barabasi_albert_graph(1000, 5, seed=s),
    }[variant]

    def make(n: int) -> None:
        for _ in range(n):
            make_one(next(seeds))

    return _seconds_each(make, 8)


# -------------------------------------------------------------------------- KernelSynth
def bank(length: int) -> list[Any]:
    """The published kernels, of scikit-learn, for a grid of ``length`` in [0, 1]."""
    from sklearn.gaussian_process import kernels as k

    periods = (24, 48, 96, 168, 336, 672, 7, 14, 30, 60, 365, 730, 4, 26, 52, 4, 6, 12)
    return [
        *(k.ExpSineSquared(periodicity=p / length) for p in (*periods, 4, 40, 10)),
        *(k.DotProduct(sigma_0=s) for s in (0.0, 1.0, 10.0)),
        *(k.RBF(length_scale=s) for s in (0.1, 1.0, 10.0)),
        *(k.RationalQuadratic(alpha=a) for a in (0.1, 1.0, 10.0)),
        *(k.WhiteKernel(noise_level=w) for w in (0.1, 1.0)),
        k.ConstantKernel(),
    ]


def kernel_synth(variant: str) -> Work:
    """Series of 1024 steps, in blocks."""
    from helix_synth import registry

    g = registry.generator("kernel_synth", seed=1, length=1024)
    starts = count(0, 256)

    def make(n: int) -> None:
        for _ in g.blocks(n, start=next(starts)):
            pass

    make(256)
    return _seconds_each(make, 256)


def kernel_synth_published(variant: str) -> Work:
    """Chronos' algorithm: a kernel composed at random, sampled by scikit-learn."""
    from sklearn.gaussian_process import GaussianProcessRegressor

    length, kernels = 1024, bank(1024)
    x = np.linspace(0, 1, length)[:, None]
    rng = np.random.default_rng(0)

    def join(a: Any, b: Any) -> Any:
        return a + b if rng.random() < 0.5 else a * b

    def make(n: int) -> None:
        made = 0
        while made < n:
            chosen = rng.choice(len(kernels), rng.integers(1, 6))
            kernel = reduce(join, [kernels[i] for i in chosen])
            try:
                GaussianProcessRegressor(kernel=kernel).sample_y(
                    x, 1, random_state=int(rng.integers(2**31))
                )
            except np.linalg.LinAlgError:
                continue
            made += 1

    return _seconds_each(make, 2)


# ------------------------------------------------------------------------------ writing
_SPAN = 48 << 20  # bytes that a round writes, at least


def tar(variant: str) -> Work:
    """Seconds a byte of a tar shard, blocks being there, until it is on the disk."""
    from helix_synth import registry
    from helix_synth.sinks import WebDataset

    g = registry.generator("scenes", seed=1, side=256)
    block = g.block(0, 64)
    folder = tempfile.TemporaryDirectory(prefix="helix-tar-")

    def sample(keep: tempfile.TemporaryDirectory[str] = folder) -> float:
        path = Path(keep.name, "shard.tar")
        start = time.perf_counter()
        with WebDataset().open(path) as writer:
            while not path.exists() or path.stat().st_size < _SPAN:
                writer.write(block)
        _sync(path)
        seconds = time.perf_counter() - start
        size = path.stat().st_size
        path.unlink()
        return seconds / size

    return Work(sample, sample=sample)


def raw(variant: str) -> Work:
    """Seconds a byte of the same volume in plain writes of a mebibyte."""
    data = np.random.default_rng(0).bytes(1 << 20)
    folder = tempfile.TemporaryDirectory(prefix="helix-raw-")

    def sample(keep: tempfile.TemporaryDirectory[str] = folder) -> float:
        path = Path(keep.name, "raw")
        start = time.perf_counter()
        with open(path, "wb", buffering=0) as f:
            for _ in range(_SPAN >> 20):
                f.write(data)
        _sync(path)
        seconds = time.perf_counter() - start
        path.unlink()
        return seconds / _SPAN

    return Work(sample, sample=sample)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDWR)
    os.fsync(handle)
    os.close(handle)
