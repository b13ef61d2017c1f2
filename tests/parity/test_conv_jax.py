"""conv and reduce_window against torch's and JAX's, with gradients."""

import helix_core as hx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from jax.test_util import check_vjp

RNG = np.random.default_rng(0)

# x, w, strides, padding, lhs dilation, rhs dilation, feature groups, batch groups
CASES = [
    ((2, 3, 9), (4, 3, 3), (1,), ((0, 0),), (1,), (1,), 1, 1),
    ((2, 3, 9), (4, 3, 3), (2,), ((3, 1),), (2,), (2,), 1, 1),
    ((1, 6, 8), (6, 1, 4), (1,), ((3, 0),), (1,), (1,), 6, 1),
    ((4, 4, 7), (6, 4, 2), (3,), ((-1, 2),), (1,), (2,), 1, 2),
    ((2, 4, 7, 6), (6, 2, 3, 2), (2, 1), ((1, 1), (0, 2)), (1, 2), (1, 2), 2, 1),
    ((6, 2, 5, 5), (3, 2, 2, 3), (1, 2), ((1, 0), (1, 1)), (2, 1), (1, 1), 1, 3),
    (
        (1, 2, 4, 5, 4),
        (2, 2, 2, 3, 2),
        (1, 2, 1),
        ((1, 0),) * 3,
        (1, 1, 2),
        (2, 1, 1),
        1,
        1,
    ),
]
NAMES = [
    "strides",
    "padding",
    "lhs_dilation",
    "rhs_dilation",
    "feature_groups",
    "batch_groups",
]


