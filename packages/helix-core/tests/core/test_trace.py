"""Tracing, graphs, plans and checkpoint."""

import helix_core as hx
import numpy as np
import pytest
from helix_core._trace import close

X = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]], np.float32)
W = np.array([[1.0, 2.0, -1.0], [0.5, -2.0, 3.0]], np.float32)


def ops_of(graph):
    return [e.op.name for e in graph.equations]


def test_a_traced_function_returns_the_eager_values():
    f = lambda x, y: hx.tanh(x) * y + 1.0
    a, b = hx.tensor(X), hx.tensor(W)
    np.testing.assert_array_equal(hx.trace(f)(a, b).numpy(), f(a, b).numpy())


def test_the_graph_holds_only_what_the_outputs_need():
    def f(x):
        hx.exp(x)
        return x * 2.0

    assert ops_of(hx.trace(f).graph(hx.tensor(X))) == ["full", "mul"]


def test_a_traced_step_lifts_parameters_gradients_and_replays_exactly():
    def make():
        return hx.Parameter(hx.tensor(X), "p")

    def step(p, lr):
        def run(x):
            loss = hx.square(p * x - 1.0).sum()
            loss.backward()
            p.value = p.value - lr.value * p.grad
            p.grad = None
            return loss

        return run

    lr = hx.Cell(hx.tensor(0.1), "lr")
    p, q = make(), make()
    eager, traced = step(p, lr), hx.trace(step(q, lr))
    x = hx.tensor(W)
    for _ in range(3):
        assert eager(x).item() == traced(x).item()
    np.testing.assert_array_equal(p.value.numpy(), q.value.numpy())
    seen = traced.explain(x)
    assert seen["cells_read"] == ["p", "lr"]
    assert seen["cells_written"] == ["p.grad", "p"]


def test_a_cell_that_changes_between_calls_is_not_stale():
    lr = hx.Cell(hx.tensor(2.0))
    f = hx.trace(lambda x: x * lr.value)
    f(hx.tensor(X))
    lr.value = hx.tensor(3.0)
    np.testing.assert_array_equal(f(hx.tensor(X)).numpy(), X * 3)


def test_a_cell_of_another_dtype_is_planned_again():
    p = hx.Parameter(hx.tensor(X))
    f = hx.trace(lambda x: p * x)
    assert f(hx.tensor(W)).dtype is hx.float32
    p.value = hx.tensor(X.astype(np.float64))
    y = f(hx.tensor(W))
    assert y.dtype is hx.float64 and y.buffer.dtype == np.float64


def test_gradients_accumulate_through_a_traced_micro_batch():
    p = hx.Parameter(hx.tensor(X))
    f = hx.trace(lambda x: (p * x).sum().backward())
    f(hx.tensor(W))
    f(hx.tensor(W))
    np.testing.assert_array_equal(p.grad.numpy(), 2 * W)


def test_an_exception_inside_a_trace_leaves_cells_as_they_were():
    p = hx.Parameter(hx.tensor(X))

    def bad(x):
        p.value = p.value * x
        (p * x).sum().backward()
        raise KeyError("boom")

    with pytest.raises(KeyError):
        hx.trace(bad)(hx.tensor(W))
    np.testing.assert_array_equal(p.value.numpy(), X)
    assert p.grad is None


def test_a_closure_tensor_is_a_constant_and_listed():
    c = hx.tensor(W)
    f = hx.trace(lambda x: x * c)
    np.testing.assert_array_equal(f(hx.tensor(X)).numpy(), X * W)
    assert f.explain(hx.tensor(X))["constants"] == [c.aval]


def test_python_values_are_static():
    f = hx.trace(lambda x, k: x * k)
    np.testing.assert_array_equal(f(hx.tensor(X), 2.0).numpy(), X * 2)
    np.testing.assert_array_equal(f(hx.tensor(X), 3.0).numpy(), X * 3)


def test_full_and_iota_are_recorded_not_baked():
    g = hx.trace(lambda x: x + hx.zeros((1000, 1000))).graph(hx.tensor(1.0))
    assert g.captures == () and "full" in ops_of(g)


@pytest.mark.parametrize(
    "use", [bool, float, np.asarray, lambda t: t.tolist()], ids=str
)
def test_a_traced_tensor_has_no_value(use):
    with pytest.raises(hx.TraceError, match="traced"):
        hx.trace(lambda x: use(x.sum()))(hx.tensor(X))


