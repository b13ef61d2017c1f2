"""Optimizers, clipping and averages against torch's, 50 steps in float64."""

import math

import helix_core as hx
import numpy as np
import pytest
import torch
from helix_core import optim as H
from helix_core import schedules
from torch import optim as T
from torch.optim import lr_scheduler, swa_utils

SHAPES = [(3, 5), (7,), (), (2, 0), (64, 70)]
STEPS = 50
DEVICES = ["numpy", "cpu"]

CASES = {
    "sgd": (H.SGD, T.SGD, {"lr": 0.1}),
    "sgd_decay": (H.SGD, T.SGD, {"lr": 0.1, "weight_decay": 0.1}),
    "momentum": (H.SGD, T.SGD, {"lr": 0.1, "momentum": 0.9}),
    "dampening": (
        *(H.SGD, T.SGD),
        {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.05},
    ),
    "nesterov": (
        *(H.SGD, T.SGD),
        {"lr": 0.1, "momentum": 0.8, "nesterov": True, "weight_decay": 0.05},
    ),
    "adam": (H.Adam, T.Adam, {"lr": 0.02}),
    "adam_decay": (
        *(H.Adam, T.Adam),
        {"lr": 0.02, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.2},
    ),
    "adam_no_mean": (H.Adam, T.Adam, {"lr": 0.02, "betas": (0.0, 0.9)}),
    "adamw": (H.AdamW, T.AdamW, {"lr": 0.02}),
    "adamw_decay": (
        *(H.AdamW, T.AdamW),
        {"lr": 0.02, "betas": (0.95, 0.9), "eps": 1e-6, "weight_decay": 0.3},
    ),
    "rmsprop": (H.RMSprop, T.RMSprop, {"lr": 0.02}),
    "rmsprop_decay": (
        *(H.RMSprop, T.RMSprop),
        {"lr": 0.02, "alpha": 0.9, "eps": 1e-4, "weight_decay": 0.1},
    ),
    "rmsprop_momentum": (H.RMSprop, T.RMSprop, {"lr": 0.02, "momentum": 0.9}),
    "rmsprop_centered": (H.RMSprop, T.RMSprop, {"lr": 0.02, "centered": True}),
    "rmsprop_all": (
        *(H.RMSprop, T.RMSprop),
        {"lr": 0.02, "momentum": 0.5, "centered": True, "weight_decay": 0.1},
    ),
}


def _start(seed=0):
    rng = np.random.default_rng(seed)
    arrays = [np.asarray(rng.normal(size=s)) for s in SHAPES]
    ours = [hx.Parameter(hx.tensor(a)) for a in arrays]
    return ours, [torch.nn.Parameter(torch.tensor(a)) for a in arrays]


def _give(ours, theirs, seed, which=None):
    rng = np.random.default_rng(1000 + seed)
    for i, (p, q) in enumerate(zip(ours, theirs, strict=True)):
        g = np.asarray(rng.normal(size=p.shape), p.value.dtype.dtype)
        if which is None or i in which:
            p.grad, q.grad = hx.tensor(g), torch.tensor(g)
        else:
            p.grad = q.grad = None


def _same(ours, theirs, tol=1e-9):
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.numpy(), q.detach().numpy(), rtol=tol, atol=tol)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("case", CASES)
def test_fifty_steps(case, device):
    mine, other, kw = CASES[case]
    with hx.device(device):
        ours, theirs = _start()
        a, b = mine(ours, **kw), other(theirs, **kw)
        for step in range(STEPS):
            _give(ours, theirs, step)
            a.step()
            b.step()
            assert all(p.grad is None for p in ours)
    _same(ours, theirs)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("case", CASES)
def test_groups_with_rates_and_decays_of_their_own(case, device):
    mine, other, kw = CASES[case]
    with hx.device(device):
        ours, theirs = _start(1)
        a = mine(
            [
                H.Group(ours[:2], weight_decay=0.3),
                H.Group(ours[2:4], lr_scale=0.5),
                H.Group(ours[4:], weight_decay=0.0, lr_scale=2.0),
            ],
            **kw,
        )
        b = other(
            [
                {"params": theirs[:2], "weight_decay": 0.3},
                {"params": theirs[2:4], "lr": kw["lr"] * 0.5},
                {"params": theirs[4:], "weight_decay": 0.0, "lr": kw["lr"] * 2.0},
            ],
            **kw,
        )
        for step in range(STEPS):
            _give(ours, theirs, step)
            a.step()
            b.step()
    _same(ours, theirs)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("case", ["dampening", "adam_decay", "adamw", "rmsprop_all"])
