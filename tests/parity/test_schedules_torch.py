"""Schedules against torch.optim.lr_scheduler, step by step."""

import math

import pytest
import torch
from helix_core import schedules as S
from torch.optim import lr_scheduler as L

LR = 0.3


def _torch_rates(make, steps):
    p = torch.nn.Parameter(torch.zeros(1))
    opt = torch.optim.SGD([p], lr=LR)
    sched = make(opt)
    out = []
    for _ in range(steps):
        out.append(opt.param_groups[0]["lr"])
        opt.step()
        sched.step()
    return out


CASES = {
    "constant": (
        S.constant(0.5),
        lambda o: L.ConstantLR(o, factor=0.5, total_iters=1000),
        60,
    ),
    "linear_warmup": (
        S.linear_warmup(20, start=0.1),
        lambda o: L.LinearLR(o, start_factor=0.1, total_iters=20),
        60,
    ),
    "cosine": (S.cosine(50), lambda o: L.CosineAnnealingLR(o, T_max=50), 51),
    "cosine_floor": (
        S.cosine(50, floor=0.2),
        lambda o: L.CosineAnnealingLR(o, T_max=50, eta_min=0.2 * LR),
        51,
    ),
    "step": (
        S.step_decay(7, 0.5),
        lambda o: L.StepLR(o, step_size=7, gamma=0.5),
        60,
    ),
    "exponential": (S.exponential(0.9), lambda o: L.ExponentialLR(o, gamma=0.9), 60),
    "one_cycle": (
        S.one_cycle(60),
        lambda o: L.OneCycleLR(o, max_lr=LR, total_steps=60),
        59,
    ),
    "one_cycle_odd": (
        S.one_cycle(37, peak_at=0.45, start_div=10.0, final_div=100.0),
        lambda o: L.OneCycleLR(
            *(o, LR, 37), pct_start=0.45, div_factor=10.0, final_div_factor=100.0
        ),
        36,
    ),
    "join": (
        S.join([S.linear_warmup(10, 0.1), S.cosine(40), S.constant(0.5)], [10, 50]),
        lambda o: L.SequentialLR(
            o,
            [
                L.LinearLR(o, start_factor=0.1, total_iters=10),
                L.CosineAnnealingLR(o, T_max=40),
                L.ConstantLR(o, factor=0.5, total_iters=1000),
            ],
            [10, 50],
        ),
        60,
    ),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", CASES)
def test_rates(name):
    ours, theirs, steps = CASES[name]
    want = _torch_rates(theirs, steps)
    assert [LR * ours(i) for i in range(steps)] == pytest.approx(want, rel=1e-9)


METRICS = [
    *(1.0, 0.9, 0.9, 0.89999, 0.95, 0.9, 0.91, 0.9, 0.5, 0.6, 0.6, 0.6, 0.6, 0.6),
    *(math.nan, 0.6, 0.4, math.nan, math.nan, math.nan, math.nan, 0.1, 0.1, 0.1, 0.1),
    *(0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1),
]


@pytest.mark.parametrize("first", [None, math.nan, math.inf])
@pytest.mark.parametrize("cooldown", [0, 3])
@pytest.mark.parametrize("patience", [0, 2])
@pytest.mark.parametrize("mode", ["min", "max"])
def test_reduce_on_plateau(mode, patience, cooldown, first):
    """The floor binds; NaN is no improvement, first or later."""
    kw = {"factor": 0.5, "patience": patience, "cooldown": cooldown, "mode": mode}
    ours = S.ReduceOnPlateau(**kw, threshold=0.01, floor=0.1)
    opt = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=LR)
    theirs = L.ReduceLROnPlateau(opt, **kw, threshold=0.01, min_lr=0.1 * LR)
    if first is math.inf and mode == "max":
        first = -math.inf
    sign = 1.0 if mode == "min" else -1.0
    shift = 0.0 if mode == "min" else 2.0
    seen = METRICS if first is None else [first, *METRICS]
    for metric in seen:
        value = sign * metric + shift if math.isfinite(metric) else metric
        theirs.step(value)
        got = ours.observe(value)
        assert LR * got == pytest.approx(opt.param_groups[0]["lr"], rel=1e-9)
        assert ours(123) == got
