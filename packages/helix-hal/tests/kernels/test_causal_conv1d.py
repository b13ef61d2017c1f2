"""The short convolution beside `numpy.convolve`, its gradients beside differences."""

import numpy as np
import pytest
from helix_hal.cpu import threads
from helix_hal.cpu.kernels.causal_conv1d import (
    causal_conv1d_backward,
    causal_conv1d_forward,
)

F32 = np.float32


def convolution(x, w, bias=None, state=None, *, silu):
    """Channel by channel, in float64; and the last k - 1 inputs."""
    x, w = np.asarray(x, np.float64), np.asarray(w, np.float64)
    (b, length, d), k = x.shape, w.shape[1]
    before = np.zeros((b, k - 1, d)) if state is None else state
    full = np.concatenate([before, x], 1)
    y = np.empty_like(x)
    for i in range(b):
        for c in range(d):
            y[i, :, c] = np.convolve(full[i, :, c], w[c, ::-1], "valid")[:length]
    y = y if bias is None else y + bias
    return (y / (1 + np.exp(-y)) if silu else y), full[:, length:]


def draw(b, length, d, k, *optional):
    rng = np.random.default_rng(b + length + d + k)
    x = {
        "x": rng.standard_normal((b, length, d)),
        "w": rng.standard_normal((d, k)),
        "bias": rng.standard_normal(d),
        "state": rng.standard_normal((b, k - 1, d)),
    }
    drop = {"bias", "state"} - set(optional)
    return {name: v.astype(F32) for name, v in x.items() if name not in drop}


def close(got, want, tolerance=2e-6):
    want = np.asarray(want)
    assert got.shape == want.shape and got.dtype == F32
    error = np.abs(got - want).max(initial=0.0)
    assert error <= tolerance * max(np.abs(want).max(initial=0.0), 1.0)


SIZES = [
    *[(1, length, 16, 4) for length in (1, 2, 3, 4, 63, 64, 65, 66, 67, 200)],
    *[(2, 70, d, 4) for d in (1, 15, 17, 48)],
    *[(2, 70, 20, k) for k in (1, 2, 3, 5, 16)],
    *[(1, length, 20, 16) for length in (1, 7, 15)],
]


def _id(size):
    return "b{}-t{}-d{}-k{}".format(*size)


@pytest.mark.parametrize("silu", [False, True])
@pytest.mark.parametrize("size", SIZES, ids=_id)
def test_forward_is_the_convolution(size, silu):
    for optional in [(), ("bias",), ("state",), ("bias", "state")]:
        x = draw(*size, *optional)
        y, last = causal_conv1d_forward(**x, silu=silu)
        want, kept = convolution(**x, silu=silu)
        close(y, want)
        np.testing.assert_array_equal(last, kept.astype(F32))


@pytest.mark.parametrize("silu", [False, True])
@pytest.mark.parametrize("optional", [(), ("bias",), ("state",), ("bias", "state")])
@pytest.mark.parametrize("size", SIZES, ids=_id)
def test_gradients_are_the_differences_of_the_loss(size, optional, silu):
    x = draw(*size, *optional)
    b, length, d, k = size
    rng = np.random.default_rng(7)
    dy = rng.standard_normal((b, length, d)).astype(F32)
    dlast = rng.standard_normal((b, k - 1, d)).astype(F32)
    given = (x["x"], x["w"], x.get("bias"), x.get("state"))
    grads = causal_conv1d_backward(*given, dy, dlast, silu=silu)

    def loss(inputs):
        y, last = convolution(**inputs, silu=silu)
        return (y * dy).sum() + (last * dlast).sum()

    step = 1e-5
    for name, g in zip(("x", "w", "bias", "state"), grads, strict=True):
        if name not in x:
            continue
        assert g.shape == x[name].shape and g.dtype == F32
        way = rng.standard_normal(g.shape)
        above = loss({**x, name: x[name].astype(np.float64) + step * way})
        below = loss({**x, name: x[name].astype(np.float64) - step * way})
        got = (g * way).sum(dtype=np.float64)
        scale = np.sqrt((g.astype(np.float64) ** 2).sum()) + 1e-6
        assert abs(got - (above - below) / (2 * step)) <= 2e-5 * scale, name


def test_two_pieces_with_the_state_passed_equal_one():
    x = draw(2, 150, 33, 4, "bias", "state")
    y, last = causal_conv1d_forward(**x, silu=True)
    first = {**x, "x": x["x"][:, :77]}
    y1, mid = causal_conv1d_forward(**first, silu=True)
    y2, end = causal_conv1d_forward(x["x"][:, 77:], x["w"], x["bias"], mid, silu=True)
    np.testing.assert_array_equal(np.concatenate([y1, y2], 1), y)
    np.testing.assert_array_equal(end, last)


def test_no_steps_leave_the_state_as_it_is():
    x = draw(2, 0, 20, 4, "state")
    y, last = causal_conv1d_forward(**x, silu=True)
    assert y.shape == (2, 0, 20)
    np.testing.assert_array_equal(last, x["state"])
    dlast = np.ones_like(last)
    dx, dw, _, ds = causal_conv1d_backward(
        x["x"], x["w"], None, x["state"], y, dlast, silu=True
    )
    assert dx.shape == y.shape and not dw.any()
    np.testing.assert_array_equal(ds, dlast)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_stays_in_its_channel_and_within_the_taps(bad):
    x = draw(2, 90, 35, 4)
    x["x"][1, 63, 20] = bad
    y, _ = causal_conv1d_forward(**x, silu=False)
    hit = np.zeros(y.shape, bool)
    hit[1, 63:67, 20] = True
    np.testing.assert_array_equal(~np.isfinite(y), hit)


def test_silu_far_from_zero():
    x = np.array([-200.0, -90.0, -20.0, 0.0, 20.0, 90.0, 1e30], F32).reshape(1, 7, 1)
    y, _ = causal_conv1d_forward(x, np.ones((1, 1), F32), silu=True)
    want = [0.0, 0.0, -20 / (1 + np.exp(20.0)), 0.0, 20.0, 90.0, 1e30]
    np.testing.assert_allclose(y.ravel(), want, rtol=1e-5, atol=1e-30)


def test_strided_inputs_are_read_as_they_look():
    x = draw(2, 70, 32, 4, "bias", "state")
    rng = np.random.default_rng(2)
    dy = rng.standard_normal(x["x"].shape).astype(F32)
    dlast = rng.standard_normal(x["state"].shape).astype(F32)

    def strided(a):
        wide = np.full((*a.shape[:-1], 2 * a.shape[-1] + 1), np.nan, F32)
        wide[..., ::2][..., : a.shape[-1]] = a
        return wide[..., ::2][..., : a.shape[-1]]

    other = {k: strided(v) for k, v in x.items()}
    for a, b in zip(
        (
            *causal_conv1d_forward(**x, silu=True),
            *causal_conv1d_backward(*x.values(), dy, dlast, silu=True),
        ),
        (
            *causal_conv1d_forward(**other, silu=True),
            *causal_conv1d_backward(
                *other.values(), strided(dy), strided(dlast), silu=True
            ),
        ),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


def test_the_thread_count_changes_no_bit(monkeypatch):
    x = draw(3, 300, 40, 4, "bias", "state")
    results = []
    for n in (1, 2, 3, 7):
        monkeypatch.setattr(threads, "_num_threads", n)
        out = causal_conv1d_forward(**x, silu=True)
        grads = causal_conv1d_backward(*x.values(), x["x"], x["state"], silu=True)
        results.append(b"".join(a.tobytes() for a in (*out, *grads)))
    assert len(set(results)) == 1
