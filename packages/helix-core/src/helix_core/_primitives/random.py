"""``random_bits``: Philox4x32-10, a counter-based generator.

The key is uint32[4]: seed low, seed high, stream low, stream high. Block b of a stream
is the cipher of the counter (b low, b high, stream low, stream high) under the seed.
Element i of 32 bits is word i mod 4 of block i div 4; of 64 bits, words 2 (i mod 2)
(the low half) and the next of block i div 2.

Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

from math import prod
from typing import Any

from .. import _dtypes as dt
from .. import _ops as ops
from .._aval import Aval
from .._errors import DTypeError, ShapeError
from .._primitive import primitive

ROUNDS = 10
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)


def _infer(key: Aval, shape: Any, bits: int) -> tuple[Aval, ...]:
    if key.shape != (4,) or key.dtype is not dt.uint32:
        raise DTypeError(f"[random_bits] expected a key uint32[4]; got {key!r}")
    if bits not in (32, 64):
        raise DTypeError(f"[random_bits] expected bits=32 or 64; got {bits}")
    if any(n < 0 for n in shape):
        raise ShapeError(f"[random_bits] expected sizes >= 0; got shape={shape}")
    return (Aval(shape, dt.uint32 if bits == 32 else dt.uint64),)


def _high(x: Any, m: int) -> Any:
    """The upper 32 bits of x m, by halves of 16 bits."""
    x0, x1 = ops.bitwise_and(x, 0xFFFF), ops.right_shift(x, 16)
    m0, m1 = m & 0xFFFF, m >> 16
    carry = ops.add(ops.right_shift(ops.mul(x0, m0), 16), ops.mul(x1, m0))
    low = ops.add(ops.bitwise_and(carry, 0xFFFF), ops.mul(x0, m1))
    high = ops.add(ops.mul(x1, m1), ops.right_shift(carry, 16))
    return ops.add(high, ops.right_shift(low, 16))


def _decompose(key: Any, shape: Any, bits: int) -> Any:
    n = prod(shape)
    blocks = -(-n // (128 // bits))
    if blocks >= 2**32:
        raise ShapeError(f"[random_bits] expected under 2^32 blocks; got shape={shape}")
    k0, k1, c2, c3 = [ops.narrow(key, 0, i, i + 1) for i in range(4)]
    c0 = ops.arange(blocks, dtype=dt.uint32, device=key.device)
    c1 = ops.zeros_like(c0)
    for i in range(ROUNDS):
        if i:
            k0, k1 = ops.add(k0, WEYL[0]), ops.add(k1, WEYL[1])
        h0, h1 = _high(c0, MULTIPLIERS[0]), _high(c2, MULTIPLIERS[1])
        a = ops.bitwise_xor(ops.bitwise_xor(h1, c1), k0)
        b = ops.bitwise_xor(ops.bitwise_xor(h0, c3), k1)
        c0, c1, c2, c3 = a, ops.mul(c2, MULTIPLIERS[1]), b, ops.mul(c0, MULTIPLIERS[0])
    words = [ops.broadcast_p(c, (blocks,)) for c in (c0, c1, c2, c3)]
    if bits == 64:
        wide = [ops.cast(w, dt.uint64) for w in words]
        words = [
            ops.bitwise_or(wide[i], ops.left_shift(wide[i + 1], 32)) for i in (0, 2)
        ]
    flat = ops.reshape_p(ops.stack(words, 1), (blocks * len(words),))
    return ops.reshape_p(ops.narrow(flat, 0, 0, n), shape)


random_bits_p = primitive("random_bits", "RANDOM", _infer, decompose=_decompose)
