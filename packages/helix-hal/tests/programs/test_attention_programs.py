from __future__ import annotations

import helix_core as hx
import numpy as np
import pytest
import scipy.special
from helix_hal.programs import attention
from helix_hal.programs._attention_forms import Form
from programs_device import close

SMALL = Form(
    dtype="float32",
    d=2,
    dv=2,
    scale=0.5,
    causal=True,
    window=True,
    bias=False,
    slopes=True,
    lengths=True,
    grouped=True,
    half=False,
    rows=1,
)


def test_text(golden):
    golden(attention.attention(SMALL._replace(bias=True)))
    golden(attention.attention_queries(SMALL))
    golden(attention.attention_keys(SMALL))
    golden(attention.attention(SMALL._replace(rows=16)), "_of_lanes")


def _arrays(b, t, s, h, g, d, dv, bias=None, slopes=False):
    rng = np.random.default_rng(0)
    shapes = [(b, t, h, d), (b, s, g, d), (b, s, g, dv)]
    shapes += [] if bias is None else [bias]
    return [rng.standard_normal(x) for x in (*shapes, *[(h,)] * slopes)]


def _attention(bias=False, slopes=False, lengths=None, **attrs):
    def run(q, k, v, *rest):
        it = iter(rest)
        given = {"bias": next(it)} if bias else {}
        if slopes:
            given["slopes"] = next(it)
        if lengths is not None:
            given["lengths"] = hx.tensor(np.asarray(lengths), device=q.device)
        return hx.attention(q, k, v, **given, **attrs)

    return run


SHAPES = [(2, 9, 9, 2, 2, 3, 4), (1, 1, 1, 1, 1, 1, 1), (1, 18, 20, 4, 2, 2, 3)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("window", [None, 1, 3])
def test_default_body(either, shape, causal, window):
    close(_attention(causal=causal, window=window), _arrays(*shape), either, "float64")


@pytest.mark.parametrize("lengths", [[0, 7], [20, 3]])
@pytest.mark.parametrize("causal", [True, False])
def test_lengths_and_slopes(either, lengths, causal):
    fn = _attention(slopes=True, lengths=lengths, causal=causal)
    close(fn, _arrays(2, 17, 20, 2, 1, 2, 2, slopes=True), either, "float64")


@pytest.mark.parametrize("bias", [(2, 1, 9, 1), (1, 2, 9, 11)])
@pytest.mark.filterwarnings("ignore:.*refused")  # its backward pass is the default body
def test_bias(either, bias):
    close(_attention(bias=True), _arrays(2, 9, 11, 2, 2, 3, 3, bias), either, "float64")


def test_more_queries_than_keys(either):
    """The first queries see nothing: zeros, and no gradient."""
    fn = _attention(causal=True)
    y, *grads = close(fn, _arrays(1, 12, 9, 1, 1, 2, 2), either, "float64")
    assert not y[0, :3].any() and not grads[0][0, :3].any()


@pytest.mark.parametrize("causal", [True, False])
def test_several_parts(either, causal, monkeypatch):
    """Some queries at a time, and the keys that these see."""
    monkeypatch.setattr(attention, "_LEAST", 4)
    for window in (None, 5, 30):
        fn = _attention(causal=causal, window=window)
        close(fn, _arrays(1, 50, 61, 2, 1, 2, 2), either, "float64")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_dtypes(either, dtype):
    close(_attention(causal=True), _arrays(2, 17, 17, 2, 1, 4, 4), either, dtype)


def test_scipy(either):
    q, k, v = _arrays(1, 10, 12, 1, 1, 4, 3)
    p = scipy.special.softmax(q[0, :, 0] @ k[0, :, 0].T * 0.5, axis=1)
    got = hx.attention(*[hx.tensor(x, device=either) for x in (q, k, v)]).numpy()
    np.testing.assert_allclose(got[0, :, 0], p @ v[0, :, 0], rtol=1e-12)


def test_products_of_rounded_numbers(either):
    """``precision("bfloat16")`` rounds what is multiplied."""
    arrays = [x.astype(np.float32) for x in _arrays(1, 9, 9, 1, 1, 4, 4)]
    here = [hx.tensor(x, device=either) for x in arrays]
    there = [hx.tensor(x, device="numpy") for x in arrays]
    exact = hx.attention(*there).numpy()
    with hx.precision("bfloat16"):
        got, want = hx.attention(*here).numpy(), hx.attention(*there).numpy()
    np.testing.assert_allclose(got, want, atol=5e-3)
    assert np.abs(got - exact).max() > 1e-6


def test_what_nobody_sees_leaves_no_trace(either):
    """Padding may hold anything, forwards and backwards."""
    q, k, v = _arrays(1, 9, 9, 1, 1, 2, 2)
    k[:, 6:], v[:, 6:] = np.nan, np.inf
    fn = _attention(lengths=[6])
    for a in close(fn, (q, k, v), either, "float64"):
        assert np.isfinite(a).all()
    q, k, v = _arrays(1, 12, 9, 1, 1, 2, 2)
    q[:, :3] = np.nan
    for a in close(_attention(causal=True), (q, k, v), either, "float64"):
        assert np.isfinite(a).all()


def test_heads_of_a_projection(either):
    """Queries, keys and values are read where one product wrote them."""
    x = np.random.default_rng(1).standard_normal((2, 9, 12))
    t = hx.tensor(x, device=either)
    parts = [hx.reshape(t[..., i : i + 4], 2, 9, 2, 2) for i in (0, 4, 8)]
    want = hx.attention(*[hx.tensor(p.numpy(), device="numpy") for p in parts])
    got = hx.attention(*parts)
    np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-12)


def test_wide_heads_are_refused(either):
    q = hx.zeros((1, 1, 1, 129))
    flags = dict.fromkeys(("causal", "bias", "slopes", "lengths"), False)
    flags |= {"window": None, "scale": 1.0, "compute": "float32"}
    choice = hx.which("attention", either, q, q, q, **flags)
    assert choice.kernel == "default" and "at most 128 features" in choice.why
    flags["bias"] = True
    choice = hx.which("attention.bwd", either, q, q, q, **flags)
    assert choice.kernel == "default" and "no bias" in choice.why
