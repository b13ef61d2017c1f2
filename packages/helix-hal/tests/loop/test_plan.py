"""Plans of kernel backends: what is joined, the same bits, memory that is written over."""

import helix_core as hx
import numpy as np
import pytest
from helix_core._interpreter import Plan
from helix_hal.loop.fuse import STEPS, Fused, FusedReduction
from helix_hal.loop.plan import plan_for


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def planned(dev):
    """The plan of a function at some arrays, and their buffers."""

    def make(fn, *arrays):
        xs = [hx.tensor(a, device=dev) for a in arrays]
        graph = hx.trace(fn).graph(*xs)
        return plan_for(graph, dev, dev.backend.engine(dev)), [x.buffer for x in xs]

    return make


@pytest.fixture
def host(dev):
    return lambda buffers: [dev.backend.to_host(b) for b in buffers]


def programs(plan):
    """The equations of a plan: whether each is a joined one, with its op's name."""
    kinds = (Fused, FusedReduction)
    return [(isinstance(e.op, kinds), e.op.name) for e in plan._flat.equations]


def floats(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


def test_a_chain_is_one_program(planned, host, rng):
    a, b = floats(rng, 5, 7), floats(rng, 7)
    plan, xs = planned(lambda x, y: hx.tanh(x * y + 1.0) / (2.0 - y), a, b)
    # what has fewer elements is computed once, not at every place
    assert len(programs(plan)) == 2 and all(p[0] for p in programs(plan))
    want = np.tanh(a * b + np.float32(1)) / (2 - b)
    np.testing.assert_allclose(host(plan(*xs))[0], want, rtol=1e-6)


def test_results_that_others_read_are_written_by_the_program(planned, host, rng):
    a = floats(rng, 6, 4)
    plan, xs = planned(lambda x: (y := x * x, y @ y.T, y + x), a)
    got = host(plan(*xs))
    for g, w in zip(got, (a * a, (a * a) @ (a * a).T, a * a + a), strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-5)
    assert (False, "dot_general") in programs(plan) and sum(
        f for f, _ in programs(plan)
    ) == 2


def test_a_sum_reads_its_elements_as_they_are_made(planned, host, rng):
    a, b = floats(rng, 3, 50), floats(rng, 3, 50)
    plan, xs = planned(lambda x, y: (x * y).sum(1), a, b)
    assert len(programs(plan)) == 1 and programs(plan)[0][0]
    np.testing.assert_allclose(host(plan(*xs))[0], (a * b).sum(1), rtol=1e-5)


def test_a_sum_of_what_is_kept_reads_it(planned, host, rng):
    a = floats(rng, 3, 50)
    plan, xs = planned(lambda x: (y := x * x, y.sum(0)), a)
    assert len(programs(plan)) == 2
    got = host(plan(*xs))
    np.testing.assert_array_equal(got[0], a * a)
    np.testing.assert_allclose(got[1], (a * a).sum(0), rtol=1e-5)


def test_nothing_is_computed_that_nobody_reads(planned, rng):
    def fn(x):
        hx.exp(x @ x)
        return x + 1.0

    assert len(programs(planned(fn, floats(rng, 4, 4))[0])) == 1


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "complex64"])
def test_joined_equations_give_the_bits_of_single_ones(dev, planned, host, rng, dtype):
    x = hx.tensor(floats(rng, 40, 3), device=dev).astype(dtype)
    y = hx.tensor(floats(rng, 3), device=dev).astype(dtype)

    def fn(x, y):
        z = x * y - x / 3.0
        return z * z + y, hx.where(hx.real(z) > 0.5, z, -0.0), z * 0.0

    graph = hx.trace(fn).graph(x, y)
    buffers = [x.buffer, y.buffer]
    ours = host(plan_for(graph, dev, dev.backend.engine(dev))(*buffers))
    singly = host(Plan(graph, dev)(*buffers))
    for a, b in zip(ours, singly, strict=True):
        assert a.dtype == b.dtype and a.tobytes() == b.tobytes()


