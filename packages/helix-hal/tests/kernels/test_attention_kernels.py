"""Attention's kernels beside the softmax and its derivative written out in float64."""

import numpy as np
import pytest
from helix_hal.cpu import pool, threads
from helix_hal.cpu.kernels.attention import attention_forward
from helix_hal.cpu.kernels.attention_backward import attention_backward
from helix_hal.cpu.kernels.attention_blocks import Call
from helix_hal.cpu.kernels.attention_decode import attention_decode

F32 = np.float32


def shares(q, k, call):
    """The weights (b, h, tq, tk) and the log-sum-exp of their scores."""
    (b, tq, h, _), (tk, g) = q.shape, k.shape[1:3]
    back = np.arange(tq)[:, None] + tk - tq - np.arange(tk)
    seen = np.ones((b, 1, tq, tk), bool)
    if call.causal:
        seen &= back >= 0
    if call.window:
        seen &= np.abs(back) < call.window
    if call.lengths is not None:
        seen &= np.arange(tk) < call.lengths[:, None, None, None]
    z = np.einsum("bihd,bjhd->bhij", q, np.repeat(k, h // g, 2)) * call.scale
    if call.bias is not None:
        z = z + call.bias
    if call.slopes is not None:
        z = z - np.asarray(call.slopes, "f8")[:, None, None] * np.abs(back)
    z = np.where(seen, z, -np.inf)
    top = z.max(-1, keepdims=True, initial=-1e300)
    e = np.exp(z - top)
    total = e.sum(-1, keepdims=True)
    with np.errstate(divide="ignore"):
        lse = np.where(total == 0, np.inf, np.log(total) + top)
    return e / np.where(total == 0, 1, total), lse[..., 0], np.abs(back)


def reference(q, k, v, dy, call):
    """y, lse and every gradient: the derivative of softmax, Dao's appendix B.2."""
    q, k, v, dy = (np.asarray(x, "f8") for x in (q, k, v, dy))
    h, g = q.shape[2], k.shape[2]
    p, lse, away = shares(q, k, call)
    wide_k, wide_v = (np.repeat(x, h // g, 2) for x in (k, v))
    y = np.einsum("bhij,bjhd->bihd", p, wide_v)
    dp = np.einsum("bihd,bjhd->bhij", dy, wide_v)
    ds = p * (dp - (p * dp).sum(-1, keepdims=True))

    def to_heads(x):
        return x.reshape(*x.shape[:2], g, h // g, x.shape[3]).sum(3)

    grads = [
        np.einsum("bhij,bjhd->bihd", ds, wide_k) * call.scale,
        to_heads(np.einsum("bhij,bihd->bjhd", ds, q)) * call.scale,
        to_heads(np.einsum("bhij,bihd->bjhd", p, dy)),
    ]
    scales = [max(1.0, np.abs(x).max(initial=0)) for x in grads]
    # the others are sums of many terms that cancel
    if call.bias is not None:
        over = tuple(i for i in range(4) if call.bias.shape[i] != ds.shape[i])
        grads.append(ds.sum(over, keepdims=True))
        scales.append(np.abs(ds).sum(over).max(initial=1.0))
    if call.slopes is not None:
        grads.append(-(ds * away).sum((0, 2, 3)))
        scales.append(np.abs(ds * away).sum((0, 2, 3)).max(initial=1.0))
    return y, lse, grads, scales


def draw(b, tq, tk, h, g, d, dv, seed=0):
    rng = np.random.default_rng(seed)
    shapes = (b, tq, h, d), (b, tk, g, d), (b, tk, g, dv), (b, tq, h, dv)
    return [rng.standard_normal(s).astype(F32) for s in shapes]


def check(q, k, v, dy, call):
    y, lse = attention_forward(q, k, v, call)
    want, want_lse, want_grads, scales = reference(q, k, v, dy, call)
    few = q.shape[1] * (q.shape[2] // k.shape[2]) <= 40
    for got, norm in [(y, lse), *([attention_decode(q, k, v, call)] if few else [])]:
        assert got.dtype == F32 and got.shape == want.shape
        assert np.abs(got - want).max(initial=0) <= 5e-6
        assert (np.isinf(norm) == np.isinf(want_lse)).all()
        near = np.nan_to_num(norm, posinf=0) - np.nan_to_num(want_lse, posinf=0)
        assert np.abs(near).max(initial=0) <= 2e-5
    got = attention_backward(q, k, v, y, lse, dy, call)
    grads = [x for x in got if x is not None]
    for mine, theirs, scale in zip(grads, want_grads, scales, strict=True):
        assert mine.dtype == F32 and mine.shape == theirs.shape
        assert np.abs(mine - theirs).max(initial=0) <= 1e-5 * scale


# b, tq, tk, heads, key heads, d, dv
SIZES = [
    (1, 1, 1, 1, 1, 1, 1),
    (2, 48, 64, 2, 2, 64, 64),
    (1, 49, 65, 2, 2, 32, 32),
    (2, 130, 150, 4, 2, 17, 33),
    (1, 150, 130, 4, 1, 40, 72),
    (1, 97, 200, 3, 3, 128, 128),
    (1, 200, 97, 2, 1, 3, 100),
    (3, 1, 600, 8, 2, 64, 64),
    (1, 7, 1100, 4, 4, 24, 8),
]
MASKS = [
    {},
    {"causal": True},
    {"window": 20},
    {"causal": True, "window": 33},
    {"causal": True, "window": 1},
]


@pytest.mark.parametrize("masks", MASKS, ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_every_size_and_mask(size, masks):
    xs = draw(*size)
    call = Call(scale=size[5] ** -0.5, **masks)
    check(*xs, call)
    lengths = np.array([size[2] // 3, 0, size[2]], np.int32)[: size[0]]
    check(*xs, call._replace(lengths=lengths))


@pytest.mark.parametrize("broadcast", range(16))
def test_bias_of_every_broadcast_shape(broadcast):
    b, tq, tk, h, g, d, dv = size = (2, 70, 131, 4, 2, 16, 24)
    whole = (b, h, tq, tk)
    shape = tuple(1 if broadcast >> i & 1 else n for i, n in enumerate(whole))
    bias = np.random.default_rng(1).standard_normal(shape).astype(F32)
    check(*draw(*size), Call(True, 50, 0.25, bias))
    check(*draw(b, 2, tk, h, g, d, dv), Call(True, scale=0.25, bias=bias[:, :, :1]))


def test_slopes_and_everything_together():
    rng = np.random.default_rng(2)
    for size in [(2, 70, 131, 4, 2, 16, 24), (2, 2, 700, 4, 2, 16, 24)]:
        b, tq, tk, h = size[:4]
        slopes = (2.0 ** -np.arange(1, h + 1)).astype(F32)
        bias = rng.standard_normal((b, h, tq, tk)).astype(F32)
        bias[:, :, :, ::7] = -np.inf
        lengths = np.array([tk, tk // 2], np.int32)
        check(*draw(*size), Call(slopes=slopes, scale=0.2))
        check(*draw(*size), Call(True, 60, 0.2, bias, slopes, lengths))


def test_random_sizes():
    rng = np.random.default_rng(3)
    for seed in range(60):
        b, g, share = (int(rng.integers(1, 4)) for _ in range(3))
        tq, tk, d, dv = (int(rng.integers(1, n)) for n in (160, 160, 70, 70))
        window = [None, int(rng.integers(1, 90))][seed % 2]
        lengths = rng.integers(0, tk + 2, b).astype(np.int32) if seed % 3 else None
        call = Call(bool(seed % 5 > 1), window, d**-0.5, lengths=lengths)
        check(*draw(b, tq, tk, g * share, g, d, dv, seed), call)


def test_slices_of_one_projection_and_other_layouts():
    rng = np.random.default_rng(4)
    whole = rng.standard_normal((2, 70, 3, 4, 32)).astype(F32)
    dy = rng.standard_normal((2, 70, 4, 32)).astype(F32)
    call = Call(True, scale=0.2)
    q, k, v = (whole[:, :, i] for i in range(3))
    check(q, k, v, dy, call)
    check(q[:, ::-1], k[..., ::-1], v[:, :, ::-1], dy, call)
    heads_first = (
        np.ascontiguousarray(x.swapaxes(1, 2)).swapaxes(1, 2) for x in (q, k)
    )
    check(*heads_first, np.broadcast_to(v[:, :1], v.shape), dy, call)
    check(q, k, v, np.broadcast_to(dy[:1, :1, :1, :1], dy.shape), call)
    bias = rng.standard_normal((70, 70, 4)).astype(F32).transpose(2, 0, 1)[None]
    check(q, k, v, dy, call._replace(bias=bias))
    check(q[:, :2], k, v, dy[:, :2], call._replace(bias=bias[:, :, :2]))


def everything(n, seed=0):
    """The bytes of every result with n threads."""
    before = threads.get_num_threads()
    q, k, v, dy = draw(2, 333, 333, 6, 3, 40, 40, seed)
    rng = np.random.default_rng(5)
    bias = rng.standard_normal((1, 6, 333, 333)).astype(F32)
    slopes = rng.random(6).astype(F32)
    try:
        threads.set_num_threads(n)
        out = []
        for call in (Call(True, 200, 0.2), Call(bias=bias, slopes=slopes, scale=0.2)):
            y, lse = attention_forward(q, k, v, call)
            grads = attention_backward(q, k, v, y, lse, dy, call)
            few = attention_decode(q[:, :2], k, v, call._replace(bias=None))
            out += [y, lse, *few, *(g for g in grads if g is not None)]
        return b"".join(a.tobytes() for a in out)
    finally:
        threads.set_num_threads(before)


def to_half(x):
    """To the nearest bfloat16, ties to even."""
    bits = np.asarray(x, F32).view(np.uint32)
    near = (bits + (bits >> 16 & 1) + 0x7FFF) & np.uint32(0xFFFF0000)
    return near.view(F32)


def test_mixed_precision_rounds_the_operands():
    size = (2, 130, 150, 4, 2, 17, 33)
    q, k, v, dy = draw(*size)
    call = Call(True, scale=0.25)
    y, lse = attention_forward(q, k, v, call._replace(half=True))
    grads = attention_backward(q, k, v, y, lse, dy, call._replace(half=True))
    # of operands that are rounded beforehand, weights are all that is left to round
    rounded = [to_half(x) for x in (q, k, v, dy)]
    want, want_lse, want_grads, scales = reference(*rounded, call)
    assert np.abs(lse - want_lse).max() <= 2e-5
    for got, exact, scale in zip(
        (y, *grads[:3]), (want, *want_grads), (1.0, *scales), strict=True
    ):
        assert 1e-5 * scale < np.abs(got - exact).max() <= 1e-2 * scale
    same = attention_forward(*rounded[:3], call._replace(half=True))
    np.testing.assert_array_equal(same[0], y)


def test_the_number_of_threads_changes_no_bit():
    assert len({everything(n) for n in (1, 2, 3, 7)}) == 1


@pytest.mark.parametrize("tq", [1, 70])
def test_hidden_keys_leave_no_trace(tq):
    q, k, v, dy = draw(2, tq, 140, 4, 2, 24, 24)
    call = Call(True, 40, 0.2, lengths=np.array([120, 0], np.int32))
    clean = [x.copy() for x in (k, v)]
    unseen = max(0, 140 - tq - 40 + 1)
    for x, value in ((k, np.nan), (v, np.inf)):
        x[0, 120:], x[1], x[:, :unseen] = value, value, value
    q[1] = np.nan
    got = attention_forward(q, k, v, call)
    want = attention_forward(np.nan_to_num(q), *clean, call)
    got += tuple(attention_backward(q, k, v, *got, dy, call)[:3])
    want += tuple(attention_backward(np.nan_to_num(q), *clean, *want, dy, call)[:3])
    for a, b in zip(got, want, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not got[0][1].any() and not got[3][:, :unseen].any()
    if tq == 1:
        step = attention_decode(q, k, v, call)
        np.testing.assert_allclose(step[0], want[0], atol=1e-6)


def test_nan_in_a_row_stays_in_it():
    q, k, v, _ = draw(1, 70, 70, 1, 1, 24, 24)
    q[0, 20, 0, 3] = np.nan
    y, lse = attention_forward(q, k, v, Call(True, scale=0.2))
    bad = np.isnan(y).any((2, 3))[0]
    assert bad.tolist() == [i == 20 for i in range(70)]
    assert np.isnan(lse[0, 0, 20])


@pytest.mark.parametrize("size", [(1, 3, 70, 2, 1, 8, 8), (1, 90, 70, 2, 1, 8, 8)])
def test_large_scores_do_not_overflow(size):
    q, k, v, dy = draw(*size)
    q, k = q * F32(1e4), k * F32(1e4)
    call = Call(True, scale=1.0)
    want, _, _, _ = reference(q, k, v, dy, call)
    y, lse = attention_forward(q, k, v, call)
    np.testing.assert_allclose(y, want, atol=1e-5)
    np.testing.assert_allclose(attention_decode(q, k, v, call)[0], want, atol=1e-5)
    for g in attention_backward(q, k, v, y, lse, dy, call)[:3]:
        assert np.isfinite(g).all()


def test_memory_grows_with_time_and_not_with_its_square():
    """The weights alone would be 268 MB."""
    q, k, v, dy = draw(1, 4096, 4096, 4, 4, 16, 16)
    pool.trim()
    before = pool.stats()
    y, lse = attention_forward(q, k, v, Call(True, scale=0.25))
    attention_backward(q, k, v, y, lse, dy, Call(True, scale=0.25))
    after = pool.stats()
    used = after.cached_bytes + after.used_bytes
    used -= before.cached_bytes + before.used_bytes
    assert used <= 16 * q.nbytes
