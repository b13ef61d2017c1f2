"""Compiled graphs: what is written over, what is computed once, and what stays."""

import threading

import helix_core as hx
import numpy as np
import pytest
from helix_core._trace import close
from helix_hal.torch.plan import Plan, plan_for


def on(dev, a):
    return hx.tensor(np.asarray(a, np.float32), device=dev)


def graph_of(fn, *shapes):
    avals = [hx.Aval(s, hx.float32) for s in shapes]
    return close(fn, avals, hx.Device("torch:cpu")).graph


def names(plan):
    return [e.op.name for e in plan._flat.equations]


def test_a_plan_is_memoised_and_keeps_its_inputs(dev):
    g = graph_of(lambda x, y: (x @ y + 1.0, hx.softmax(x)), (2, 3), (3, 2))
    plan = plan_for(g, dev)
    assert isinstance(plan, Plan) and plan_for(g, dev) is plan
    x, y = np.arange(6.0).reshape(2, 3), np.ones((3, 2))
    bufs = [on(dev, a).buffer for a in (x, y)]
    got = plan(*bufs)
    np.testing.assert_allclose(got[0], x @ y + 1.0)
    np.testing.assert_array_equal(bufs[0], x)
    np.testing.assert_array_equal(bufs[1], y)


def test_intermediates_are_written_over_and_views_of_them_are_not(dev):
    def fn(x):
        a = x * 2.0
        top = a[:1]  # a view that lives on
        b = a + 1.0
        c = hx.exp(b) - 1.0
        return top + 0.5, c, b

    x = np.arange(6, dtype=np.float32).reshape(3, 2) / 4
    plan = plan_for(graph_of(fn, (3, 2)), dev)
    for _ in range(2):
        top, c, b = (t.numpy() for t in plan(on(dev, x).buffer))
        np.testing.assert_array_equal(top, x[:1] * 2 + 0.5)
        np.testing.assert_array_equal(b, x * 2 + 1)
        np.testing.assert_allclose(c, np.exp(x * 2 + 1) - 1, rtol=1e-6)
    assert "out=" in plan.source


def test_a_transposed_view_keeps_its_memory(dev):
    def fn(x):
        a = x + 1.0
        t = a.T
        return a * 3.0, t @ a

    x = np.arange(4, dtype=np.float32).reshape(2, 2)
    got = plan_for(graph_of(fn, (2, 2)), dev)(on(dev, x).buffer)
    np.testing.assert_array_equal(got[0], (x + 1) * 3)
    np.testing.assert_array_equal(got[1], (x + 1).T @ (x + 1))


def test_constants_are_computed_once_and_are_not_written(dev):
    def fn(x):
        c = hx.arange(4, dtype="float32", device=x.device) * 2.0
        return (c + 1.0) * x, c, hx.maximum(x, 0.5) * 2.0

    run = hx.compile(fn)
    for _ in range(2):
        y, c, z = run(on(dev, np.ones(4)))
        np.testing.assert_array_equal(y.numpy(), [1, 3, 5, 7])
        np.testing.assert_array_equal(c.numpy(), [0, 2, 4, 6])
        np.testing.assert_array_equal(z.numpy(), np.full(4, 2.0))
    plan = plan_for(graph_of(lambda x: hx.maximum(x, 0.5) * 2.0, (4,)), dev)
    assert names(plan) == ["max", "mul"]


def test_relu_and_its_gradient_are_one_call_each(dev):
    def fn(x, ct):
        y, pull = hx.vjp(hx.relu, x)
        return y, pull(ct)

    plan = plan_for(graph_of(fn, (6,), (6,)), dev)
    assert names(plan) == ["relu", "masked"]
    x = np.array([-1, -0.0, 0, 2, np.nan, np.inf], np.float32)
    y, g = plan(on(dev, x).buffer, on(dev, np.arange(6) + 1).buffer)
    np.testing.assert_array_equal(y, [0, 0, 0, 2, np.nan, np.inf])
    np.testing.assert_array_equal(g, [0, 0, 0, 4, 5, 6])


def test_donated_inputs_are_written_over_and_others_are_not(dev):
    g = graph_of(lambda x, y, z: (x + y, z[:1] + 0.0), (4,), (4,), (3,))
    plan = plan_for(g, dev)
    assert plan.reuses((0, 2)) == (0,)
    a, b, c = (on(dev, np.ones(n)).buffer for n in (4, 4, 3))
    got = plan(a, b, c, donate=(0,))
    assert got[0].data_ptr() == a.data_ptr()
    np.testing.assert_array_equal(got[0], np.full(4, 2.0))
    np.testing.assert_array_equal(b, np.ones(4))


def trained(dev, compiled, shared=None):
    """Parameters after three steps of AdamW, and whether their memory stayed."""
    p = hx.Parameter(on(dev, np.ones((64, 64))))
    opt = hx.optim.AdamW([p], lr=0.1)

    def step():
        hx.sum(hx.square(p)).backward()
        opt.step()

    run = hx.compile(step) if compiled else step
    with hx.device(dev):
        run()
        if shared is not None:
            shared.append(p.value.numpy())
            shared.append(shared[0].copy())
        where = {p.value.buffer.data_ptr()}
        for _ in range(2):
            run()
            where.add(p.value.buffer.data_ptr())
    return p.numpy().copy(), len(where) == 1


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_an_update_is_written_over_the_parameters_that_nobody_shares(dev, compiled):
    free, stayed = trained(dev, compiled)
    assert stayed
    seen = []
    held, stayed = trained(dev, compiled, seen)
    np.testing.assert_array_equal(seen[0], seen[1])  # a NumPy view keeps its values
    np.testing.assert_array_equal(free, held)


def test_control_flow(dev):
    def fn(x):
        c, ys = hx.scan(lambda c, v: (c * 0.5 + v, c), x[0] * 0.0, x, reverse=True)
        n = hx.while_loop(lambda s: s < 100.0, lambda s: s * 3.0, hx.sum(x))
        return c, ys, n, hx.cond(n > 200.0, lambda v: v + 1.0, lambda v: -v, x)

    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    want = fn(hx.tensor(x, device="numpy"))
    t = hx.tensor(x, device=dev)
    for got in (fn(t), hx.compile(fn)(t)):
        for g, w in zip(got, want, strict=True):
            np.testing.assert_allclose(g.numpy(), w.numpy(), rtol=1e-6)


def test_a_loop_keeps_what_its_body_hands_on(dev):
    """A carry that is an input of the loop, and read after it."""

    def fn(x):
        a = x * 1.0
        last, ys = hx.scan(
            lambda c, _: (c, c + 1.0), a, hx.zeros((3,), device=x.device)
        )
        return last * 2.0, ys, a + 1.0

    x = np.arange(2, dtype=np.float32)
    a, ys, b = hx.compile(fn)(on(dev, x))
    np.testing.assert_array_equal(a.numpy(), x * 2)
    np.testing.assert_array_equal(ys.numpy(), np.stack([x + 1] * 3))
    np.testing.assert_array_equal(b.numpy(), x + 1)


def test_two_threads_run_one_plan(dev):
    f = hx.compile(lambda x: hx.sum(hx.tanh(x @ x)))
    out = [None] * 4

    def work(i):
        out[i] = f(on(dev, np.full((20, 20), i / 10))).item()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    want = [400 * np.tanh(20 * (i / 10) ** 2) for i in range(4)]
    np.testing.assert_allclose(out, want, rtol=1e-5)