def test_a_number_is_converted_where_it_is_read(planned, host, rng):
    def fn(x, s, t):
        u = hx.cast(s, "float32")
        return x * u, hx.cast(hx.cast(s * s, "float32") * t, "float64") + s, u

    a, s, t = floats(rng, 6), np.float64(0.1), np.float32(3)
    plan, xs = planned(fn, a, s, t)
    got = host(plan(*xs))
    np.testing.assert_array_equal(got[0], a * np.float32(s))
    np.testing.assert_allclose(got[1], np.float32(s * s) * t + s, rtol=1e-7)
    np.testing.assert_array_equal(got[2], np.float32(s))
    assert sum(x.shape == () for x in got) == 2 and got[1].dtype == np.float64


def test_long_chains_are_cut(planned, host, rng):
    def fn(x):
        for i in range(3 * STEPS):
            x = x + float(i) if i % 2 else hx.abs(x)
        return x

    a = floats(rng, 5)
    plan, xs = planned(fn, a)
    assert 1 < len(programs(plan))
    want = a
    for i in range(3 * STEPS):
        want = want + np.float32(i) if i % 2 else np.abs(want)
    np.testing.assert_allclose(host(plan(*xs))[0], want, rtol=1e-6)


def test_no_program_has_more_memories_than_the_device_takes(
    dev, planned, host, rng, monkeypatch
):
    engine = dev.backend.engine(dev)
    monkeypatch.setattr(engine.device, "max_arguments", 4, raising=False)
    arrays = [floats(rng, 4) for _ in range(9)]
    plan, xs = planned(lambda *x: sum(x[1:], x[0]), *arrays)
    for e in plan._flat.equations:
        assert len(e.inputs) + len(e.outputs) <= 4
    np.testing.assert_allclose(host(plan(*xs))[0], np.sum(arrays, 0), rtol=1e-5)


@pytest.mark.parametrize("shape", [(), (0, 3), (1,), (2, 0)])
def test_edges_of_shape(planned, host, rng, shape):
    a = floats(rng, *shape)
    plan, xs = planned(lambda x: (hx.exp(x) * 2.0 - x, (x * x).sum()), a)
    got = host(plan(*xs))
    assert got[0].shape == shape
    np.testing.assert_allclose(got[0], np.exp(a) * 2 - a, rtol=1e-6)
    np.testing.assert_allclose(got[1], (a * a).sum(), rtol=1e-6)


def test_operands_in_other_layouts(dev, host, rng):
    a, b = floats(rng, 4, 6), floats(rng, 6, 4)
    x, y = hx.tensor(a, device=dev), hx.tensor(b, device=dev)
    fn = hx.compile(lambda x, y: x * y + x)
    for u, v, p, q in (
        (x, y.T, a, b.T),
        (x.T, y, a.T, b),
        (x[::-1], y.T, a[::-1], b.T),
    ):
        np.testing.assert_allclose(fn(u, v).numpy(), p * q + p, rtol=1e-6)


# -------------------------------------------------------------------------------- memory
def test_donated_memory_holds_the_results(planned, host, rng):
    a, b = floats(rng, 30), floats(rng, 30)
    plan, xs = planned(lambda p, m: (p - (n := m * 0.5 + p), n), a, b)
    assert plan.reuses((0, 1)) == (0, 1)
    p, m = plan(*xs, donate=(0, 1))
    assert {p.memory, m.memory} == {x.memory for x in xs}
    n = b * np.float32(0.5) + a
    for got, want in zip(host((p, m)), (a - n, n), strict=True):
        np.testing.assert_array_equal(got, want)


def test_memory_that_a_view_reaches_is_not_written_over(planned, host, rng):
    a = floats(rng, 4, 4)
    plan, xs = planned(lambda p: (p.T, p * 2.0), a)
    assert plan.reuses((0,)) == ()
    got = host(plan(*xs, donate=(0,)))
    np.testing.assert_array_equal(got[0], a.T)
    np.testing.assert_array_equal(got[1], a * 2)


