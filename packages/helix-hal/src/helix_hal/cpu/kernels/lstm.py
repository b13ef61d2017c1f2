"""Long short-term memory over whole sequences (Hochreiter and Schmidhuber, 1997).

With the gates i, f, g, o of torch's order,
c_t = sigmoid(f) c_{t-1} + sigmoid(i) tanh(g) and h_t = sigmoid(o) tanh(c_t).
"""

from __future__ import annotations

import numpy as np

from helix_hal.cpu.jit import device_function
from helix_hal.cpu.kernels import simd
from helix_hal.cpu.kernels.rnn_cell import Cell
from helix_hal.cpu.kernels.rnn_tile import tanh
from helix_hal.cpu.kernels.simd import fma, load, mul, splat, store, sub
from helix_hal.cpu.kernels.simd_math import sigmoid

__all__ = ["LSTM"]

F32 = np.float32
W = simd.WIDTH


@device_function
def _advance(acc, a, h, state, s, keep, gates, g, hidden, cells, c):
    i, f = sigmoid(load(acc, a)), sigmoid(load(acc, a + W))
    n, o = tanh(load(acc, a + 2 * W)), sigmoid(load(acc, a + 3 * W))
    now = fma(f, load(state, s), mul(i, n))
    store(state, s, now)
    if keep:
        store(gates, g, i)
        store(gates, g + hidden, f)
        store(gates, g + 2 * hidden, n)
        store(gates, g + 3 * hidden, o)
        store(cells, c, now)
    return mul(o, tanh(now))


@device_function
def _retreat(gates, g, hidden, now, before, h, dh, state, s):
    one = splat(F32(1))
    i, f = load(gates, g), load(gates, g + hidden)
    n, o = load(gates, g + 2 * hidden), load(gates, g + 3 * hidden)
    out = tanh(now)
    do = mul(dh, out)
    # d tanh = 1 - tanh^2
    dc = fma(mul(dh, o), sub(one, mul(out, out)), load(state, s))
    store(state, s, mul(dc, f))
    di = mul(mul(dc, n), mul(i, sub(one, i)))
    df = mul(mul(dc, before), mul(f, sub(one, f)))
    dn = mul(mul(dc, i), sub(one, mul(n, n)))
    do = mul(do, mul(o, sub(one, o)))
    return di, df, dn, do, splat(F32(0))


LSTM = Cell(_advance, _retreat, of_x=(0, 4), of_h=(0, 4), remembers=True)
