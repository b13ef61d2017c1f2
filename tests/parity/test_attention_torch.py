"""Attention beside torch, jax and transformers' masks: values and gradients."""

import helix_core as hx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

DTYPES = {"float32": 5e-6, "float64": 1e-12}
REFUSED = "ignore:.*a kernel for 'cpu' exists but refused"


def draw(b, tq, tk, h, g, d, dv, seed=0):
    rng = np.random.default_rng(seed)
    shapes = (b, tq, h, d), (b, tk, g, d), (b, tk, g, dv), (b, tq, h, dv)
    return [rng.standard_normal(s) for s in shapes]


def ours(device, dtype, arrays, dy, **options):
    """The result and the gradients of all arrays, the last of them a bias if a fourth."""

    def fn(q, k, v, *bias):
        more = {"bias": bias[0]} if bias else {}
        lengths = options.get("lengths")
        if lengths is not None:
            more["lengths"] = hx.tensor(lengths, device=device)
        return hx.attention(q, k, v, **{**options, **more})

    xs = [hx.tensor(np.asarray(a, dtype), device=device) for a in arrays]
    y, pull = hx.vjp(fn, *xs)
    return [
        np.asarray(t) for t in (y, *pull(hx.tensor(dy.astype(dtype), device=device)))
    ]


def theirs(arrays, dy, mask=None, bias=False, **options):
    """scaled_dot_product_attention in float64; a mask is bool or float."""
    ts = [torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in arrays]
    q, k, v = (t.transpose(1, 2) for t in ts[:3])
    if bias:
        hidden = torch.zeros((), dtype=torch.float64)
        if mask is not None:
            hidden = torch.where(mask, 0.0, -torch.inf).to(torch.float64)
        mask = ts[3] + hidden
    y = F.scaled_dot_product_attention(
        q, k, v, attn_mask=mask, enable_gqa=True, **options
    ).transpose(1, 2)
    y.backward(torch.tensor(dy))
    return [y.detach().numpy(), *(t.grad.numpy() for t in ts)]


def close(got, want, tolerance):
    for a, b in zip(got, want, strict=True):
        assert a.shape == b.shape
        assert np.abs(a - b).max(initial=0) <= tolerance * max(1.0, np.abs(b).max())


@pytest.mark.filterwarnings(REFUSED)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("device", ["cpu", "numpy"])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(
    "size", [(2, 100, 100, 4, 4, 64, 64), (1, 70, 70, 6, 2, 32, 48)], ids=str
)
def test_scaled_dot_product_attention(size, causal, device, dtype):
    *xs, dy = draw(*size)
    want = theirs(xs, dy, is_causal=causal)
    close(ours(device, dtype, xs, dy, causal=causal), want, DTYPES[dtype])


@st.composite
def problems(draw_):
    whole = st.integers(1, 90)
    g, share = draw_(st.integers(1, 3)), draw_(st.integers(1, 3))
    b, tq, tk = draw_(st.integers(1, 3)), draw_(whole), draw_(whole)
    d, dv = draw_(st.integers(1, 40)), draw_(st.integers(1, 40))
    options = {
        "causal": draw_(st.booleans()),
        "window": draw_(st.none() | whole),
        "scale": draw_(st.none() | st.floats(0.01, 1)),
    }
    if draw_(st.booleans()):
        lengths = draw_(st.lists(st.integers(0, tk + 1), min_size=b, max_size=b))
        options["lengths"] = np.array(lengths, np.int32)
    whole_bias = (b, g * share, tq, tk)
    kept = draw_(st.none() | st.tuples(*[st.booleans()] * 4))
    bias = kept and tuple(n if k else 1 for n, k in zip(whole_bias, kept, strict=True))
    return (b, tq, tk, g * share, g, d, dv), options, bias


@settings(max_examples=60, deadline=None, derandomize=True)
@given(problems())
def test_every_combination_of_options(problem):
    size, options, bias = problem
    b, tq, tk = size[:3]
    *xs, dy = draw(*size)
    back = np.arange(tq)[:, None] + tk - tq - np.arange(tk)
    mask = np.ones((b, 1, tq, tk), bool)
    if options["causal"]:
        mask &= back >= 0
    if options["window"]:
        mask &= np.abs(back) < options["window"]
    if "lengths" in options:
        mask &= np.arange(tk) < options["lengths"][:, None, None, None]
    blind = ~mask.any(-1)[:, 0]  # torch's rows without a key are NaN: give them none
    dy[blind] = 0
    if bias:
        xs.append(np.random.default_rng(1).standard_normal(bias))
    seeing = torch.tensor(mask | blind[:, None, :, None])
    want = theirs(xs, dy, seeing, bool(bias), scale=options["scale"])
    want[0][blind] = 0
    got = ours("cpu", "float32", xs, dy, **options)
    assert not got[0][blind].any() and not got[1][blind].any()
    if bias:  # sums of many terms that cancel
        assert np.abs(got.pop() - want.pop()).max() <= 1e-4
    close(got, want, 2e-5)


