"""The passes of LSTM and GRU beside their steps in float64, as their papers and torch's
pages write them, and beside differences of those."""

import math

import ml_dtypes
import numpy as np
import pytest
from helix_hal.cpu import threads
from helix_hal.cpu.jit import kernel
from helix_hal.cpu.kernels import simd
from helix_hal.cpu.kernels.gru import GRU
from helix_hal.cpu.kernels.lstm import LSTM
from helix_hal.cpu.kernels.rnn_backward import backward_pass
from helix_hal.cpu.kernels.rnn_forward import forward_pass
from helix_hal.cpu.kernels.rnn_tile import rounded, tanh
from helix_hal.cpu.kernels.simd import load, store

F32 = np.float32
W = simd.WIDTH
SIZES = [  # batch, time, input, hidden
    (8, 5, 6, 7),
    (1, 1, 1, 1),
    (2, 3, 32, 32),
    (3, 40, 5, 6),
    (5, 7, 33, 17),
    (37, 4, 20, 40),
    (16, 3, 64, 160),
]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def same(x):
    return x


def bfloat16(x):
    return x.astype(F32).astype(ml_dtypes.bfloat16).astype(np.float64)


def lstm_cell(a, h, c, w, bias, operand):
    """One step from the input's sums (batch, 4 hidden) in the order i, f, g, o."""
    i, f, g, o = np.split(a + operand(h) @ operand(w).T + bias, 4, -1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def gru_cell(a, h, c, w, bias, operand):
    """One step from the input's sums (batch, 3 hidden) of n, r, z."""
    n, r, z = np.split(a, 3, -1)
    hr, hz, hn = np.split(operand(h) @ operand(w).T, 3, -1)
    bn, br, bz, bh = np.split(bias, 4)
    r, z = sigmoid(r + hr + br), sigmoid(z + hz + bz)
    n = np.tanh(n + bn + r * (hn + bh))
    return (1 - z) * n + z * h, c


CELLS = {"lstm": (LSTM, lstm_cell, 4, 4), "gru": (GRU, gru_cell, 3, 3)}
GIVEN = ("x", "h0", "c0", "w_ih", "w_hh", "bias")


def normal(rng, *shape):
    return rng.standard_normal(shape).astype(F32)


def draw(name, size, seed=0):
    """Inputs by name, lengths from 0 to all, and cotangents of the outputs."""
    (batch, time, inner, hidden), (*_, of_x, of_h) = size, CELLS[name]
    rng = np.random.default_rng(seed)
    inputs = {
        "x": normal(rng, batch, time, inner),
        "h0": normal(rng, batch, hidden),
        "c0": normal(rng, batch, hidden),
        "w_ih": normal(rng, of_x * hidden, inner) * F32(inner**-0.5),
        "w_hh": normal(rng, of_h * hidden, hidden) * F32(hidden**-0.5),
        "bias": normal(rng, 4 * hidden),
    }
    cts = [normal(rng, batch, time, hidden), *normal(rng, 2, batch, hidden)]
    if name == "gru":
        inputs["c0"], cts[2] = None, None
    lengths = rng.integers(0, time + 1, batch).astype(np.int32)
    lengths[0] = time
    return inputs, lengths, cts


def forward(name, inputs, lengths, reverse=False, compute="float32", keep=True):
    given = [inputs[k] for k in GIVEN]
    return forward_pass(
        CELLS[name][0], *given, lengths, reverse=reverse, compute=compute, keep=keep
    )


def backward(name, inputs, lengths, cts, reverse=False, compute="float32"):
    """Gradients by the inputs' names."""
    out = forward(name, inputs, lengths, reverse, compute)
    gates, cells = out[3:] if name == "lstm" else (out[2], None)
    given = [inputs[k] for k in GIVEN[:-1]]
    grads = backward_pass(
        CELLS[name][0], *given, lengths, out[0], gates, cells, *cts,
        reverse=reverse, compute=compute,
    )  # fmt: skip
    return dict(zip([k for k in GIVEN if inputs[k] is not None], grads, strict=True))


def walk(name, inputs, lengths, reverse=False, operand=same):
    """Outputs (batch, time, hidden), and the last output and cells."""
    x, h, c, w_ih, w_hh, bias = (
        None if inputs[k] is None else np.asarray(inputs[k], np.float64) for k in GIVEN
    )
    cell, sums = CELLS[name][1], operand(x) @ operand(w_ih).T
    y = np.zeros((*x.shape[:2], h.shape[1]))
    steps = range(x.shape[1])
    for t in reversed(steps) if reverse else steps:
        new_h, new_c = cell(sums[:, t], h, c, w_hh, bias, operand)
        on = (t < lengths)[:, None]
        y[:, t], h = np.where(on, new_h, 0), np.where(on, new_h, h)
        c = None if c is None else np.where(on, new_c, c)
    return [a for a in (y, h, c) if a is not None]


def slope(name, inputs, lengths, cts, key, direction, reverse):
    """Of ``sum(cts * outputs)`` along a direction, by a central difference."""
    sides = []
    for step in (1e-5, -1e-5):
        moved = inputs[key].astype(np.float64) + step * direction
        outs = walk(name, {**inputs, key: moved}, lengths, reverse)
        sides.append(sum((o * c).sum() for o, c in zip(outs, cts, strict=False)))
    return (sides[0] - sides[1]) / 2e-5


def close(got, want, tolerance):
    want = np.asarray(want)
    assert got.shape == want.shape and got.dtype == F32
    assert np.abs(got - want).max() <= tolerance * max(np.abs(want).max(), 1e-30)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", CELLS)
def test_outputs_and_last_states(name, size, reverse):
    inputs, lengths, _ = draw(name, size)
    want = walk(name, inputs, lengths, reverse)
    for keep in (False, True):
        got = forward(name, inputs, lengths, reverse, keep=keep)
        for a, b in zip(got, want, strict=False):
            close(a, b, 2e-6)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", CELLS)
def test_gradients_are_slopes(name, size, reverse):
    inputs, lengths, cts = draw(name, size)
    grads = backward(name, inputs, lengths, cts, reverse)
    rng = np.random.default_rng(1)
    for key, grad in grads.items():
        assert grad.shape == inputs[key].shape and grad.dtype == F32
        direction = rng.standard_normal(grad.shape)
        want = slope(name, inputs, lengths, cts, key, direction, reverse)
        size_of = np.linalg.norm(grad) * np.linalg.norm(direction) / grad.size**0.5
        assert abs((grad * direction).sum() - want) <= 1e-5 * max(size_of, 1e-3), key


@pytest.mark.parametrize("name", CELLS)
def test_past_the_end_everything_is_zero(name):
    inputs, _, cts = draw(name, (3, 5, 4, 6))
    lengths = np.array([2, 0, 5], np.int32)
    out = forward(name, inputs, lengths)
    kept = out[3:] if name == "lstm" else out[2:]
    for a in (out[0], *kept):
        assert not a[0, 2:].any() and not a[1].any() and a[2].any()
    assert out[1][1].tolist() == inputs["h0"][1].tolist()
    grads = backward(name, inputs, lengths, cts)
    assert not grads["x"][0, 2:].any() and not grads["x"][1].any()
    assert grads["h0"][1].tolist() == cts[1][1].tolist()


@pytest.mark.parametrize("name", CELLS)
def test_lengths_beyond_the_last_step_mean_every_step(name):
    inputs, _, cts = draw(name, (3, 5, 4, 6))
    long, whole = np.full(3, 99, np.int32), np.full(3, 5, np.int32)
    for a, b in zip(
        backward(name, inputs, long, cts, reverse=True).values(),
        backward(name, inputs, whole, cts, reverse=True).values(),
        strict=True,
    ):
        assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("name", CELLS)
def test_bfloat16_rounds_the_operands_of_products(name):
    inputs, lengths, cts = draw(name, (5, 6, 33, 40))
    got = forward(name, inputs, lengths, compute="bfloat16")
    want = walk(name, inputs, lengths, operand=bfloat16)
    plain = walk(name, inputs, lengths)
    # h is rounded again at each step, where float32 and float64 may part
    close(got[0], want[0], 1e-3)
    far = np.abs(got[0] - plain[0]).max()
    assert far > 3 * np.abs(got[0] - want[0]).max()
    exact = backward(name, inputs, lengths, cts)
    for key, grad in backward(name, inputs, lengths, cts, compute="bfloat16").items():
        close(grad, exact[key], 3e-2)
        assert grad.tobytes() != exact[key].tobytes()


@pytest.mark.parametrize("name", CELLS)
def test_the_number_of_threads_changes_no_bit(name):
    inputs, lengths, cts = draw(name, (70, 20, 40, 64))
    before, seen = threads.get_num_threads(), set()
    try:
        for n in (1, 2, 3, 7):
            threads.set_num_threads(n)
            out = forward(name, inputs, lengths)
            grads = backward(name, inputs, lengths, cts)
            seen.add(b"".join(a.tobytes() for a in (*out, *grads.values())))
    finally:
        threads.set_num_threads(before)
    assert len(seen) == 1


@pytest.mark.parametrize("name", CELLS)
def test_large_sums_saturate_and_nan_stays_in_its_sequence(name):
    inputs, *_ = draw(name, (3, 4, 5, 6))
    inputs["x"][0] *= 1e30
    inputs["x"][1, 1, 0] = np.nan
    lengths = np.full(3, 4, np.int32)
    y = forward(name, inputs, lengths)[0]
    assert np.isfinite(y[0]).all() and np.isfinite(y[2]).all()
    assert np.isfinite(y[1, 0]).all() and np.isnan(y[1, 1:]).all()


# ------------------------------------------------------------------- vector functions
@kernel
def each_tanh(lo, hi, x, y):
    for i in range(lo * W, hi * W, W):
        store(y, i, tanh(load(x, i)))


@kernel
def each_rounded(lo, hi, x, y):
    for i in range(lo * W, hi * W, W):
        store(y, i, rounded(load(x, i)))


def test_tanh_is_within_three_units_in_the_last_place():
    rng = np.random.default_rng(0)
    x = np.concatenate(
        [rng.uniform(-12, 12, 1 << 16), np.exp(rng.uniform(-80, 3, 1 << 16))]
    ).astype(F32)
    y = np.empty_like(x)
    each_tanh(0, x.size // W, x, y)
    exact = np.tanh(x.astype(np.float64))
    assert (np.abs(y - exact) <= 3 * np.spacing(np.abs(exact.astype(F32)))).all()
    ends = np.array([np.inf, -np.inf, 0.0, -0.0, np.nan, 1e-45] * 8, F32)
    each_tanh(0, 3, ends, out := np.empty_like(ends))
    assert out[:2].tolist() == [1.0, -1.0] and math.copysign(1, out[3]) == -1
    assert np.isnan(out[4]) and out[5] == ends[5]


def test_rounding_is_to_the_nearest_bfloat16_and_to_even():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 1 << 32, 1 << 16, dtype=np.uint32).view(F32)
    x[:4] = [np.inf, -np.inf, 3.4e38, -0.0]
    y = np.empty_like(x)
    each_rounded(0, x.size // W, x, y)
    with np.errstate(over="ignore", invalid="ignore"):
        want = x.astype(ml_dtypes.bfloat16).astype(F32)
    np.testing.assert_array_equal(y, want)