def test_parameters_that_gradients_reach_late_or_now_and_then(case, device):
    """Each parameter counts its own steps."""
    mine, other, kw = CASES[case]
    with hx.device(device):
        ours, theirs = _start(2)
        a, b = mine(ours, **kw), other(theirs, **kw)
        for step in range(STEPS):
            which = {i for i in range(len(SHAPES)) if i <= step // 3 and (step + i) % 3}
            _give(ours, theirs, step, which)
            a.step()
            b.step()
    _same(ours, theirs)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("case", ["nesterov", "adam", "adamw_decay", "rmsprop_all"])
def test_float32(case, device):
    mine, other, kw = CASES[case]
    with hx.device(device):
        ours, theirs = _start(3)
        ours = [hx.Parameter(p.value.astype("float32")) for p in ours]
        theirs = [torch.nn.Parameter(q.detach().float()) for q in theirs]
        a, b = mine(ours, **kw), other(theirs, **kw)
        for step in range(STEPS):
            _give(ours, theirs, step)
            a.step()
            b.step()
    _same(ours, theirs, 2e-5)


def _loss(x, y, w, b, v):
    return (((x @ w + b) * v - y) ** 2).mean()


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("device", DEVICES)
def test_a_training_loop_with_clipping_and_a_schedule(device, traced):
    """Gradients from the tape; the rate is set outside of the traced step."""
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(9, 4)), rng.normal(size=(9, 3)) * 5
    start = [rng.normal(size=s) for s in ((4, 3), (3,), (3,))]
    factor = schedules.cosine(STEPS, floor=0.1)
    theirs = [torch.nn.Parameter(torch.tensor(a)) for a in start]
    b = T.AdamW(theirs, lr=0.05, weight_decay=0.1)
    sched = lr_scheduler.CosineAnnealingLR(b, STEPS, eta_min=0.005)
    tx, ty = torch.tensor(x), torch.tensor(y)
    with hx.device(device):
        ours = [hx.Parameter(hx.tensor(a)) for a in start]
        a = H.AdamW(ours, lr=0.05, weight_decay=0.1)

        def step(x, y):
            loss = _loss(x, y, *ours)
            loss.backward()
            norm = H.clip_grad_norm(ours, 1.0)
            a.step()
            return loss, norm

        run = hx.trace(step) if traced else step
        hx_x, hx_y = hx.tensor(x), hx.tensor(y)
        for i in range(STEPS):
            a.lr = 0.05 * factor(i)
            loss, norm = run(hx_x, hx_y)
            b.zero_grad()
            want = _loss(tx, ty, *theirs)
            want.backward()
            total = torch.nn.utils.clip_grad_norm_(theirs, 1.0)
            b.step()
            sched.step()
            assert loss.item() == pytest.approx(want.item(), rel=1e-9)
            assert norm.item() == pytest.approx(total.item(), rel=1e-9)
    _same(ours, theirs)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("limit", [0.1, 1e6])
@pytest.mark.parametrize("odd", [0.0, math.inf, math.nan])
def test_clip_grad_norm(limit, odd, dtype, device):
    with hx.device(device):
        ours, theirs = _start(4)
        ours = [hx.Parameter(p.value.astype(dtype.__name__)) for p in ours]
        theirs = [torch.nn.Parameter(torch.tensor(p.numpy().copy())) for p in ours]
        rng = np.random.default_rng(6)
        for i, (p, q) in enumerate(zip(ours, theirs, strict=True)):
            g = np.asarray(rng.normal(size=p.shape), dtype)
            if i == 4:
                g[3, 3] = odd
            p.grad, q.grad = hx.tensor(g), torch.tensor(g)
        got = H.clip_grad_norm(ours, limit)
        want = torch.nn.utils.clip_grad_norm_(theirs, limit)
        tol = 1e-5 if dtype is np.float32 else 1e-12
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=tol)
        for p, q in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(p.grad.numpy(), q.grad, rtol=tol, atol=1e-30)


def test_clip_grad_value():
    ours, theirs = _start(7)
    _give(ours, theirs, 0)
    H.clip_grad_value(ours, 0.3)
    torch.nn.utils.clip_grad_value_(theirs, 0.3)
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(p.grad.numpy(), q.grad.numpy())


@pytest.mark.parametrize("device", DEVICES)
def test_ema_update(device):
    with hx.device(device):
        ours, theirs = _start(8)
        averages = [hx.Cell(p.value.detach()) for p in ours]
        want = [q.detach().clone() for q in theirs]
        move = swa_utils.get_ema_multi_avg_fn(0.9)
        a, b = H.SGD(ours, lr=0.1), T.SGD(theirs, lr=0.1)
        for step in range(STEPS):
            _give(ours, theirs, step)
            a.step()
            b.step()
            H.ema_update(averages, ours, 0.9)
            move(want, [q.detach() for q in theirs], None)
    for c, w in zip(averages, want, strict=True):
        np.testing.assert_allclose(c.value.numpy(), w.numpy(), rtol=1e-12, atol=1e-12)