def test_a_donated_input_that_is_read_later_is_not_written_over(planned, host, rng):
    a = floats(rng, 4, 4)
    plan, xs = planned(lambda p: ((p * 2.0) @ p, p + 1.0), a)
    got = host(plan(*xs, donate=(0,)))
    np.testing.assert_allclose(got[0], (a * 2) @ a, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(got[1], a + 1)


def test_a_backend_knows_whether_memory_is_one_buffers_alone(dev):
    x = hx.tensor(np.zeros((3, 4), np.float32), device=dev)
    owns = dev.backend.owns
    assert owns(x.buffer)
    view = x.T
    assert not owns(x.buffer) and not owns(view.buffer)
    del view
    assert owns(x.buffer)
    assert not owns(x[1:].buffer) and not owns(x.T.buffer)


# ---------------------------------------------------------------------------- optimizers
OPTIMIZERS = {
    "adamw": lambda p: hx.optim.AdamW(p, lr=0.1, weight_decay=0.1),
    "adam": lambda p: hx.optim.Adam(p, lr=0.1, weight_decay=0.1),
    "sgd": lambda p: hx.optim.SGD(p, lr=0.1, momentum=0.9),
    "rmsprop": lambda p: hx.optim.RMSprop(p, lr=0.1, momentum=0.5, centered=True),
}


def trained(name, device, compiled, held=False):
    rng = np.random.default_rng(3)
    shapes = [(3, 4), (4,), (2, 2)]
    ps = [hx.Parameter(hx.tensor(floats(rng, *s), device=device)) for s in shapes]
    gs = [hx.tensor(floats(rng, *s), device=device) for s in shapes]
    opt = OPTIMIZERS[name](ps)

    def step(one):
        loss = sum(((p - g) * (p - g)).sum() for p, g in zip(ps, gs, strict=True))
        (one * loss).backward()
        hx.optim.clip_grad_norm(ps, 0.5)
        opt.step()

    kept = [p.value for p in ps] if held else []
    before = [k.numpy().copy() for k in kept]
    step = hx.compile(step) if compiled else step
    for _ in range(3):
        step(hx.ones((), device=device))
    for k, b in zip(kept, before, strict=True):
        np.testing.assert_array_equal(k.numpy(), b)
    return [p.numpy() for p in ps]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_update_as_on_numpy(dev, name):
    want = trained(name, "numpy", False)
    for compiled in (False, True):
        for got, w in zip(trained(name, dev, compiled), want, strict=True):
            np.testing.assert_allclose(got, w, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("compiled", [False, True])
def test_values_that_somebody_holds_stay(dev, compiled):
    trained("adamw", dev, compiled, held=True)


def test_updates_write_over_parameters_and_state(dev):
    p = hx.Parameter(hx.tensor(np.ones((8, 8), np.float32), device=dev))
    opt = hx.optim.AdamW([p], lr=0.1)
    memories = []
    for _ in range(3):
        (p * p).sum().backward()
        opt.step()
        memories.append(id(p.value.buffer.memory))
    assert memories[1] == memories[2]


def test_an_update_in_place_may_exchange_memories(dev, rng):
    """A plan may write over any donated memory of the right size."""
    from helix_hal.loop.bodies import InPlace

    class Swapped(InPlace):
        def results(self, dev, flat, attrs, donate):
            return flat[1], flat[0]

    a, b = (hx.tensor(floats(rng, 5), device=dev) for _ in range(2))
    x, y = a.numpy().copy(), b.numpy().copy()
    swap = Swapped("swap", lambda count: [0, 1])
    assert swap(dev, a.buffer, b.buffer) == ()
    np.testing.assert_array_equal(dev.backend.to_host(a.buffer), y)
    np.testing.assert_array_equal(dev.backend.to_host(b.buffer), x)


def test_averages_of_weights(dev, rng):
    a, b = floats(rng, 3, 3), floats(rng, 3, 3)
    average = hx.Parameter(hx.tensor(a, device=dev))
    p = hx.Parameter(hx.tensor(b, device=dev))
    hx.optim.ema_update([average], [p], 0.75)
    np.testing.assert_allclose(average.numpy(), 0.75 * a + 0.25 * b, rtol=1e-6)
