"""Levels, tracing, cells, plan keys, threads: contract, section 3."""

import subprocess
import sys
import threading

import helix_core as hx
import numpy as np
import pytest
from gradcheck import check_grads
from helix_core._state import _LEVELS, STATE
from helix_core._trace import close

X = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]], np.float32)
W = np.array([[1.0, 2.0, -1.0], [0.5, -2.0, 3.0]], np.float32)


@pytest.fixture(autouse=True)
def clean_state():
    yield
    assert _LEVELS == [] and STATE.get().trace is None and STATE.get().active == -1


def names(traced, *args):
    return [e.op.name for e in traced.graph(*args).equations]


# ----------------------------------------------------------------------------- levels
def test_grad_of_grad_through_a_composite_in_a_trace_and_in_a_checkpoint():
    w = hx.tensor(W.astype(np.float64))
    f = lambda x: (hx.softmax(x) * w).sum()
    g = hx.grad(lambda x: (hx.grad(f)(x) * w).sum())
    ck = hx.grad(lambda x: (hx.grad(hx.checkpoint(f))(x) * w).sum())
    x = hx.tensor(X.astype(np.float64))
    want = g(x).numpy()
    np.testing.assert_allclose(hx.trace(g)(x).numpy(), want, rtol=1e-12)
    np.testing.assert_allclose(ck(x).numpy(), want, rtol=1e-12)
    np.testing.assert_allclose(hx.trace(ck)(x).numpy(), want, rtol=1e-12)


def test_a_gradient_that_depends_on_a_parameter_can_be_differentiated_again():
    p = hx.Parameter(hx.tensor(X))
    g = hx.grad(lambda x: (x * p * p).sum())(hx.tensor(W))
    assert p.grad is None
    g.sum().backward()
    np.testing.assert_allclose(p.grad.numpy(), 2 * X)


def test_a_result_of_grad_carries_no_history_of_its_own_level():
    value, g = hx.value_and_grad(lambda x: (x * x).sum())(hx.tensor(X))
    assert not value.requires_grad and not g.requires_grad
    y, pull = hx.vjp(lambda x: x * x, hx.tensor(X))
    assert not y.requires_grad and not pull(hx.tensor(W)).requires_grad


def test_no_grad_inside_grad_blocks_that_level():
    def f(x):
        with hx.no_grad():
            y = x * 3.0
        return (x * y).sum()

    np.testing.assert_allclose(hx.grad(f)(hx.tensor(X)).numpy(), 3 * X)


def test_a_walk_frees_the_graph_as_it_goes():
    p = hx.Parameter(hx.tensor(X))
    loss = hx.exp(p * 2.0).sum()
    node = loss.node
    loss.backward()
    assert node.inputs is None and node.outs is None


def test_after_an_error_in_backward_no_gradient_is_half_written(device):
    def broken(inputs, outputs, cts, wanted):
        raise ZeroDivisionError

    boom = hx.Primitive("boom2", "ELEMENTWISE", lambda a: (a,), broken)
    device.table["boom2"] = lambda dev, a: a
    p, q = hx.Parameter(hx.tensor(X)), hx.Parameter(hx.tensor(X))
    q.grad = hx.tensor(W)
    loss = hx.bind(boom, p * 1.0).sum() + (q * 2.0).sum()
    for _ in range(2):
        with pytest.raises((ZeroDivisionError, hx.GradError)):
            loss.backward()
    assert p.grad is None
    np.testing.assert_array_equal(q.grad.numpy(), W)


def test_levels_of_one_thread_do_not_reach_another():
    seen = []

    def other():
        y = hx.tensor(X) * 2.0
        seen.append((STATE.get().active, STATE.get().trace, y.requires_grad))

    def f(x):
        with hx.no_grad():
            t = threading.Thread(target=other)
            t.start()
            t.join()
        return (x * x).sum()

    hx.trace(hx.grad(f))(hx.tensor(X))
    assert seen == [(-1, None, False)]