@pytest.fixture(autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


def make(c):
    x, w = RNG.normal(size=c[0]), RNG.normal(size=c[1])
    return x, w, dict(zip(NAMES, c[2:], strict=True))


def by_jax(x, w, a):
    return jax.lax.conv_general_dilated(
        x,
        w,
        a["strides"],
        a["padding"],
        a["lhs_dilation"],
        a["rhs_dilation"],
        feature_group_count=a["feature_groups"],
        batch_group_count=a["batch_groups"],
    )


def compare(ours, theirs, *arrays):
    y, pull = hx.vjp(ours, *map(hx.tensor, arrays))
    want, theirs_pull = jax.vjp(theirs, *map(jnp.asarray, arrays))
    np.testing.assert_allclose(np.asarray(y), want, rtol=1e-9, atol=1e-10)
    ct = RNG.normal(size=want.shape)
    got = pull(hx.tensor(ct))
    got = got if isinstance(got, tuple) else (got,)
    for a, b in zip(got, theirs_pull(jnp.asarray(ct)), strict=True):
        np.testing.assert_allclose(np.asarray(a), b, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("c", CASES)
def test_conv_is_jaxs(c):
    x, w, a = make(c)
    compare(lambda x, w: hx.conv(x, w, **a), lambda x, w: by_jax(x, w, a), x, w)


@pytest.mark.parametrize("c", CASES[1:5:3])
def test_conv_check_vjp(c):
    x, w, a = make(c)
    f = lambda x, w: hx.conv(x, w, **a)

    def run(*v):
        return np.asarray(f(*[hx.tensor(np.asarray(t)) for t in v]))

    def run_vjp(*v):
        y, pull = hx.vjp(f, *[hx.tensor(np.asarray(t)) for t in v])
        back = lambda ct: tuple(np.asarray(g) for g in pull(hx.tensor(np.asarray(ct))))
        return np.asarray(y), back

    check_vjp(run, run_vjp, (x, w))


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize(
    "groups, stride, padding, dilation", [(1, 1, 0, 1), (2, 2, 1, 2), (4, 3, 2, 1)]
)
def test_conv_is_torchs(n, groups, stride, padding, dilation):
    x = RNG.normal(size=(2, 4, *(7, 6, 5)[:n]))
    w = RNG.normal(size=(8, 4 // groups, *(3, 2, 2)[:n]))
    tx, tw = (torch.tensor(v, requires_grad=True) for v in (x, w))
    conv = getattr(torch.nn.functional, f"conv{n}d")
    want = conv(tx, tw, None, stride, padding, dilation, groups)
    ct = RNG.normal(size=want.shape)
    want.backward(torch.tensor(ct))
    f = lambda x, w: hx.conv(x, w, stride, padding, 1, dilation, groups)
    y, pull = hx.vjp(f, hx.tensor(x), hx.tensor(w))
    np.testing.assert_allclose(
        np.asarray(y), want.detach().numpy(), rtol=1e-9, atol=1e-11
    )
    for g, t in zip(pull(hx.tensor(ct)), (tx, tw), strict=True):
        np.testing.assert_allclose(np.asarray(g), t.grad.numpy(), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_the_rounded_float32_result(dtype):
    x, w = (RNG.normal(size=s) for s in ((1, 8, 64), (4, 8, 32)))
    hx_x, hx_w = (hx.tensor(v).astype(dtype) for v in (x, w))
    wide = hx.conv(hx_x.astype("float32"), hx_w.astype("float32"))
    got = hx.conv(hx_x, hx_w)
    same = np.asarray(got).view(np.uint16) == np.asarray(wide.astype(dtype)).view(
        np.uint16
    )
    assert same.all()


POOLS = [
    ((1, 1, 2, 3), (1, 1, 2, 1), ((0, 0),) * 4, (1, 1, 1, 1)),
    ((1, 1, 3, 3), (1, 1, 2, 2), ((0, 0), (0, 0), (1, 1), (1, 1)), (1, 1, 1, 1)),
    ((1, 1, 2, 2), (1, 1, 1, 2), ((0, 0),) * 4, (1, 1, 2, 1)),
]


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("kind", ["sum", "max", "min"])
def test_reduce_window_is_jaxs(kind, pool):
    window, strides, padding, dilation = pool
    combine = {"sum": jax.lax.add, "max": jax.lax.max, "min": jax.lax.min}[kind]
    start = {"sum": 0.0, "max": -jnp.inf, "min": jnp.inf}[kind]
    x = RNG.normal(size=(2, 3, 6, 7))
    theirs = lambda x: jax.lax.reduce_window(
        x, start, combine, window, strides, padding, None, dilation
    )
    ours = lambda x: hx.reduce_window(x, kind, *pool)
    if kind == "sum" or dilation == (1, 1, 1, 1):
        compare(ours, theirs, x)
    else:  # JAX has no gradient of a dilated maximum
        want = theirs(jnp.asarray(x))
        np.testing.assert_allclose(np.asarray(ours(hx.tensor(x))), want)


@pytest.mark.parametrize(
    "kernel, stride, padding, dilation", [(2, 2, 0, 1), (3, 2, 1, 1), (2, 1, 1, 2)]
)
def test_max_pooling_with_ties_is_torchs(kernel, stride, padding, dilation):
    x = RNG.integers(0, 3, size=(2, 2, 6, 7)).astype(np.float64)
    t = torch.tensor(x, requires_grad=True)
    want = torch.nn.functional.max_pool2d(t, kernel, stride, padding, dilation)
    ct = RNG.normal(size=want.shape)
    want.backward(torch.tensor(ct))
    pads = [(0, 0), (0, 0), (padding, padding), (padding, padding)]
    f = lambda x: hx.reduce_window(
        x,
        "max",
        (1, 1, kernel, kernel),
        (1, 1, stride, stride),
        pads,
        (1, 1, dilation, dilation),
    )
    y, pull = hx.vjp(f, hx.tensor(x))
    np.testing.assert_allclose(np.asarray(y), want.detach().numpy())
    np.testing.assert_allclose(
        np.asarray(pull(hx.tensor(ct))), t.grad.numpy(), atol=1e-12
    )
