"""Dropout: a point per block of random words, so that no mask is in memory."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from helix_core.loop import Builder, LoopProgram

from helix_hal.loop.lower.random import philox
from helix_hal.programs._kernels import Kernel, serves, wide
from helix_hal.programs._run import flat, launch, like

KERNELS: list[Kernel] = []


@lru_cache
def dropout(dtype: str, p: float) -> LoopProgram:
    """y (n,) of x (n,): 0 where the element's random word is below p 2^32."""
    b, real = Builder("dropout"), wide(dtype)
    key, x, y = b.input("key", "uint32"), b.input("x", dtype), b.output("y", dtype)
    n, step = b.size("n"), b.size("key_step")
    block = b.axis(b.size("blocks"))
    seed = [key[step * i] for i in range(4)]
    zero = b.const(0, "uint32")
    words = philox(b, [block.cast("uint32"), zero, *seed[2:]], seed[:2])
    limit = b.const(min(int(p * 2**32), 2**32 - 1), "uint32")
    for i, word in enumerate(words):
        at = block * 4 + i
        kept = x.load(at, at < n).cast(real) * (1.0 / (1.0 - p))
        y.store(at, (word < limit).where(0.0, kept).cast(dtype), at < n)
    return b.build()


@serves(KERNELS, "dropout", "dropout.fwd")
def _forward(dev: Any, x: Any, key: Any, p: float) -> Any:
    y = like(dev, x)
    sizes = {"n": x.size, "blocks": -(-x.size // 4), "key_step": key.strides[0]}
    launch(dev, dropout(x.dtype.name, p), (key, flat(dev, x), flat(dev, y)), **sizes)
    return y


@serves(KERNELS, "dropout.bwd")
def _backward(dev: Any, key: Any, dy: Any, p: float) -> Any:
    return _forward(dev, dy, key, p)