def test_threads_differentiate_at_the_same_time():
    x = hx.tensor(X.astype(np.float64))
    want = 20 * X.astype(np.float64) ** 3 * 5
    found = []

    def work():
        for _ in range(50):
            f = hx.grad(
                lambda x: (hx.grad(lambda x: (x**4.0 * x).sum())(x) * 5.0).sum()
            )
            found.append(np.abs(f(x).numpy() - want).max())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(found) == 200 and max(found) < 1e-9


def test_a_new_thread_has_the_default_device(device):
    seen = []
    t = threading.Thread(target=lambda: seen.append(hx.default_device().name))
    t.start()
    t.join()
    assert seen == ["cpu"]


# ---------------------------------------------------------------------------- tracing
def test_while_a_trace_is_active_every_bind_records():
    noise = hx.tensor(W)
    f = hx.trace(lambda x: x + hx.exp(noise))  # nothing here depends on an argument
    assert "exp" in names(f, hx.tensor(X))


def test_a_mask_is_drawn_anew_at_each_call_and_equals_the_eager_one():
    ones = hx.ones((4, 64))
    f = hx.trace(lambda x: hx.dropout(x, 0.5))
    hx.seed(7)
    a, b = f(ones).numpy(), f(ones).numpy()
    hx.seed(7)
    c, d = hx.dropout(ones, 0.5).numpy(), hx.dropout(ones, 0.5).numpy()
    assert (a != b).any() and (a == c).all() and (b == d).all()


def test_inside_a_body_and_a_rule_the_default_device_is_that_of_the_inputs():
    here = hx.Device("numpy")
    seen = []

    def body(x):
        seen.append(hx.zeros((1,)).device)
        return x * hx.ones(())

    op = hx.Composite("where_am_i", body)
    x = hx.tensor(X, device=here)
    with hx.device("cpu"):
        op(x)
        hx.grad(lambda x: op(x).sum())(x)
        hx.trace(lambda x: op(x))(x)
        hx.checkpoint(body)(x)
        hx.scan(lambda c, r: (c, body(r)), hx.tensor(0.0, device=here), x)
        hx.cond(hx.tensor(True, device=here), body, body, x)
    assert seen and {d.name for d in seen} == {"numpy"}


def test_one_closure_converter_lists_what_a_function_took_from_outside():
    a = hx.tensor(2.0)
    p = hx.Parameter(hx.tensor(3.0))
    closed = close(lambda x: x * a + p, [a.aval], a.device)
    assert [t.item() for t in closed.captures] == [2.0, 3.0]
    lifted = close(lambda x: x * a + p, [a.aval], a.device, lift=True)
    assert lifted.cells_in == (p,) and [t.item() for t in lifted.captures] == [2.0]


def test_a_history_from_outside_is_followed_by_backward_inside():
    p = hx.Parameter(hx.tensor(X))
    h = p * 3.0
    hx.trace(lambda x: (h * x).sum().backward())(hx.tensor(W))
    np.testing.assert_allclose(p.grad.numpy(), 3 * W)


# ------------------------------------------------------------------------------ cells
def test_reads_and_writes_in_a_trace_go_to_its_overlay():
    c = hx.Cell(hx.tensor(1.0), "count")

    def step():
        c.value = c.value + 1.0
        inside = c.value
        c.value = c.value * 10.0
        return inside

    f = hx.trace(step)
    g = f.graph()
    assert c.value.item() == 1.0 and len(g.inputs) == 1 and len(g.outputs) == 2
    assert f().item() == 2.0 and c.value.item() == 20.0
    assert f().item() == 21.0 and c.value.item() == 210.0


def test_a_cell_may_become_none_and_something_again():
    c = hx.Cell(None, "maybe")
    f = hx.trace(lambda x: setattr(c, "value", None if c.value is not None else x))
    f(hx.tensor(5.0))
    assert c.value.item() == 5.0
    f(hx.tensor(6.0))
    assert c.value is None
    f(hx.tensor(7.0))
    assert c.value.item() == 7.0 and sum(map(len, f.entries.values())) == 2


