"""Gated recurrent units over whole sequences (Cho et al., arXiv:1406.1078).

As torch has them, the reset gate applies to the product:
n = tanh(n_x + r n_h), h_t = (1 - z) n + z h_{t-1}. Inside, the four sums of a unit are
n_x, r, z and n_h, so that those with weights for x are neighbours, and those for h too.
"""

from __future__ import annotations

import numpy as np

from helix_hal.cpu.jit import device_function
from helix_hal.cpu.kernels import simd
from helix_hal.cpu.kernels.rnn_cell import Cell
from helix_hal.cpu.kernels.rnn_tile import tanh
from helix_hal.cpu.kernels.simd import fma, load, mul, splat, store, sub
from helix_hal.cpu.kernels.simd_math import sigmoid

__all__ = ["GRU"]

F32 = np.float32
W = simd.WIDTH


@device_function
def _advance(acc, a, h, state, s, keep, gates, g, hidden, cells, c):
    r, z = sigmoid(load(acc, a + W)), sigmoid(load(acc, a + 2 * W))
    inner = load(acc, a + 3 * W)
    n = tanh(fma(r, inner, load(acc, a)))
    if keep:
        store(gates, g, n)
        store(gates, g + hidden, r)
        store(gates, g + 2 * hidden, z)
        store(gates, g + 3 * hidden, inner)
    return fma(z, sub(h, n), n)


@device_function
def _retreat(gates, g, hidden, now, before, h, dh, state, s):
    one = splat(F32(1))
    n, r = load(gates, g), load(gates, g + hidden)
    z, inner = load(gates, g + 2 * hidden), load(gates, g + 3 * hidden)
    dn = mul(mul(dh, sub(one, z)), sub(one, mul(n, n)))
    dr = mul(mul(dn, inner), mul(r, sub(one, r)))
    dz = mul(mul(dh, sub(h, n)), mul(z, sub(one, z)))
    return dn, dr, dz, mul(dn, r), mul(dh, z)


GRU = Cell(_advance, _retreat, of_x=(0, 3), of_h=(1, 4), remembers=False)
