"""Composites, their kernels, and which of them runs: contract, section 2."""

import warnings

import helix_core as hx
import numpy as np
import pytest
from gradcheck import check_grads
from helix_core import Composite
from helix_core.contracts import KernelSpec

X = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]], np.float32)


@pytest.fixture
def kernels(device, monkeypatch):
    """Register kernels for one test: ``kernels(op, fn, supports=..., priority=...)``."""
    from helix_core import _device, _kernels

    monkeypatch.setattr(_device, "_REGISTERED", [])
    monkeypatch.setattr(_kernels, "_WARNED", set())

    def add(op, forward, **kw):
        spec = KernelSpec(op, device.kind, forward, **kw)
        hx.register_kernel(spec)
        return spec

    yield add
    monkeypatch.undo()
    device.forget()


def cube(x):
    return x * x * x


def test_a_composite_runs_its_body_and_the_tape_differentiates_it():
    op = Composite("plain_cube", cube)
    assert op(hx.tensor(2.0)).item() == 8.0
    check_grads(op, X.astype(np.float64), order=2)


def test_infer_of_a_composite_is_one_trace_of_its_body(kernels):
    runs = []
    op = Composite("traced_cube", lambda x: runs.append(x.buffer) or cube(x))
    kernels("traced_cube", lambda dev, x: x**3)
    for _ in range(3):
        op(hx.tensor(X))
    assert runs == [None]  # on a tensor without values, once


def test_fwd_and_bwd_are_composites_by_name_and_residuals_ordinary_outputs(kernels):
    seen = []
    op = Composite(
        "res_cube",
        cube,
        fwd=lambda x: (cube(x), 3.0 * x * x),
        bwd=lambda ins, outs, res, cts: (res[0] * cts[0],),
        reads_inputs=(),
        reads_outputs=False,
    )
    kernels("res_cube.fwd", lambda dev, x: seen.append("fwd") or (x**3, 3 * x * x))
    kernels("res_cube.bwd", lambda dev, r, ct: seen.append("bwd") or (r * ct,))
    g = hx.grad(lambda x: op(x).sum())(hx.tensor(X))
    np.testing.assert_allclose(g.numpy(), 3 * X * X)
    assert seen == ["fwd", "bwd"]


def test_a_kernel_without_a_backward_leaves_the_gradient_to_the_body(kernels):
    calls = []
    op = Composite("half_cube", cube)
    kernels("half_cube", lambda dev, x: calls.append(1) or x**3)
    for run in (lambda f: f, hx.trace):
        g = run(hx.grad(lambda x: op(x).sum()))(hx.tensor(X))
        np.testing.assert_allclose(g.numpy(), 3 * X * X, rtol=1e-6)
    assert calls
    check_grads(op, X.astype(np.float64), order=2)


def test_an_unused_output_needs_no_cotangent():
    op = Composite(
        "both",
        lambda x: (x * 2.0, x * 3.0),
        fwd=lambda x: (x * 2.0, x * 3.0),
        bwd=lambda ins, outs, res, cts: (cts[0] * 2.0 + cts[1] * 3.0,),
    )
    g = hx.grad(lambda x: op(x)[0].sum())(hx.tensor(X))
    assert g.tolist() == np.full_like(X, 2.0).tolist()


def test_an_opaque_composite_keeps_its_inputs_alone():
    op = Composite("deep", lambda x: hx.tanh(hx.exp(x)), opaque=True)
    y = op(hx.Parameter(hx.tensor(X)))
    assert [t.buffer is not None for t in y.node.inputs] == [True] and not y.node.outs
    check_grads(op, X.astype(np.float64), order=2)


def test_the_highest_priority_that_supports_the_call_wins(kernels):
    only32 = lambda dev, x: True if x.dtype is hx.float32 else "float32 only"
    kernels("pick", lambda dev, x: x + 1)
    kernels("pick", lambda dev, x: x + 2, supports=only32, priority=5)
    op = Composite("pick", lambda x: x + 100.0)
    assert op(hx.tensor(0.0)).item() == 2.0
    assert op(hx.tensor(0.0, "float64")).item() == 1.0


def test_a_refusal_is_said_once_with_its_reason(kernels, device):
    kernels("fussy", lambda dev, x: x, supports=lambda dev, x: "too round")
    op = Composite("fussy", lambda x: x + 1.0)
    with pytest.warns(UserWarning, match=r"\[fussy\].*refused float32\[\]: too round"):
        assert op(hx.tensor(0.0)).item() == 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert op(hx.tensor([0.0])).tolist() == [1.0]
    choice = hx.which("fussy", device, hx.tensor(0.0))
    assert choice.kernel == "default" and choice.why == "too round"


