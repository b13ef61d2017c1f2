"""Kernels of optimizer ops beside the ops' default bodies, and what they may overwrite."""

import warnings

import helix_core as hx
import numpy as np
import pytest
from helix_core.optim._adam import adam_update
from helix_core.optim._clip import clip_by_norm
from helix_core.optim._ema import ema_weights
from helix_core.optim._rmsprop import rmsprop_update
from helix_core.optim._sgd import sgd_update
from helix_hal.cpu import pool

SHAPES = [(3, 5), (1,), (20_000,), (0, 4), (), (130, 70)]


def _draw(dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.standard_normal(s), dtype) for s in SHAPES]


def _close(got, expected, tol):
    for a, b in zip(got, expected, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=tol, atol=tol)


def _tensors(dtype, seed, positive=False):
    arrays = _draw(dtype, seed)
    return [hx.tensor(np.abs(a) if positive else a) for a in arrays]


def _head():
    steps = np.arange(1, len(SHAPES) + 1, dtype=np.int32)
    return [hx.tensor(np.float64(0.05)), hx.tensor(steps)]


def _both(op, args, **attrs):
    """Results of the kernel and of the op's default body."""
    assert hx.which(op, "cpu", *args, **attrs).kernel != "default"
    return op(*args, **attrs), op.default(*args, **attrs)


N = len(SHAPES)
GROUPS = {"n": N, "decays": (0.1, 0.0, 0.2, 0.0, 0.3, 0.1), "scales": (1.0, 2.0) * 3}
RULES = {
    "adam": (adam_update, 2, {"betas": (0.8, 0.9), "eps": 1e-6,
             "decoupled": False}),
    "adamw": (adam_update, 2, {"betas": (0.0, 0.9), "eps": 1e-6,
              "decoupled": True}),
    "sgd": (sgd_update, 0, {"momentum": 0.0, "dampening": 0.0,
            "nesterov": False}),
    "momentum": (sgd_update, 1, {"momentum": 0.9, "dampening": 0.5,
                 "nesterov": False}),
    "nesterov": (sgd_update, 1, {"momentum": 0.9, "dampening": 0.0,
                 "nesterov": True}),
    "rmsprop": (rmsprop_update, 1, {"alpha": 0.9, "eps": 1e-6,
                "momentum": 0.0, "centered": False}),
    "rmsprop_all": (rmsprop_update, 3, {"alpha": 0.9, "eps": 1e-6,
                    "momentum": 0.9, "centered": True}),
}  # fmt: skip


@pytest.mark.parametrize("dtype,tol", [(np.float32, 5e-6), (np.float64, 1e-13)])
@pytest.mark.parametrize("rule", RULES)
def test_kernels_agree_with_the_rules(rule, dtype, tol):
    op, slots, settings = RULES[rule]
    state = [hx.tensor(np.asarray(a + 3)) for a in _draw(dtype, 2)]  # v > m^2
    more = [_tensors(dtype, 3 + k) for k in range(slots - 1)]
    if rule == "adam" or rule == "adamw":
        state, more = _tensors(dtype, 2), [_tensors(dtype, 3, positive=True)]
    slot = [t for ts in ([state, *more] if slots else []) for t in ts]
    args = [*_head(), *_tensors(dtype, 0), *_tensors(dtype, 1), *slot]
    if rule == "rmsprop_all":
        args[2 + 2 * N : 2 + 3 * N] = [
            hx.tensor(np.asarray(np.square(a) + 3)) for a in _draw(dtype, 4)
        ]
    got, want = _both(op, args, **GROUPS, **settings)
    _close([t.numpy() for t in got], [t.numpy() for t in want], tol)
    assert [t.aval for t in got] == [t.aval for t in want]


@pytest.mark.parametrize("limit", [0.5, 1e6])
def test_the_clipping_kernel_agrees_with_its_body(limit):
    got, want = _both(clip_by_norm, _tensors(np.float64, 0), limit=limit)
    _close([t.numpy() for t in got], [t.numpy() for t in want], 1e-13)


def test_the_averaging_kernel_agrees_with_its_body():
    args = [hx.tensor(0.9), *_tensors(np.float32, 0), *_tensors(np.float32, 1)]
    got, want = _both(ema_weights, args)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_other_dtypes_are_refused_with_a_reason_and_the_body_runs():
    p = hx.Parameter(hx.ones((3,)).astype("bfloat16"))
    p.grad = hx.ones((3,)).astype("bfloat16")
    o = hx.optim.SGD([p], lr=0.5)
    attrs = {**o._attrs([0])}
    args = [hx.tensor(np.float64(1)), hx.tensor([1]), p.value, p.grad]
    why = hx.which("sgd_update", "cpu", *args, **attrs).why
    assert "expected float32 or float64" in why and "bfloat16" in why
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        o.step()
    assert p.tolist() == [0.5] * 3


def test_strided_and_broadcast_parameters_are_updated():
    p = hx.Parameter(hx.broadcast_to(hx.tensor([1.0, 2.0]), (3, 2)))
    p.grad = hx.transpose(hx.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]))
    hx.optim.SGD([p], lr=1.0).step()
    assert p.tolist() == [[0.0, -2.0], [-1.0, -3.0], [-2.0, -4.0]]


