"""``random_bits`` in torch: Philox4x32-10 in int64, in pieces that fit the cache."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import torch
from helix_core._primitives.random import MULTIPLIERS, ROUNDS, WEYL

from .common import Tensor

_PIECE = 1 << 15  # blocks
_LOW = 0xFFFFFFFF


def _high(p: Tensor) -> Tensor:
    """The upper half of 64 bits, whose sign is one of them."""
    return (p >> 32) & _LOW


def _blocks(first: int, count: int, key: Tensor, where: torch.device) -> Tensor:
    """Blocks ``first`` to ``first + count``: their words, (count, 4) int64."""
    k0, k1, s0, s1 = key.unbind()
    b = torch.arange(first, first + count, device=where)
    c0, c1 = b & _LOW, b >> 32
    c2, c3 = s0.expand(count), s1.expand(count)
    for _ in range(ROUNDS):
        p0, p1 = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0, c1 = _high(p1).bitwise_xor_(c1).bitwise_xor_(k0), p1.bitwise_and_(_LOW)
        c2, c3 = _high(p0).bitwise_xor_(c3).bitwise_xor_(k1), p0.bitwise_and_(_LOW)
        k0, k1 = (k0 + WEYL[0]) & _LOW, (k1 + WEYL[1]) & _LOW
    return torch.stack([c0, c1, c2, c3], 1)


def _random_bits(key: Tensor, shape: Any, bits: int) -> Tensor:
    n = prod(shape)
    blocks = -(-n // (128 // bits))
    words = torch.empty((blocks, 4), dtype=torch.int32, device=key.device)
    wide = key.view(torch.int32).to(torch.int64) & _LOW
    for i in range(0, blocks, _PIECE):
        count = min(_PIECE, blocks - i)
        words[i : i + count] = _blocks(i, count, wide, key.device)
    if bits == 32:
        return words.reshape(-1)[:n].reshape(shape).view(torch.uint32)
    long = words[:, 1::2].to(torch.int64) << 32
    long |= words[:, 0::2].to(torch.int64) & _LOW
    return long.reshape(-1)[:n].reshape(shape).view(torch.uint64)


FORMS: dict[str, Callable[..., Any]] = {"random_bits": _random_bits}
