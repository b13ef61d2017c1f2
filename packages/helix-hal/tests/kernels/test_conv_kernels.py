"""Convolution kernels beside einsum in float64, and the lowering beside the reference."""

import helix_core as hx
import numpy as np
import pytest
from helix_core.reference.backend import LOWERINGS as NUMPY
from helix_hal.cpu import conv_lowering, threads
from helix_hal.cpu.kernels import conv, depthwise
from helix_hal.cpu.kernels.conv_taps import Taps

TILES = [(12, 2), (6, 1)]
DTYPES = [(np.float32, 3e-6), (np.float64, 1e-13)]


def problem(channels, outs, groups=1, sizes=(2, 6, 7), kernel=(3, 2), dtype=np.float64):
    """x and dy channels last, w (outs, channels / groups, 1, *kernel), the taps."""
    rng = np.random.default_rng(channels + outs)
    batch, height, width = sizes
    x = rng.standard_normal((batch, 1, height, width, channels))
    w = rng.standard_normal((outs, channels // groups, 1, *kernel))
    places = tuple(
        (n + 2 - k) // s + 1
        for n, k, s in zip((height, width), kernel, (2, 1), strict=True)
    )
    dy = rng.standard_normal((batch, 1, *places, outs))
    at = tuple((0, i, j) for i in range(kernel[0]) for j in range(kernel[1]))
    size = kernel[0] * kernel[1]
    each = np.arange(channels // groups) * size
    offsets = np.add.outer(np.arange(size), each).reshape(-1)
    taps = Taps((1, 2, 1), (0, -1, -1), at, offsets, channels // groups)
    return [a.astype(dtype) for a in (x, w, dy)], taps


def columns(x, w, dy, groups):
    """(batch, y, x, group, tap, channel): what every place sees, border included."""
    wide = np.pad(x[:, 0].astype(np.float64), [(0, 0), (1, 1), (1, 1), (0, 0)])
    rows, cols = dy.shape[2:4]
    taps = [
        wide[:, i : i + 2 * rows - 1 : 2, j : j + cols]
        for i in range(w.shape[3])
        for j in range(w.shape[4])
    ]
    seen = np.stack(taps, -2)
    return seen.reshape(*seen.shape[:4], groups, -1).swapaxes(3, 4)


def grouped(w, groups):
    """(group, out, channel, tap) in float64."""
    wide = w.astype(np.float64)
    return wide.reshape(groups, w.shape[0] // groups, w.shape[1], -1)


SIZES = [(5, 7, 1), (16, 32, 1), (40, 70, 1), (24, 12, 3), (24, 72, 2)]


@pytest.mark.parametrize("tile", TILES)
@pytest.mark.parametrize("dtype, tol", DTYPES)
@pytest.mark.parametrize("channels, outs, groups", SIZES)
def test_windows_and_the_sum_over_pixels(channels, outs, groups, dtype, tol, tile):
    (x, w, dy), taps = problem(channels, outs, groups, dtype=dtype)
    seen, filters = columns(x, w, dy, groups), grouped(w, groups)
    want = np.einsum("bijgtc,goct->bijgo", seen, filters).reshape(dy.shape)
    got = np.full(dy.shape, np.nan, dtype)
    conv.windows(x, w, got, taps, groups, tile)
    assert np.abs(got - want).max() <= tol * np.abs(want).max()
    ct = dy.astype(np.float64)[:, 0].reshape(*seen.shape[:4], -1)
    want = np.einsum("bijgtc,bijgo->goct", seen, ct).reshape(w.shape)
    got = np.full(w.shape, np.nan, dtype)
    conv.outer(x, dy, got, taps, groups, tile)
    assert np.abs(got - want).max() <= tol * np.abs(want).max()


@pytest.mark.parametrize("dtype, tol", DTYPES)
@pytest.mark.parametrize("channels", [1, 8, 16, 37])
def test_one_filter_a_channel(channels, dtype, tol):
    (x, w, dy), taps = problem(channels, channels, channels, dtype=dtype)
    seen, filters = columns(x, w, dy, channels), grouped(w, channels)
    want = np.einsum("bijgtc,goct->bijgo", seen, filters).reshape(dy.shape)
    got = np.full(dy.shape, np.nan, dtype)
    by_tap = np.ascontiguousarray(w.reshape(channels, -1).T)
    depthwise.depthwise(x, by_tap, got, taps)
    assert np.abs(got - want).max() <= tol * np.abs(want).max()
    ct = dy.astype(np.float64)[:, 0].reshape(*seen.shape[:4], -1)
    want = np.einsum("bijgtc,bijgo->goct", seen, ct).reshape(channels, -1).T
    got = depthwise.depthwise_outer(x, dy, taps)
    assert np.abs(got - want).max() <= tol * np.abs(want).max()


def test_a_sum_over_many_pixels_is_cut_into_chunks():
    (x, w, dy), taps = problem(16, 32, sizes=(2, 96, 70), dtype=np.float32)
    seen = columns(x, w, dy, 1)
    ct = dy.astype(np.float64)[:, 0][..., None, :]
    want = np.einsum("bijgtc,bijgo->goct", seen, ct).reshape(w.shape)
    got = np.empty_like(w)
    conv.outer(x, dy, got, taps)
    assert np.abs(got - want).max() <= 1e-5 * np.abs(want).max()


def random_case(rng):
    """Arguments of the primitive, valid ones, of any kind."""
    n = int(rng.integers(1, 4))
    fg, bg = (1, 1)
    if rng.random() < 0.3:
        fg = int(rng.integers(2, 5))
    elif rng.random() < 0.3:
        bg = int(rng.integers(2, 4))
    c = int(rng.choice([1, 2, 3, 9, 17]))
    o = int(rng.choice([1, 2, 5, 33])) * fg * bg
    if fg > 1 and rng.random() < 0.5:  # one filter a channel
        c, o = 1, fg
    kernel = tuple(int(k) for k in rng.integers(1, 5 - n // 3, n))
    spread = tuple(int(d) for d in rng.integers(1, 4, n))
    step = tuple(int(d) for d in rng.integers(1, 3, n))
    sizes = tuple(int(s) for s in rng.integers(1, 8, n))
    pads, attrs = [], {}
    for k, d, s, e in zip(kernel, step, sizes, spread, strict=True):
        lo, hi = (int(p) for p in rng.integers(-1, 4, 2))
        short = (k - 1) * d + 1 - ((s - 1) * e + 1 + lo + hi)
        pads.append((lo, hi + max(0, short)))
    attrs["strides"] = tuple(int(s) for s in rng.integers(1, 4, n))
    attrs["padding"] = tuple(pads)
    attrs["lhs_dilation"], attrs["rhs_dilation"] = spread, step
    if rng.random() < 0.5:
        attrs["lhs_dilation"] = (1,) * n
        attrs["padding"] = tuple(
            (lo, hi + max(0, (k - 1) * d + 1 - (s + lo + hi)))
            for (lo, hi), k, d, s in zip(pads, kernel, step, sizes, strict=True)
        )
    attrs["feature_groups"], attrs["batch_groups"] = fg, bg
    x = rng.standard_normal((int(rng.integers(1, 4)) * bg, c * fg, *sizes))
    w = rng.standard_normal((o, c, *kernel))
    return layout(rng, x), layout(rng, w), attrs


def layout(rng, a):
    """The same numbers in another order of memory."""
    kind = rng.integers(0, 4)
    if kind == 1:  # channels last
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1)
    if kind == 2:  # swapped, as in the rule of the weights' gradient
        return np.swapaxes(np.ascontiguousarray(np.swapaxes(a, 0, 1)), 0, 1)
    if kind == 3:
        return np.ascontiguousarray(a[..., ::-1])[..., ::-1]
    return a


@pytest.mark.parametrize("seed", range(120))
def test_any_arguments_equal_the_reference(seed, monkeypatch):
    monkeypatch.setattr(conv_lowering, "_SMALL", 0)
    x, w, attrs = random_case(np.random.default_rng(seed))
    want = NUMPY["conv"](None, x, w, **attrs)
    got = conv_lowering.conv(None, x, w, **attrs)
    assert got.shape == want.shape and got.dtype == want.dtype
    np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-11)


CASES = [
    ((4, 64, 16, 16), (64, 64, 3, 3), 1),
    ((2, 3, 32, 32), (32, 3, 7, 7), 1),
    ((3, 40, 20, 20), (40, 1, 3, 3), 40),
    ((2, 24, 12, 12), (48, 8, 3, 3), 3),
]


@pytest.mark.parametrize("x, w, groups", CASES)
def test_the_number_of_threads_changes_no_bit(x, w, groups):
    rng = np.random.default_rng(0)
    x, w = (
        hx.tensor(rng.standard_normal(s).astype("f4"), device="cpu") for s in (x, w)
    )
    before, results = threads.get_num_threads(), set()
    try:
        for n in (1, 2, 3, 7):
            threads.set_num_threads(n)
            y, pull = hx.vjp(lambda x, w: hx.conv2d(x, w, None, 2, 1, 1, groups), x, w)
            parts = [np.asarray(t) for t in (y, *pull(y))]
            results.add(b"".join(p.tobytes() for p in parts))
    finally:
        threads.set_num_threads(before)
    assert len(results) == 1


def test_results_have_channels_last_in_memory():
    x, w = hx.ones((2, 16, 20, 20), device="cpu"), hx.ones((32, 16, 3, 3), device="cpu")
    y = hx.conv2d(x, w).buffer
    assert y.shape == (2, 32, 18, 18)
    assert np.moveaxis(y, 1, -1).flags.c_contiguous


def test_values_that_are_no_numbers_reach_what_they_touch_and_nothing_else():
    x = np.zeros((1, 16, 20, 20), np.float32)
    x[0, 3, 5, 5] = np.nan
    y = np.asarray(
        hx.conv2d(hx.tensor(x, device="cpu"), hx.ones((32, 16, 3, 3)), None, 1, 1)
    )
    touched = np.zeros((20, 20), bool)
    touched[4:7, 4:7] = True
    assert (np.isnan(y[0]) == touched).all()
