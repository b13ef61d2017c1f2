"""Attention and rotary embedding beside their equations in NumPy, on every device."""

import helix_core as hx
import numpy as np
import pytest
from gradcheck import check_grads

RNG = np.random.default_rng(0)
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*a kernel for 'cpu' exists but refused"
)


def n(*shape):
    return RNG.normal(size=shape)


def visible(tq, tk, causal=False, window=None, lengths=None):
    """(batch or 1, 1, tq, tk), from the definition, score by score."""
    rows = [None] if lengths is None else lengths
    out = np.zeros((len(rows), 1, tq, tk), bool)
    for b, length in enumerate(rows):
        for i in range(tq):
            for j in range(tk):
                back = tk - tq + i - j
                hidden = causal and back < 0
                hidden |= window is not None and abs(back) >= window
                hidden |= length is not None and j >= length
                out[b, 0, i, j] = not hidden
    return out


def reference(q, k, v, bias=0.0, slopes=None, scale=None, **masks):
    (_, tq, h, d), (tk, g) = q.shape, k.shape[1:3]
    k, v = (np.repeat(x, h // g, 2) for x in (k, v))
    z = (
        np.einsum("bihd,bjhd->bhij", q, k) * (d**-0.5 if scale is None else scale)
        + bias
    )
    if slopes is not None:
        back = np.arange(tq)[:, None] + tk - tq - np.arange(tk)
        z = z - slopes[:, None, None] * np.abs(back)
    e = np.exp(z - z.max(-1, keepdims=True)) * visible(tq, tk, **masks)
    total = e.sum(-1, keepdims=True)
    return np.einsum("bhij,bjhd->bihd", e / np.where(total == 0, 1, total), v)


CASES = {
    "everything": ((2, 5, 7, 4, 2), {}),
    "causal": ((2, 5, 7, 4, 2), {"causal": True}),
    "more queries than keys": ((1, 7, 4, 2, 1), {"causal": True}),
    "window": ((1, 6, 6, 2, 2), {"window": 2}),
    "causal window": ((2, 6, 9, 4, 1), {"causal": True, "window": 3}),
    "lengths": ((3, 4, 6, 2, 2), {"lengths": [6, 0, 2]}),
    "all": ((2, 5, 7, 4, 2), {"causal": True, "window": 4, "lengths": [7, 3]}),
    "one": ((1, 1, 1, 1, 1), {"causal": True}),
}


def arguments(size, masks):
    b, tq, tk, h, g = size
    given = dict(masks)
    if "lengths" in given:
        given["lengths"] = hx.tensor(np.array(given["lengths"], np.int64))
    return (n(b, tq, h, 3), n(b, tk, g, 3), n(b, tk, g, 6)), given


@pytest.mark.parametrize("name", CASES)
def test_values_and_two_derivatives(name):
    size, masks = CASES[name]
    xs, given = arguments(size, masks)
    y = hx.attention(*map(hx.tensor, xs), **given)
    np.testing.assert_allclose(y.numpy(), reference(*xs, **masks), atol=1e-12)
    check_grads(lambda *xs: hx.attention(*xs, **given), *xs, order=2)


@pytest.mark.parametrize("shape", [(2, 4, 5, 7), (4, 1, 7), (5, 1), (), (2, 1, 1, 7)])
def test_bias_and_slopes_broadcast_and_have_gradients(shape):
    (q, k, v), _ = arguments((2, 5, 7, 4, 2), {})
    bias, slopes = n(*shape), n(4)

    def fn(q, k, v, bias, slopes):
        return hx.attention(q, k, v, bias=bias, slopes=slopes, causal=True, scale=0.7)

    y = fn(*map(hx.tensor, (q, k, v, bias, slopes)))
    want = reference(q, k, v, bias, slopes, causal=True, scale=0.7)
    np.testing.assert_allclose(y.numpy(), want, atol=1e-12)
    check_grads(fn, q, k, v, bias, slopes, order=2)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nothing_hidden_leaks_and_blind_rows_are_zero(dtype):
    q, k, v = (x.astype(dtype) for x in (n(2, 5, 2, 4), n(2, 6, 1, 4), n(2, 6, 1, 4)))
    lengths = hx.tensor(np.array([3, 0], np.int32))
    clean = [x.copy() for x in (q, k, v)]
    k[0, 3:], v[0, 3:], k[1], v[1], q[1] = np.nan, np.inf, np.inf, np.nan, np.nan

    def run(xs):
        fn = lambda *xs: hx.attention(*xs, lengths=lengths)
        y, pull = hx.vjp(fn, *map(hx.tensor, xs))
        return [np.asarray(t) for t in (y, *pull(hx.ones_like(y)))]

    got, want = run((q, k, v)), run(clean)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_array_equal(a, b)
        assert not a[1].any()
    assert not got[2][0, 3:].any() and not got[3][0, 3:].any() and got[3][0, :3].any()


def test_a_bias_of_minus_infinity_hides_too():
    q, k, v = n(1, 3, 1, 4), n(1, 3, 1, 4), n(1, 3, 1, 4)
    bias = np.where(np.tril(np.ones((3, 3))) > 0, 0.0, -np.inf)
    bias[0] = -np.inf
    y, pull = hx.vjp(
        lambda *xs: hx.attention(*xs, bias=bias), *map(hx.tensor, (q, k, v))
    )
    want = reference(q, k, v, causal=True)
    assert not y.numpy()[0, 0].any()
    np.testing.assert_allclose(y.numpy()[0, 1:], want[0, 1:])
    assert all(np.isfinite(np.asarray(g)).all() for g in pull(y))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_scores_do_not_overflow(dtype):
    q = hx.tensor(np.full((1, 2, 1, 2), 1e4, dtype))
    k = hx.tensor(np.array([[1e4, 1e4], [-1e4, -1e4]], dtype).reshape(1, 2, 1, 2))
    v = hx.tensor(np.array([3.0, 5.0], dtype).reshape(1, 2, 1, 1))
    y, pull = hx.vjp(lambda *xs: hx.attention(*xs), q, k, v)
    assert y.numpy().ravel().tolist() == [3.0, 3.0]
    assert all(np.isfinite(np.asarray(g)).all() for g in pull(hx.ones_like(y)))


@pytest.mark.parametrize("b,tq,tk", [(1, 0, 3), (1, 3, 0), (2, 0, 0), (0, 3, 3)])
def test_no_time_and_no_batch(b, tq, tk):
    xs = [hx.tensor(n(*s)) for s in ((b, tq, 4, 3), (b, tk, 2, 3), (b, tk, 2, 6))]
    y, pull = hx.vjp(lambda *xs: hx.attention(*xs, causal=True), *xs)
    assert y.shape == (b, tq, 4, 6) and not y.numpy().any()
    for x, g in zip(xs, pull(y), strict=True):
        assert g.shape == x.shape and not g.numpy().any()


def test_one_step_of_a_cache_is_the_last_row_of_the_whole():
    q, k, v = (hx.tensor(n(2, 9, 2, 4)) for _ in range(3))
    whole = hx.attention(q, k, v, causal=True, window=5)
    step = hx.attention(q[:, 8:], k, v, causal=True, window=5)
    np.testing.assert_allclose(step.numpy(), whole.numpy()[:, 8:], atol=1e-14)


def test_traced_and_compiled_give_the_same():
    xs = [hx.tensor(n(1, 6, 2, 4).astype("f4")) for _ in range(3)]
    fn = lambda q, k, v: hx.attention(q, k, v, causal=True)
    again = hx.compile(fn)(*xs)
    np.testing.assert_allclose(again.numpy(), fn(*xs).numpy(), atol=1e-6)


def test_mixed_precision_rounds_operands_and_its_backward_does_too():
    xs = [hx.tensor(n(1, 6, 2, 32).astype("f4")) for _ in range(3)]
    fn = lambda *xs: hx.attention(*xs, causal=True)
    exact, pull = hx.vjp(fn, *xs)
    with hx.precision("bfloat16"):
        rough, rough_pull = hx.vjp(fn, *xs)
    for a, b in zip((exact, *pull(exact)), (rough, *rough_pull(exact)), strict=True):
        a, b = a.numpy(), b.numpy()
        assert 1e-4 < np.abs(a - b).max() / np.abs(a).max() < 2e-2


@pytest.mark.parametrize(
    "shapes,options,message",
    [
        ([(1, 2, 3), (1, 2, 3), (1, 2, 3)], {}, r"\(batch, time, heads, d_head\)"),
        ([(1, 2, 3, 4), (2, 2, 3, 4), (2, 2, 3, 4)], {}, "one batch size"),
        ([(1, 2, 3, 4), (1, 2, 3, 4), (1, 5, 3, 4)], {}, "equal time and heads"),
        ([(1, 2, 3, 4), (1, 2, 3, 5), (1, 2, 3, 5)], {}, "one d_head"),
        (
            [(1, 2, 3, 4), (1, 2, 2, 4), (1, 2, 2, 4)],
            {},
            "divides 3 query heads; got q.shape",
        ),
        (
            [(1, 2, 3, 4)] * 3,
            {"window": 0},
            "window None or a whole number >= 1; got 0",
        ),
        ([(1, 2, 3, 4)] * 3, {"window": 1.5}, "got 1.5"),
        ([(1, 2, 3, 4)] * 3, {"bias": hx.ones((3,))}, r"bias that .*; got \(3,\)"),
        ([(1, 2, 3, 4)] * 3, {"slopes": hx.ones((2,))}, r"slopes \(heads,\)=\(3,\)"),
        ([(1, 2, 3, 4)] * 3, {"lengths": hx.ones((1,))}, "integer lengths"),
        ([(1, 2, 3, 4)] * 3, {"lengths": hx.zeros((2,))}, r"lengths \(batch,\)=\(1,\)"),
    ],
)
def test_what_does_not_fit_is_named(shapes, options, message):
    with pytest.raises(hx.HelixError, match=message):
        hx.attention(*(hx.ones(s) for s in shapes), **options)


# ------------------------------------------------------------------------------ rotary
def turned(x, cos, sin, interleaved):
    """Each pair as a complex number times cos + i sin."""
    out, half = x.copy(), cos.shape[-1]
    for i in range(half):
        a, b = (2 * i, 2 * i + 1) if interleaved else (i, i + half)
        z = x[..., a] + 1j * x[..., b]
        z = z * (cos[..., i] + 1j * sin[..., i])[..., None]
        out[..., a], out[..., b] = z.real, z.imag
    return out


@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("tables", [(5, 4), (2, 5, 4), (5, 3), (5, 1)])
def test_rotary(tables, interleaved):
    x, angle = n(2, 5, 3, 8), n(*tables)
    cos, sin = np.cos(angle), np.sin(angle)
    y = hx.rotary(*map(hx.tensor, (x, cos, sin)), interleaved=interleaved)
    np.testing.assert_allclose(y.numpy(), turned(x, cos, sin, interleaved), atol=1e-12)
    check_grads(
        lambda *xs: hx.rotary(*xs, interleaved=interleaved), x, cos, sin, order=2
    )


def test_rotary_of_no_pairs_or_no_time_changes_nothing():
    x = hx.tensor(n(2, 5, 3, 8))
    assert hx.rotary(x, hx.ones((5, 0)), hx.ones((5, 0))) is x
    empty = hx.rotary(x[:, :0], hx.ones((0, 4)), hx.ones((0, 4)))
    assert empty.shape == (2, 0, 3, 8)


@pytest.mark.parametrize(
    "x,cos,sin",
    [
        ((5, 3, 8), (5, 4), (5, 4)),
        ((2, 5, 3, 8), (4, 4), (4, 4)),
        ((2, 5, 3, 8), (5, 4), (5, 3)),
        ((2, 5, 3, 8), (5, 5), (5, 5)),
        ((2, 5, 3, 8), (3, 5, 4), (3, 5, 4)),
    ],
)
def test_rotary_tables_that_do_not_fit(x, cos, sin):
    with pytest.raises(hx.ShapeError, match=r"\[rotary\] expected"):
        hx.rotary(hx.ones(x), hx.ones(cos), hx.ones(sin))