def test_a_kernel_may_leave_the_call_to_the_body_without_a_word(kernels):
    kernels("shy", lambda dev, x: x, supports=lambda dev, x: None)
    op = Composite("shy", lambda x: x + 1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert op(hx.tensor(0.0)).item() == 1.0


def test_which_says_the_kernel_and_why(kernels, device):
    nothing = hx.which("never_seen", device, hx.tensor(X))
    assert nothing.kernel == "default" and "no kernel" in nothing.why
    spec = kernels("seen", lambda dev, x, k: x, priority=3)
    choice = hx.which("seen", str(device), hx.Aval((2,), hx.float32), k=1)
    assert choice.kernel is spec and "priority 3" in choice.why
    assert hx.which(Composite("seen", cube), device, hx.tensor(X), k=1).kernel is spec


def test_kernels_are_chosen_again_when_a_plan_is_made(kernels):
    op = Composite("late", lambda x: x + 1.0)
    f = hx.trace(lambda x: op(x))
    assert f(hx.tensor(0.0)).item() == 1.0
    kernels("late", lambda dev, x: x + 2)
    assert hx.trace(lambda x: op(x))(hx.tensor(0.0)).item() == 2.0


def test_a_kernel_is_chosen_by_dtype_in_plans_as_in_eager_code(kernels):
    calls = []
    only32 = lambda dev, x: True if x.dtype is hx.float32 else None
    kernels("c32", lambda dev, x: calls.append(1) or x**3, supports=only32)
    op = Composite("c32", cube)
    wide = hx.tensor(X.astype(np.float64))
    f = lambda x: (op(x) * op(x)).sum()
    a, b = hx.grad(f)(wide), hx.trace(hx.grad(f))(wide)
    np.testing.assert_allclose(a.numpy(), b.numpy())
    assert calls == [] and a.dtype is b.dtype is hx.float64
    hx.trace(f)(hx.tensor(X))
    assert calls


def test_kernels_still_run_inside_checkpoint_eager_and_planned(kernels):
    seen = []
    op = Composite(
        "ck_cube",
        cube,
        fwd=lambda x: (cube(x),),
        bwd=lambda ins, outs, res, cts: (3.0 * ins[0] * ins[0] * cts[0],),
        reads_outputs=False,
    )
    kernels("ck_cube", lambda dev, x: seen.append("") or x**3)
    kernels("ck_cube.fwd", lambda dev, x: seen.append("fwd") or (x**3,))
    kernels("ck_cube.bwd", lambda dev, x, ct: seen.append("bwd") or (3 * x * x * ct,))
    f = lambda x: hx.checkpoint(lambda x: op(x) * 2.0)(x).sum()
    both = hx.value_and_grad(f)
    for run in (both, hx.trace(both)):
        seen.clear()
        _, g = run(hx.tensor(X))
        np.testing.assert_allclose(g.numpy(), 6 * X * X, rtol=1e-6)
        assert "bwd" in seen and len(seen) > 1


def test_attributes_must_be_hashable_and_the_error_names_the_culprit():
    op = Composite("axes", lambda x, axes: x.sum(axes))
    with pytest.raises(
        TypeError, match=r"expected hashable attributes; got axes=\[0\]"
    ):
        hx.trace(lambda x: op(x, axes=[0]))(hx.tensor(X))


def test_a_kernel_result_has_the_dtype_and_shape_of_the_body(kernels):
    kernels("bf", lambda dev, x: (x.astype(np.float32) * 2).astype(x.dtype))
    op = Composite("bf", lambda x: x * 2.0)
    y = op(hx.ones((3,), "bfloat16"))
    assert y.dtype is hx.bfloat16 and y.buffer.dtype == hx.bfloat16.dtype


def test_bfloat16_gradients_of_a_composite():
    x = hx.ones((3,), "bfloat16")
    g = hx.grad(lambda x: (hx.softmax(x) * x).sum())(x)
    assert g.dtype is hx.bfloat16 and g.shape == (3,)


def test_composites_are_differentiated_to_the_third_order():
    w = hx.tensor(X.astype(np.float64))
    f = lambda x: (hx.softmax(x) * w).sum()
    g = lambda x: (hx.grad(f)(x) * w).sum()
    check_grads(g, X.astype(np.float64), order=2)