# --------------------------------------------------------------------------- plan key
def test_a_plan_is_made_again_for_what_it_depends_on_and_only_then():
    runs = []
    c = hx.Cell(hx.tensor(1.0))

    def f(x, k=1.0):
        runs.append(1)
        return x * c.value * k

    t = hx.trace(f)

    def made(*args, **kw):
        before = len(runs)
        t(*args, **kw)
        return len(runs) - before

    x = hx.tensor(X)
    assert made(x) == 1 and made(x + 1.0) == 0  # other values
    c.value = hx.tensor(5.0)
    assert made(x) == 0  # a cell's other value
    assert made(x[:1]) == 1  # another shape
    assert made(x.astype("float64")) == 1  # another dtype
    assert made(x, 2.0) == 1 and made(x, 2.0) == 0  # a static argument
    c.value = hx.tensor([1.0, 2.0, 3.0])
    assert made(x) == 1  # another aval of a cell
    with hx.no_grad():
        assert made(x) == 1  # other levels
    assert made(x) == 0
    other = hx.Device("numpy" if x.device.name == "cpu" else "cpu")
    c.value = c.value.to(other)
    assert made(x.to(other)) == 1  # another device


def test_other_python_values_and_closure_tensors_are_constants():
    class Model:
        rate = 2.0

    box = [hx.tensor(W)]
    f = hx.trace(lambda x: x * Model.rate + box[0])
    np.testing.assert_allclose(f(hx.tensor(X)).numpy(), 2 * X + W)
    Model.rate, box[0] = 9.0, hx.tensor(X)
    np.testing.assert_allclose(f(hx.tensor(X)).numpy(), 2 * X + W)  # as documented


def test_explain_lists_what_is_read_anew_and_what_is_fixed(capsys):
    scale, table = 2.0, hx.tensor(W)
    p = hx.Parameter(hx.tensor(X), "weight")

    def f(x, power):
        return (p * x * scale + table) ** power

    t = hx.compile(f, explain=True)
    t(hx.tensor(X), 3)
    said = capsys.readouterr().err
    assert "cells_read: weight" in said and "constants: float32[2,3]" in said
    assert "static: 3" in said and "closure: scale=2.0" in said
    t(hx.tensor(W), 3)
    assert capsys.readouterr().err == ""  # only when a plan is made
    seen = t.explain(hx.tensor(X), 3)
    assert seen["static"] == [3] and seen["closure"] == ["scale=2.0"]
    assert seen["inputs"] == [hx.tensor(X).aval] and seen["cells_written"] == []


def test_unhashable_static_arguments_are_refused():
    with pytest.raises(hx.TraceError, match="hashable static arguments"):
        hx.trace(lambda x, k: x)(hx.tensor(X), {1, 2})


def test_arrays_and_trees_among_the_arguments_are_inputs():
    f = hx.trace(lambda d, a: d["x"] * a + d["n"][0])
    one = {"x": hx.tensor(X), "n": [W]}
    np.testing.assert_allclose(f(one, X).numpy(), X * X + W)
    two = {"x": hx.tensor(W), "n": [X]}
    np.testing.assert_allclose(f(two, W).numpy(), W * W + X)
    assert len(f.entries) == 1


# --------------------------------------------------------------- eager code stays light
def test_a_repl_on_the_cpu_compiles_nothing():
    code = """
import sys
import helix_core as hx
p = hx.Parameter(hx.ones((8,)))
(hx.exp(p) * p + 1.0).sum().backward()
(hx.random_uniform((3,)) @ hx.ones((3,))).item()
heavy = {"numba", "scipy", "torch", "jax", "pydantic", "rich", "click"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_second_derivatives_of_a_checkpointed_block_by_differences():
    w = hx.tensor(W[0].astype(np.float64))
    block = hx.checkpoint(lambda x: hx.tanh(x * w) * hx.sigmoid(x))
    check_grads(block, X.astype(np.float64), order=2)


def test_a_checkpoint_is_held_back_by_a_barrier():
    p = hx.Parameter(hx.tensor(X))
    f = hx.trace(
        lambda: hx.checkpoint(lambda x: hx.exp(hx.tanh(x)).sum())(p).backward()
    )
    assert "barrier" in names(f)
