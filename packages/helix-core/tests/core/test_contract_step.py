"""A training step as one graph: forward, backward, clip, update, random state."""

import helix_core as hx
import numpy as np
import pytest
from helix_core import optim

RNG = np.random.default_rng(3)
XS = RNG.normal(size=(5, 8, 6)).astype(np.float32)
YS = RNG.integers(0, 4, size=(5, 8)).astype(np.int32)


class Net(hx.Module):
    def __init__(self, generator):
        draw = np.random.default_rng(0).normal
        self.first = hx.Parameter(0.3 * draw(size=(6, 7)).astype(np.float32))
        self.scale = hx.Parameter(np.ones(7, np.float32), decay=False)
        self.last = hx.Parameter(0.3 * draw(size=(7, 4)).astype(np.float32))
        self.generator = generator

    def forward(self, x):
        h = hx.rms_norm(hx.silu(x @ self.first), self.scale)
        return hx.dropout(h, 0.25, generator=self.generator) @ self.last


def training(name):
    """``(step, everything that a step changes)`` of a fresh run."""
    g = hx.Generator(11)
    net = Net(g)
    make = {
        "adamw": lambda p: optim.AdamW(p, lr=0.05, weight_decay=0.1),
        "sgd": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
        "rmsprop": lambda p: optim.RMSprop(p, lr=0.01, momentum=0.5),
    }
    opt = make[name](net.parameters())

    def step(x, y):
        loss = hx.losses.cross_entropy(net(x), y)
        loss.backward()
        norm = optim.clip_grad_norm(opt.parameters, 0.5)
        opt.step()
        return loss, norm

    def state():
        arrays = opt.state_dict()[0] | net.state_dict()
        return {k: np.array(v) for k, v in arrays.items()} | g.state_dict()

    return step, state, opt


def batch(i):
    return hx.tensor(XS[i]), hx.tensor(YS[i])


@pytest.mark.parametrize("name", ["adamw", "sgd", "rmsprop"])
def test_the_whole_step_is_one_graph_that_replays_to_the_same_values(name):
    eager, eager_state, _ = training(name)
    step, state, _ = training(name)
    traced = hx.trace(step)
    for i in range(5):
        for a, b in zip(eager(*batch(i)), traced(*batch(i)), strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=2e-6)
    want, got = eager_state(), state()
    assert want.keys() == got.keys() and got["stream"] == 5
    for k, v in want.items():
        np.testing.assert_allclose(got[k], v, rtol=1e-5, atol=1e-6, err_msg=k)
    # one: the first step finds the state that the others find
    assert sum(map(len, traced.entries.values())) == 1


def test_the_graph_reads_and_writes_parameters_state_and_random_state():
    step, _, opt = training("adamw")
    traced = hx.trace(step)
    seen = traced.explain(*batch(0))
    assert seen["inputs"] == [t.aval for t in batch(0)]
    assert "random_state" in seen["cells_read"] and "lr" in seen["cells_read"]
    assert {"random_state", "steps"} <= set(seen["cells_written"])
    assert (
        len(seen["cells_read"]) == 3 + 2 * 3 + 3
    )  # values, moments; lr, steps, random
    assert seen["constants"] == []  # nothing that a step changes is baked in
    names = {e.op.name for e in traced.graph(*batch(0)).equations}
    assert {"dropout.fwd", "dropout.bwd", "clip_by_norm", "rms_norm.bwd"} <= names
    assert any("adam" in n for n in names)
    assert opt.steps == 0  # to look at the graph runs nothing


def test_a_graph_can_be_run_by_hand():
    """Inputs, cells and captures in, results and new cell values out: that is all."""
    step, state, _ = training("adamw")
    traced = hx.trace(step)
    before = state()
    leaves, entry = traced._entry(batch(0), {})
    closed = entry.closed
    plan = leaves[0].device.backend.compile(closed.graph, leaves[0].device)
    values = [*leaves, *[c.value for c in closed.cells_in], *closed.captures]
    out = plan(*[t.buffer for t in values])
    for k, v in state().items():
        np.testing.assert_array_equal(v, before[k])  # running a plan changes no cell
    loss, _ = traced(*batch(0))
    np.testing.assert_array_equal(out[0], loss.numpy())
    again = closed.graph.replay(*values)  # the interpreter of graphs, op by op
    np.testing.assert_allclose(again[0].numpy(), loss.numpy(), rtol=1e-6)


def test_the_learning_rate_is_read_anew_at_each_call():
    step, state, opt = training("sgd")
    traced = hx.trace(step)
    traced(*batch(0))
    opt.lr = 0.0
    before = state()
    traced(*batch(1))
    after = state()
    for k in ("first", "last", "scale"):
        np.testing.assert_array_equal(after[k], before[k])
    assert len(traced.entries) == 1


def test_a_parameter_that_nothing_reached_is_skipped_eager_and_traced():
    for wrap in (lambda f: f, hx.trace):
        p, q = hx.Parameter(hx.ones((2,))), hx.Parameter(hx.ones((2,)))
        opt = optim.AdamW([p, q], lr=0.1)

        @wrap
        def step(p=p, opt=opt):
            (p * 2.0).sum().backward()
            opt.step()

        step()
        assert p.tolist() != [1.0, 1.0] and q.tolist() == [1.0, 1.0]
        assert p.grad is None and q.grad is None


def test_a_tied_weight_is_updated_once():
    for wrap in (lambda f: f, hx.trace):
        p = hx.Parameter(hx.tensor([1.0, 2.0]))

        class Tied(hx.Module):
            def __init__(self, p=p):
                self.a, self.b = p, p

        net = Tied()
        opt = optim.SGD(net.parameters(), lr=0.5)

        @wrap
        def step(net=net, opt=opt):
            (net.a * net.b).sum().backward()
            opt.step()

        step()
        assert p.tolist() == [0.0, 0.0]  # p - 0.5 * 2 p


def test_micro_batches_accumulate_in_the_graph():
    p = hx.Parameter(hx.ones((2,)))
    traced = hx.trace(lambda x: (p * x).sum().backward())
    for x in ([1.0, 2.0], [10.0, 20.0]):
        traced(hx.tensor(x))
    assert p.grad.tolist() == [11.0, 22.0]
    assert sum(map(len, traced.entries.values())) == 2  # without, and with a gradient


def test_an_exception_in_a_traced_step_writes_nothing():
    step, state, opt = training("adamw")

    def bad(x, y):
        step(x, y)
        raise KeyError("after the update")

    before = state()
    with pytest.raises(KeyError):
        hx.trace(bad)(*batch(0))
    for k, v in state().items():
        np.testing.assert_array_equal(v, before[k])
    assert all(p.grad is None for p in opt.parameters)
