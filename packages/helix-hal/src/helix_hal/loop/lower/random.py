"""``random_bits``: Philox4x32-10, a point per block of four words."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import prod
from typing import Any

from helix_core._dtypes import as_dtype
from helix_core._primitives.random import MULTIPLIERS, ROUNDS, WEYL
from helix_core.loop import Builder, Expr, LoopProgram

from helix_hal.loop.buffer import Buffer
from helix_hal.loop.engine import Engine


def philox(b: Builder, counter: list[Expr], key: list[Expr]) -> list[Expr]:
    """The four words of a block.

    Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for i in range(ROUNDS):
        if i:
            k0, k1 = k0 + WEYL[0], k1 + WEYL[1]
        h0, h1 = c0.mulhi(MULTIPLIERS[0]), c2.mulhi(MULTIPLIERS[1])
        low0, low1 = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0, c1, c2, c3 = h1 ^ c1 ^ k0, low1, h0 ^ c3 ^ k1, low0
    return [c0, c1, c2, c3]


@lru_cache(maxsize=4)
def _program(bits: int) -> LoopProgram:
    b = Builder(f"random_bits{bits}")
    key = b.input("key", "uint32")
    y = b.output("y", f"uint{bits}")
    n, step = b.size("n"), b.size("key_step")
    block = b.axis(b.size("blocks"))
    seed = [key[step * i] for i in range(4)]
    zero = b.const(0, "uint32")
    words = philox(b, [block.cast("uint32"), zero, *seed[2:]], seed[:2])
    if bits == 64:
        wide = [w.cast("uint64") for w in words]
        words = [wide[i] | (wide[i + 1] << 32) for i in (0, 2)]
    for i, word in enumerate(words):
        at = block * len(words) + i
        y.store(at, word, at < n)
    return b.build()


def random_bits(
    engine: Engine, key: Buffer, shape: Any, bits: int, out: Any = None
) -> Buffer:
    result = engine.empty(tuple(shape), as_dtype(f"uint{bits}"))
    n = prod(shape)
    sizes = {"n": n, "blocks": -(-n // (128 // bits)), "key_step": key.strides[0]}
    engine.run(_program(bits), (key, result), sizes)
    return result


LOWERINGS: dict[str, Callable[..., Any]] = {"random_bits": random_bits}