def test_strided_and_broadcast_gradients_are_read_in_their_order():
    rows = hx.tensor([[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]])
    gradients = [hx.transpose(rows), hx.broadcast_to(hx.tensor(2.0), (2, 3))]
    params = [hx.Parameter(hx.zeros((2, 3))) for _ in gradients]
    o = hx.optim.SGD(params, lr=1.0)
    where = _buffers(o)
    for p, g in zip(params, gradients, strict=True):
        p.grad = g
    o.step()
    assert params[0].numpy().tolist() == [[-1.0, -2.0, -3.0], [-4.0, -5.0, -6.0]]
    assert params[1].numpy().tolist() == [[-2.0] * 3] * 2
    assert _buffers(o) == where


# ------------------------------------------------------------------------- in place
def _buffers(opt):
    cells = [*opt.parameters, *[c for cs in opt.cells.values() for c in cs]]
    return [c.value.buffer.__array_interface__["data"][0] for c in cells]


def _stepped(opt, times=1):
    for k in range(times):
        for i, p in enumerate(opt.parameters):
            p.grad = hx.full_like(p.value, 0.1 * (k + i + 1))
        opt.step()


def _adamw():
    return hx.optim.AdamW([hx.Parameter(t) for t in _tensors(np.float32, 0)], lr=0.1)


def test_steps_reuse_buffers_that_nobody_else_holds():
    o = _adamw()
    where = _buffers(o)
    _stepped(o, 3)
    assert _buffers(o) == where
    assert all(p.grad is None for p in o.parameters)


HOLDERS = {
    "the tensor": lambda p: p.value,
    "a detached copy": lambda p: p.value.detach(),
    "an export": lambda p: np.asarray(p.value),
    "a view": lambda p: hx.reshape(p.value, -1),
    "a part": lambda p: p.value[1:3],
    "a view of a view": lambda p: hx.reshape(hx.reshape(p.value, -1), 2, -1),
    "a transposed view": lambda p: hx.transpose(hx.reshape(p.value, 2, -1)),
}


@pytest.mark.parametrize("steps", [0, 1])
@pytest.mark.parametrize("holder", HOLDERS)
def test_what_others_hold_keeps_its_values(holder, steps):
    """Buffers are NumPy's own at first, and from the pool after an update."""
    o = _adamw()
    if steps:
        first = [p.value for p in o.parameters]
        _stepped(o)
        del first
        assert type(o.parameters[2].value.buffer.base) is pool._Lease
    kept = HOLDERS[holder](o.parameters[2])
    before = np.array(kept)
    _stepped(o, 2)
    np.testing.assert_array_equal(np.asarray(kept), before)
    assert not np.array_equal(
        np.ravel(before)[:4], np.ravel(o.parameters[2].numpy())[:4]
    )


def test_a_tape_that_needs_the_old_value_keeps_it():
    p, q = hx.Parameter(hx.tensor([3.0])), hx.Parameter(hx.tensor([5.0]))
    loss = (p * q).sum()
    o = hx.optim.SGD([p, q], lr=1.0)
    _stepped(o)
    loss.backward()
    assert (p.grad.item(), q.grad.item()) == (5.0, 3.0)


def test_in_place_and_pure_steps_agree_to_the_bit():
    a, b = _adamw(), _adamw()
    for _ in range(3):
        held = [p.value for p in b.parameters]
        _stepped(a)
        _stepped(b)
        del held
    for x, y in zip(a.parameters, b.parameters, strict=True):
        np.testing.assert_array_equal(x.numpy(), y.numpy())


def test_clipping_reuses_gradients_that_nobody_else_holds():
    ps = [hx.Parameter(t) for t in _tensors(np.float32, 0)]
    for p, g in zip(ps, _draw(np.float32, 1), strict=True):
        p.grad = hx.tensor(g)
    kept = ps[0].grad
    before = kept.numpy().copy()
    hx.optim.clip_grad_norm(ps, 1.0)  # one is held: all are new
    np.testing.assert_array_equal(kept.numpy(), before)
    del kept
    where = [p.grad.buffer.__array_interface__["data"][0] for p in ps]
    assert hx.optim.clip_grad_norm(ps, 0.5).item() == pytest.approx(1.0, rel=1e-5)
    assert [p.grad.buffer.__array_interface__["data"][0] for p in ps] == where
    assert hx.optim.clip_grad_norm(ps, 9.0).item() == pytest.approx(0.5, rel=1e-5)


def test_averages_start_as_copies_of_the_weights_and_move_in_place():
    o = _adamw()
    start = [p.numpy().copy() for p in o.parameters]
    averages = [hx.Cell(p.value.detach()) for p in o.parameters]
    _stepped(o)
    for a, b in zip(averages, start, strict=True):
        np.testing.assert_array_equal(a.value.numpy(), b)
    hx.optim.ema_update(averages, o.parameters, 0.9)
    where = [a.value.buffer.__array_interface__["data"][0] for a in averages]
    hx.optim.ema_update(averages, o.parameters, 0.9)
    assert [a.value.buffer.__array_interface__["data"][0] for a in averages] == where
    want = start[2] * 0.81 + o.parameters[2].numpy() * 0.19
    np.testing.assert_allclose(averages[2].value.numpy(), want, rtol=1e-5, atol=1e-7)
