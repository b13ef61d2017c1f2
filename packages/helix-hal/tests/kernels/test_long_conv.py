"""The long convolution beside scipy's, its gradients beside correlations in float64."""

import numpy as np
import pytest
from helix_hal.cpu import threads
from helix_hal.cpu.kernels import long_conv
from helix_hal.cpu.kernels.long_conv import long_conv_backward, long_conv_forward
from scipy.signal import oaconvolve

F32 = np.float32
NAMES = ("u", "k", "d", "pre", "post")


def along(x, k):
    return oaconvolve(x, k[None], axes=1)[:, : x.shape[1]]


def reference(a, dy):
    a = {name: x.astype(np.float64) for name, x in a.items()}
    one = np.ones(())
    pre, post = a.get("pre", one), a.get("post", one)
    u, k, d = a["u"], a["k"], a.get("d", one * 0)
    v, c = u * pre, dy * post
    y = along(v, k) + d * v
    dv = along(c[:, ::-1], k)[:, ::-1] + d * c
    lags = oaconvolve(c, v[:, ::-1], axes=1)[:, u.shape[1] - 1 :]
    grads = {
        "u": dv * pre,
        "k": lags.sum(0)[: len(k)],
        "d": (c * v).sum((0, 1)),
        "pre": dv * u,
        "post": dy * y,
    }
    return y * post, {name: grads[name] for name in a}


def draw(b, t, c, taps, optional=NAMES):
    rng = np.random.default_rng(b + t + c + taps)
    shapes = {"u": (b, t, c), "k": (taps, c), "d": (c,), "pre": (b, t, c)}
    shapes["post"] = (b, t, c)
    a = {n: rng.standard_normal(s).astype(F32) for n, s in shapes.items()}
    return {n: a[n] for n in ("u", "k", *optional[2:])}, a["pre"] * a["u"]


def close(got, want):
    assert got.shape == want.shape and got.dtype == F32
    assert np.abs(got - want).max() <= 2e-6 * max(np.abs(want).max(), 1e-3)


def check(a, dy):
    y, grads = reference(a, dy)
    close(long_conv_forward(**a), y)
    given = {name: a.get(name) for name in NAMES}
    got = long_conv_backward(**given, dy=dy)
    assert set(got) == set(grads)
    for name, want in grads.items():
        close(got[name], want)


SIZES = [
    *[(1, t, 16, t) for t in (1, 2, 15, 16, 17, 24, 100, 1000)],
    *[(2, 40, c, 40) for c in (1, 15, 17, 48)],
    *[(3, 1100, 20, taps) for taps in (1, 3, 256, 300, 1100)],
    (1, 3000, 16, 2000),
]


@pytest.mark.parametrize("size", SIZES)
def test_values_and_gradients(size):
    check(*draw(*size))


@pytest.mark.parametrize("optional", [(), ("d",), ("pre",), ("post",), ("pre", "post")])
@pytest.mark.parametrize("taps", [70, 5])
def test_each_option_alone(taps, optional):
    check(*draw(2, 600, 20, taps, ("u", "k", *optional)))


def test_a_short_filter_is_applied_in_blocks():
    plan, blocks = long_conv._choose(5000, 7)
    assert blocks > 1 and plan.size * blocks >= 5000
    assert long_conv._choose(5000, 5000)[1] == 1
    check(*draw(2, 5000, 16, 7))


def test_little_memory_changes_nothing(monkeypatch):
    a, dy = draw(5, 300, 40, 300)
    given = {name: a.get(name) for name in NAMES}
    much = long_conv_forward(**a), long_conv_backward(**given, dy=dy)
    monkeypatch.setattr(long_conv, "_BUDGET", 1)
    y, grads = long_conv_forward(**a), long_conv_backward(**given, dy=dy)
    np.testing.assert_array_equal(y, much[0])
    for name in NAMES:
        np.testing.assert_array_equal(grads[name], much[1][name])


def test_the_number_of_threads_changes_no_bit():
    a, dy = draw(2, 700, 40, 700)
    given = {name: a.get(name) for name in NAMES}
    before, results = threads.get_num_threads(), set()
    try:
        for count in (1, 2, 3, 7):
            threads.set_num_threads(count)
            out = [long_conv_forward(**a), *long_conv_backward(**given, dy=dy).values()]
            results.add(b"".join(x.tobytes() for x in out))
    finally:
        threads.set_num_threads(before)
    assert len(results) == 1


def test_strided_input_is_read_where_it_is():
    rng = np.random.default_rng(0)
    wide = rng.standard_normal((2, 50, 96)).astype(F32)
    u, pre, post = (wide[..., i : i + 32] for i in (0, 32, 64))
    k = rng.standard_normal((50, 32)).astype(F32)
    got = long_conv_forward(u, k, None, pre, post)
    same = long_conv_forward(u.copy(), k, None, pre.copy(), post.copy())
    np.testing.assert_array_equal(got, same)
    np.testing.assert_array_equal(
        long_conv_forward(np.ascontiguousarray(u[:, ::-1])[:, ::-1], k),
        long_conv_forward(u.copy(), k),
    )


def test_a_lone_channel_of_zeros_stays_zero():
    a, _ = draw(1, 64, 32, 64, ("u", "k"))
    a["u"][..., 5] = 0
    assert not long_conv_forward(**a)[..., 5].any()
