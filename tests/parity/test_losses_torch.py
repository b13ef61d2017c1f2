"""Losses and their gradients against torch's."""

import warnings

import helix_core as hx
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helix_core import losses

RNG = np.random.default_rng(0)
REDUCTIONS = ["mean", "sum", "none"]
TOLERANCE = {np.float32: 2e-6, np.float64: 1e-12}


def _check(ours, theirs, arrays, tol, reduction="mean"):
    """Values, and gradients of the float arrays, under a random cotangent."""
    mine = [hx.Parameter(hx.tensor(a)) for a in arrays]
    other = [torch.tensor(a, requires_grad=True) for a in arrays]
    y, z = ours(*mine), theirs(*other)
    assert y.shape == tuple(z.shape)
    np.testing.assert_allclose(y.numpy(), z.detach().numpy(), rtol=tol, atol=tol)
    ct = np.asarray(np.random.default_rng(1).normal(size=y.shape), y.numpy().dtype)
    y.backward(hx.tensor(ct))
    z.backward(torch.tensor(ct))
    for p, q in zip(mine, other, strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=tol, atol=tol)


def _pair(dtype, shape=(4, 5)):
    return [RNG.normal(size=shape).astype(dtype) * 2 for _ in range(2)]


PAIRS = {
    "mse": (losses.mse, F.mse_loss, {}),
    "l1": (losses.l1, F.l1_loss, {}),
    "huber": (losses.huber, F.huber_loss, {}),
    "huber_0.3": (losses.huber, F.huber_loss, {"delta": 0.3}),
    "smooth_l1": (losses.smooth_l1, F.smooth_l1_loss, {}),
    "smooth_l1_0.5": (losses.smooth_l1, F.smooth_l1_loss, {"beta": 0.5}),
    "smooth_l1_0": (losses.smooth_l1, F.smooth_l1_loss, {"beta": 0.0}),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", PAIRS)
def test_differences(name, reduction, dtype):
    ours, theirs, kw = PAIRS[name]
    _check(
        lambda x, y: ours(x, y, reduction=reduction, **kw),
        lambda x, y: theirs(x, y, reduction=reduction, **kw),
        _pair(dtype),
        TOLERANCE[dtype],
    )


@pytest.mark.parametrize("name", PAIRS)
def test_differences_of_extremes(name):
    """Equal inputs, the kink, huge and infinite distances."""
    ours, theirs, kw = PAIRS[name]
    x = np.array([0.0, 1.0, -1.0, 0.3, 0.5, 1e18, -1e18, np.inf, np.nan], np.float32)
    y = np.zeros_like(x)
    p, q = hx.Parameter(hx.tensor(x)), torch.tensor(x, requires_grad=True)
    a = ours(p, hx.tensor(y), reduction="none", **kw)
    b = theirs(q, torch.tensor(y), reduction="none", **kw)
    np.testing.assert_allclose(a.numpy(), b.detach().numpy(), rtol=1e-6)
    a.backward(hx.ones_like(a))
    b.backward(torch.ones_like(b))
    np.testing.assert_allclose(p.grad.numpy()[:-1], q.grad.numpy()[:-1], rtol=1e-6)


@pytest.mark.parametrize("name", PAIRS)
def test_differences_of_nothing(name):
    ours, theirs, kw = PAIRS[name]
    none = np.zeros((0, 3), np.float32)
    for reduction in REDUCTIONS:
        a = ours(hx.tensor(none), hx.tensor(none), reduction=reduction, **kw)
        b = theirs(torch.tensor(none), torch.tensor(none), reduction=reduction, **kw)
        np.testing.assert_array_equal(a.numpy(), b.numpy())


# ------------------------------------------------------------------- cross-entropy
SHAPES = [(6, 5), (5,), (3, 5, 2), (2, 5, 3, 2), (1, 1)]


def _classes(shape):
    c = shape[1] if len(shape) > 1 else shape[0]
    rest = (shape[0], *shape[2:]) if len(shape) > 1 else ()
    t = RNG.integers(0, c, rest)
    return np.asarray(t), c


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_cross_entropy_with_classes(shape, weighted, smoothing, reduction, dtype):
    t, c = _classes(shape)
    if t.size > 3:
        t.reshape(-1)[[0, 2]] = 1  # ignored
    w = RNG.uniform(0.5, 2.0, c).astype(dtype) if weighted else None
    kw = {"ignore_index": 1, "label_smoothing": smoothing, "reduction": reduction}
    if t.size == 1:
        kw["ignore_index"] = -100
    _check(
        lambda z: losses.cross_entropy(z, hx.tensor(t), weight=w, **kw),
        lambda z: F.cross_entropy(
            z, torch.tensor(t), None if w is None else torch.tensor(w), **kw
        ),
        [RNG.normal(size=shape).astype(dtype) * 3],
        TOLERANCE[dtype],
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", SHAPES[:-1], ids=str)
def test_cross_entropy_with_probabilities(shape, weighted, smoothing, reduction, dtype):
    _, c = _classes(shape)
    q = RNG.uniform(size=shape).astype(dtype)
    q /= q.sum(0 if len(shape) == 1 else 1, keepdims=True)
    w = RNG.uniform(0.5, 2.0, c).astype(dtype) if weighted else None
    kw = {"label_smoothing": smoothing, "reduction": reduction}
    _check(
        lambda z, t: losses.cross_entropy(z, t, weight=w, **kw),
        lambda z, t: F.cross_entropy(
            z, t, None if w is None else torch.tensor(w), **kw
        ),
        [RNG.normal(size=shape).astype(dtype) * 3, q],
        TOLERANCE[dtype],
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cross_entropy_of_extreme_logits(dtype):
    z = np.array(
        [[1e4, -1e4, 0.0], [-1e4, 1e4, 0.0], [3e38, 0.0, -3e38], [-np.inf, 0.0, 1.0]],
        dtype,
    )
    t = np.array([0, 0, 0, 1])
    _check(
        lambda z: losses.cross_entropy(z, hx.tensor(t), reduction="none"),
        lambda z: F.cross_entropy(z, torch.tensor(t), reduction="none"),
        [z],
        TOLERANCE[dtype],
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("n", [0, 3])
def test_cross_entropy_of_nothing_and_of_all_ignored(n, smoothing):
    z, t = np.ones((n, 4), np.float32), np.full(n, -100)
    for reduction in REDUCTIONS:
        kw = {"reduction": reduction, "label_smoothing": smoothing}
        a = losses.cross_entropy(hx.tensor(z), hx.tensor(t), **kw)
        b = F.cross_entropy(torch.tensor(z), torch.tensor(t), **kw)
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_ignored_rows_get_no_gradient():
    z = hx.Parameter(hx.tensor(RNG.normal(size=(3, 4)).astype(np.float32)))
    losses.cross_entropy(z, hx.tensor([1, -100, 2])).backward()
    assert z.grad.numpy()[1].tolist() == [0.0] * 4 and z.grad.numpy()[0].all()


# -------------------------------------------------------------- binary cross-entropy
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
def test_bce(weighted, reduction, dtype):
    p, t = RNG.uniform(0.01, 0.99, (2, 4, 3)).astype(dtype)
    w = RNG.uniform(size=(4, 3)).astype(dtype) if weighted else None
    _check(
        lambda p, t: losses.bce(p, t, w, reduction),
        lambda p, t: F.binary_cross_entropy(
            p, t, None if w is None else torch.tensor(w), reduction=reduction
        ),
        [p, t],
        TOLERANCE[dtype] * 10,
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bce_at_the_ends(dtype):
    tiny = 1e-30
    p = np.array([0.0, 0.0, 1.0, 1.0, tiny, tiny, 0.0, 1.0], dtype)
    t = np.array([0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.5, 0.5], dtype)
    _check(
        lambda p: losses.bce(p, hx.tensor(t), reduction="none"),
        lambda p: F.binary_cross_entropy(p, torch.tensor(t), reduction="none"),
        [p],
        1e-6,
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("pos", [None, 3.0, "classes"])
@pytest.mark.parametrize("weighted", [False, True])
def test_bce_with_logits(weighted, pos, reduction, dtype):
    z, t = RNG.normal(size=(4, 3)) * 3, RNG.uniform(size=(4, 3))
    w = RNG.uniform(size=(4, 3)).astype(dtype) if weighted else None
    c = np.array([0.5, 1.0, 4.0], dtype) if pos == "classes" else pos
    _check(
        lambda z, t: losses.bce_with_logits(z, t, w, c, reduction),
        lambda z, t: F.binary_cross_entropy_with_logits(
            *(z, t, None if w is None else torch.tensor(w)),
            reduction=reduction,
            pos_weight=None if c is None else torch.as_tensor(c, dtype=z.dtype),
        ),
        [z.astype(dtype), t.astype(dtype)],
        TOLERANCE[dtype],
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bce_with_extreme_logits_keeps_its_digits(dtype):
    """Relative error: small losses of confident right answers count."""
    ends = np.array([-1e4, -90.0, -20.0, 0.0, 20.0, 90.0, 1e4], dtype)
    z, t = np.tile(ends, 2), np.repeat(np.array([0.0, 1.0], dtype), 7)
    p = hx.Parameter(hx.tensor(z))
    y = losses.bce_with_logits(p, hx.tensor(t), reduction="none")
    y.backward(hx.ones_like(y))
    q = torch.tensor(z.astype(np.float64), requires_grad=True)
    # where the target is 0 torch's sum cancels: its mirror image does not
    mirror = torch.where(torch.tensor(t) == 1, q, -q)
    x = F.binary_cross_entropy_with_logits(mirror, torch.ones_like(q), reduction="none")
    x.sum().backward()
    rtol = 1e-6 if dtype is np.float32 else 1e-12
    np.testing.assert_allclose(y.numpy(), x.detach(), rtol=rtol, atol=1e-38)
    np.testing.assert_allclose(p.grad.numpy(), q.grad, rtol=rtol, atol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bce_with_extreme_logits_and_pos_weight(dtype):
    z = np.array([-1e4, -90.0, -20.0, 0.0, 20.0, 90.0, 1e4] * 2, dtype)
    t = np.repeat(np.array([0.0, 1.0], dtype), 7)
    _check(
        lambda z: losses.bce_with_logits(z, hx.tensor(t), None, 2.0, "none"),
        lambda z: F.binary_cross_entropy_with_logits(
            z, torch.tensor(t), pos_weight=torch.tensor(2.0), reduction="none"
        ),
        [z],
        2e-6,
    )


# ------------------------------------------------------------------- KL divergence
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("reduction", [*REDUCTIONS, "batchmean"])
@pytest.mark.parametrize("log_target", [False, True])
def test_kl_div(log_target, reduction, dtype):
    x, t = (np.log(RNG.dirichlet(np.ones(5), 4)).astype(dtype) for _ in range(2))
    if not log_target:
        t = np.exp(t)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch advises batchmean
        _check(
            lambda x, t: losses.kl_div(x, t, log_target, reduction),
            lambda x, t: F.kl_div(x, t, reduction=reduction, log_target=log_target),
            [x, t],
            TOLERANCE[dtype] * 5,
        )


def test_kl_div_of_a_target_with_zeros():
    x = np.log(np.array([[0.5, 0.25, 0.25]]))
    t = np.array([[1.0, 0.0, 0.0]])
    _check(
        lambda x: losses.kl_div(x, hx.tensor(t), reduction="batchmean"),
        lambda x: F.kl_div(x, torch.tensor(t), reduction="batchmean"),
        [x],
        1e-12,
    )