def test_alibi_of_bloom():
    from transformers.models.bloom.modeling_bloom import build_alibi_tensor

    *xs, dy = draw(2, 50, 50, 6, 6, 16, 16)
    alibi = build_alibi_tensor(torch.ones(2, 50), 6, torch.float64).reshape(2, 6, 1, 50)
    slopes = (alibi[0, :, 0, 1] - alibi[0, :, 0, 0]).numpy()
    mask = torch.where(torch.ones(50, 50).tril() > 0, 0.0, -torch.inf) + alibi
    want = theirs(xs, dy, mask)
    got = ours("cpu", "float32", xs, dy, causal=True, slopes=slopes.astype("f4"))
    close(got, want, 5e-6)


@pytest.mark.parametrize("tq,tk", [(60, 60), (20, 60), (1, 60)])
def test_sliding_window_of_transformers(tq, tk):
    from transformers.masking_utils import sliding_window_causal_mask_function

    seen = sliding_window_causal_mask_function(24)
    rows, columns = torch.arange(tk - tq, tk)[:, None], torch.arange(tk)
    mask = seen(0, 0, rows, columns)
    *xs, dy = draw(1, tq, tk, 4, 2, 16, 16)
    want = theirs(xs, dy, mask)
    close(ours("cpu", "float32", xs, dy, causal=True, window=24), want, 5e-6)


@pytest.mark.parametrize("window", [None, 17])
@pytest.mark.parametrize("causal", [False, True])
def test_jax(causal, window):
    *xs, dy = (a.astype("f4") for a in draw(2, 60, 60, 6, 3, 16, 16))
    bias = np.random.default_rng(1).standard_normal((1, 6, 60, 60)).astype("f4")
    lengths = np.array([60, 50], np.int32)  # every row sees a key
    sides = None if window is None else (window - 1, 0 if causal else window - 1)

    def fn(q, k, v, bias):
        return jax.nn.dot_product_attention(
            *(q, k, v, bias),
            is_causal=causal,
            key_value_seq_lengths=jnp.asarray(lengths),
            local_window_size=sides,
        )

    y, pull = jax.vjp(fn, *map(jnp.asarray, (*xs, bias)))
    want = [np.asarray(a) for a in (y, *pull(jnp.asarray(dy)))]
    options = {"causal": causal, "window": window, "lengths": lengths}
    mine = ours("cpu", "float32", (*xs, bias), dy, **options)
    close(mine, want, 2e-5)


def test_second_derivatives_through_the_kernels():
    """Of the sum of squares of the gradients, beside torch's in float64."""
    xs = draw(1, 40, 70, 4, 2, 8, 8)[:3]
    ts = [torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in xs]
    mask = torch.ones(40, 70).tril(30).bool()
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        y = F.scaled_dot_product_attention(
            *(t.transpose(1, 2) for t in ts), attn_mask=mask, enable_gqa=True
        )
    first = torch.autograd.grad((y * y).sum(), ts, create_graph=True)
    want = torch.autograd.grad(sum((g * g).sum() for g in first), ts)

    def squares(*xs):
        y, pull = hx.vjp(lambda *xs: hx.attention(*xs, causal=True), *xs)
        return sum((g * g).sum() for g in pull(2.0 * y))

    tensors = [hx.tensor(a.astype("f4"), device="cpu") for a in xs]
    value, pull = hx.vjp(squares, *tensors)
    got = pull(hx.ones_like(value))
    for a, b in zip(got, want, strict=True):
        assert np.abs(np.asarray(a) - b.numpy()).max() <= 2e-5 * b.abs().max()


@pytest.mark.parametrize("device", ["cpu", "numpy"])
def test_rotary_of_llama_and_gptj(device):
    from transformers.models.gptj.modeling_gptj import (
        apply_rotary_pos_emb as turn_neighbours,
    )
    from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((2, 2, 9, 3, 16)).astype("f4")
    angle = rng.uniform(-5, 5, (9, 8))
    cos, sin = np.cos(angle).astype("f4"), np.sin(angle).astype("f4")
    for interleaved in (False, True):
        t = torch.tensor(x, requires_grad=True)
        c, s = torch.tensor(cos), torch.tensor(sin)
        if interleaved:
            want = turn_neighbours(t, s[None], c[None])
        else:
            both = [torch.cat([a, a], -1)[None] for a in (c, s)]
            want = apply_rotary_pos_emb(t, t, *both, unsqueeze_dim=2)[0]
        want.backward(torch.tensor(dy))
        tables = [hx.tensor(a, device=device) for a in (cos, sin)]
        y, pull = hx.vjp(
            lambda x: hx.rotary(x, *tables, interleaved=interleaved),  # noqa: B023
            hx.tensor(x, device=device),
        )
        pairs = [np.asarray(y), np.asarray(pull(hx.tensor(dy, device=device)))]
        close(pairs, [want.detach().numpy(), t.grad.numpy()], 1e-6)