def test_a_tracer_that_escapes_is_refused():
    box = []
    hx.trace(lambda x: (box.append(x * 2.0), x)[1])(hx.tensor(X))
    with pytest.raises(hx.TraceError, match="left its trace"):
        box[0] + hx.tensor(X)
    with pytest.raises(hx.TraceError):
        hx.Cell(box[0])


def test_a_new_shape_makes_a_new_plan():
    f = hx.trace(lambda x: x.sum())
    assert f(hx.ones((2, 3))).item() == 6.0
    assert f(hx.ones((5,))).item() == 5.0


def test_graphs_are_equal_by_content_and_print():
    a = hx.trace(lambda x: hx.exp(x) + 1.0).graph(hx.tensor(X))
    b = hx.trace(lambda x: hx.exp(x) + 1.0).graph(hx.tensor(X))
    c = hx.trace(lambda x: hx.exp(x) + 2.0).graph(hx.tensor(X))
    assert a == b and hash(a) == hash(b) and a != c
    assert "= exp(%0)" in str(a)


def test_literals_are_recorded_once():
    g = hx.trace(lambda x: (x + 1.0) * (x - 1.0) / 1.0).graph(hx.tensor(X))
    assert ops_of(g).count("full") == 1


def test_grad_of_grad_inside_a_trace():
    f = lambda x: (hx.exp(x) * x).sum()
    g = lambda x: (hx.grad(f)(x) * hx.tensor(W)).sum()
    x = hx.tensor(X)
    np.testing.assert_allclose(
        hx.trace(hx.grad(g))(x).numpy(), (np.exp(X) * (X + 2) * W), rtol=1e-5
    )


def test_close_lists_captures_in_order_of_use():
    a, b = hx.tensor(1.0), hx.tensor(2.0)
    closed = close(lambda x: x * b + a, [a.aval], a.device)
    assert [t.item() for t in closed.captures] == [2.0, 1.0]
    assert closed.graph.replay(hx.tensor(5.0), b, a)[0].item() == 11.0


# ------------------------------------------------------------------------ checkpoint


def _net(weights, x, wrap):
    h = x
    for w in weights:
        h = wrap(lambda h, w=w: hx.tanh(h @ w))(h)
    return (h * h).sum()


def test_checkpoint_has_the_same_gradients_for_closures_and_inputs():
    rng = np.random.default_rng(0)
    ws = [hx.Parameter(rng.normal(size=(4, 4)).astype(np.float32)) for _ in range(3)]
    x = hx.Parameter(rng.normal(size=(2, 4)).astype(np.float32))
    _net(ws, x, lambda f: f).backward()
    plain = [p.grad.numpy().copy() for p in (*ws, x)]
    for p in (*ws, x):
        p.grad = None
    _net(ws, x, hx.checkpoint).backward()
    for p, g in zip((*ws, x), plain, strict=True):
        np.testing.assert_allclose(p.grad.numpy(), g, rtol=1e-6)


def test_checkpoint_keeps_no_intermediate_values():
    p = hx.Parameter(hx.tensor(X))
    y = hx.checkpoint(lambda x: hx.tanh(hx.exp(x)))(p)
    kept = [t for t in y.node.inputs if t.buffer is not None]
    assert len(kept) == 1 and not y.node.outs


def test_second_derivatives_through_checkpoint():
    f = lambda wrap: lambda x: wrap(lambda z: hx.tanh(z) * hx.exp(z))(x).sum()
    g = lambda wrap: hx.grad(
        lambda x: (hx.grad(f(wrap))(x) * hx.grad(f(wrap))(x)).sum()
    )
    x = hx.tensor(X)
    np.testing.assert_allclose(
        g(hx.checkpoint)(x).numpy(), g(lambda h: h)(x).numpy(), rtol=1e-5
    )


def test_grad_inside_checkpoint():
    inner = lambda x: hx.grad(lambda z: (z * z * z).sum())(x)
    g = hx.grad(lambda x: hx.checkpoint(inner)(x).sum())(hx.tensor(X))
    np.testing.assert_allclose(g.numpy(), 6 * X, rtol=1e-6)


def test_checkpoint_inside_a_traced_step():
    w = hx.Parameter(hx.tensor(W))

    def step(x):
        loss = hx.checkpoint(lambda x: hx.tanh(x * w).sum())(x)
        loss.backward()
        return loss

    hx.trace(step)(hx.tensor(X))
    want = (1 - np.tanh(X * W) ** 2) * X
    np.testing.assert_allclose(w.grad.numpy(), want, rtol=1e-5)
