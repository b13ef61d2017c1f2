"""Whole graphs as one program: cells, donation, control flow, errors."""

import threading

import helix_core as hx
import numpy as np
import pytest
from helix_core._trace import close
from helix_hal.xla.plan import Plan, plan_for


def graph_of(fn, *shapes):
    avals = [hx.Aval(s, hx.float32) for s in shapes]
    return close(fn, avals, hx.Device("xla:0")).graph


def on(dev, a):
    return hx.tensor(np.asarray(a, np.float32), device=dev)


def test_a_plan_is_memoised_and_keeps_its_inputs(dev):
    g = graph_of(lambda x, y: (x @ y, hx.softmax(x)), (2, 3), (3, 2))
    plan = plan_for(g, dev)
    assert isinstance(plan, Plan) and plan_for(g, dev) is plan
    x, y = np.arange(6.0).reshape(2, 3), np.ones((3, 2))
    bufs = [on(dev, a).buffer for a in (x, y)]
    got = plan(*bufs)
    np.testing.assert_allclose(got[0], x @ y)
    e = np.exp(x - x.max(1, keepdims=True))
    np.testing.assert_allclose(got[1], e / e.sum(1, keepdims=True), rtol=1e-6)
    assert not any(b.is_deleted() for b in bufs)
    assert "stablehlo.dot_general" in plan.text()


def test_donated_inputs_are_given_up_and_others_are_not(dev):
    g = graph_of(lambda x, y, z: (x + y, y * 2.0, z[:1]), (4,), (4,), (3,))
    plan = plan_for(g, dev)
    assert plan.reuses((0, 1, 2)) == (0, 1)  # nothing has the shape of z
    a, b, c = (on(dev, np.ones(n)).buffer for n in (4, 4, 3))
    got = plan(a, b, c, donate=(0, 1))
    np.testing.assert_array_equal(got[0], np.full(4, 2.0))
    assert a.is_deleted() and b.is_deleted() and not c.is_deleted()


def test_a_training_step_writes_over_its_cells(dev):
    p = hx.Parameter(on(dev, np.ones(300)))
    run = hx.compile(lambda: p.update(lambda v: v * 0.5))

    def step():
        with hx.device(dev):
            run()

    step()
    old = p.value.buffer
    keep = p.value
    del old
    step()
    assert not keep.buffer.is_deleted()  # somebody holds it
    np.testing.assert_array_equal(keep.numpy(), np.full(300, 0.5))
    del keep
    buffer = p.value.buffer
    seen = np.asarray(buffer)  # a view of its memory
    del buffer
    step()
    np.testing.assert_array_equal(seen, np.full(300, 0.25))
    np.testing.assert_array_equal(p.value.numpy(), np.full(300, 0.125))


def test_memory_is_reused_where_nothing_else_holds_it(dev):
    p = hx.Parameter(on(dev, np.ones(1 << 16)))
    step = hx.compile(lambda: p.update(lambda v: v + 1.0))
    where = set()
    with hx.device(dev):
        step()
        for _ in range(3):
            step()
            where.add(p.value.buffer.unsafe_buffer_pointer())
    assert len(where) == 1
    assert p.value[0].item() == 5.0


def test_control_flow_in_a_program(dev):
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


def test_random_state_is_the_same_on_every_device(dev):
    def draws():
        return hx.random_uniform((5,)), hx.random_normal((5,))

    out = []
    for device in (dev, hx.Device("numpy")):
        with hx.device(device):
            hx.seed(3)
            both = hx.compile(draws)
            out.append([t.numpy() for t in (*both(), *both())])
    np.testing.assert_array_equal(out[0][0], out[1][0])
    np.testing.assert_array_equal(out[0][2], out[1][2])
    np.testing.assert_allclose(out[0][3], out[1][3], rtol=1e-6)


def test_linear_algebra_runs_on_the_host_and_says_what_is_wrong(dev):
    a = on(dev, [[2.0, 1.0], [1.0, 3.0]])
    f = hx.compile(lambda a: hx.linalg.cholesky(a) @ hx.linalg.inv(a))
    want = np.linalg.cholesky(a.numpy()) @ np.linalg.inv(a.numpy())
    np.testing.assert_allclose(f(a).numpy(), want, rtol=1e-5)
    with pytest.raises(hx.LinAlgError, match="positive definite"):
        f(-a)
    np.testing.assert_allclose(f(a).numpy(), want, rtol=1e-5)


def test_a_graph_that_leaves_the_device_is_interpreted(dev):
    f = hx.compile(lambda x: (x * 2.0).to("numpy"))
    out = f(on(dev, [1.0, 2.0]))
    assert out.tolist() == [2.0, 4.0]


def test_float64_inside_and_the_users_default_outside(dev):
    import jax
    import jax.numpy as jnp

    before = jax.config.jax_enable_x64
    x = hx.tensor(np.array([1.0, 1e-12]), device=dev)
    assert x.sum().item() == 1.0 + 1e-12
    assert hx.compile(lambda x: x.sum())(x).item() == 1.0 + 1e-12
    assert jax.config.jax_enable_x64 == before
    assert jnp.arange(3.0).dtype == (jnp.float64 if before else jnp.float32)


def test_two_threads_compile_and_run_one_plan(dev):
    f = hx.compile(lambda x: hx.sum(hx.tanh(x @ x)))
    x, out = on(dev, np.eye(50)), []

    def work():
        out.extend(f(x).item() for _ in range(5))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(out) == 10 and len(set(out)) == 1


def test_compile_time_is_told(dev, monkeypatch, capsys):
    monkeypatch.setenv("HELIX_TRACE", "kernels")
    hx.compile(lambda x: x * 1.2345)(on(dev, [1.0]))
    said = capsys.readouterr().err
    assert "xla:" in said and "compiled in" in said


def test_out_of_memory_is_an_error_that_leaves_the_device_usable(dev):
    with pytest.raises(hx.OutOfMemory, match=r"\d+ bytes on 'xla:0'"):
        hx.zeros((1 << 44,), device=dev).device.synchronize()
    f = hx.compile(lambda x: hx.broadcast_to(x, (1 << 44,)) * 2.0)
    with pytest.raises(hx.OutOfMemory, match="xla:0"):
        f(on(dev, 1.0))
    assert (on(dev, [1.0]) + 1.0).tolist() == [2.0]


def test_no_such_device():
    with pytest.raises(hx.DeviceError, match=r"xla:0.*got 'xla:99'"):
        hx.zeros((2,), device="xla:99")
    with pytest.raises(hx.DeviceError, match="no tpu here"):
        hx.zeros((2,), device="tpu:0")


def test_what_the_device_says(dev):
    backend = dev.backend
    (info, *_) = backend.devices()
    assert (info.index, info.kind) == ("0", "xla") and "jax" in info.driver
    assert info.memory > 0 and "float64" in info.dtypes
    with pytest.warns(UserWarning, match="fixed when JAX starts"):
        backend.set_num_threads(2)
    load = backend.load(dev)
    assert load is None or 0.0 <= load <= 1.0
    dev.synchronize()


def test_synchronize_waits_for_what_was_dispatched(dev):
    x = on(dev, np.ones((1200, 1200)))
    y = x @ x @ x @ x
    dev.synchronize()
    assert y.buffer.is_ready()


def test_errors_of_the_compiler_show_its_log_and_the_program(dev, monkeypatch):
    from jax._src import stages
    from jax.errors import JaxRuntimeError

    def refuse(self, *args, **kw):
        raise JaxRuntimeError("INTERNAL: no registers left")

    monkeypatch.setattr(stages.Lowered, "compile", refuse)
    f = hx.compile(lambda x: x * 7.25)
    with pytest.raises(hx.CompileError) as e:
        f(on(dev, [1.0]))
    assert "xla:0" in str(e.value) and "no registers left" in str(e.value)
    assert "stablehlo.multiply" in str(e.value)
    monkeypatch.undo()
    assert f(on(dev, [1.0])).tolist() == [7.25]


def test_a_strangers_kernel_is_traced_into_the_program(dev):
    from helix_core._device import _REGISTERED, register_kernel
    from helix_core.contracts import KernelSpec

    x = on(dev, [1.0, 2.0])
    spec = KernelSpec("silu", "xla", lambda device, x: x + 100.0, priority=5)
    register_kernel(spec)
    try:
        for run in (hx.silu, hx.compile(hx.silu)):
            assert run(x).tolist() == [101.0, 102.0]
    finally:
        _REGISTERED.remove(spec)
        dev.forget()
    assert hx.silu(x).tolist() != [101.0, 102.0]


def test_backward_kernels_of_optional_operands(dev):
    """``name.bwd`` has one body for each pattern of operands."""
    x, w = (np.random.default_rng(0).standard_normal((3, 4)) for _ in range(2))
    labels = np.array([0, 2, 1], np.int32)
    for bias in ((), (np.ones(3),)):
        got, want = (
            hx.vjp(
                lambda *xs: hx.linear_cross_entropy(
                    *xs[:2], hx.tensor(labels, device=xs[0].device), *xs[2:]
                ),
                *[hx.tensor(a.astype("f4"), device=d) for a in (x, w, *bias)],
            )
            for d in (dev, "numpy")
        )
        np.testing.assert_allclose(got[0].numpy(), want[0].numpy(), rtol=1e-6)
        cts = [hx.tensor(np.float32(2.0), device=d) for d in (dev, "numpy")]
        for g, v in zip(got[1](cts[0]), want[1](cts[1]), strict=True):
            np.testing.assert_allclose(g.numpy(), v.numpy(), atol=1e-6)


def test_exports_are_read_only_and_of_the_same_memory(dev):
    x = on(dev, np.arange(1000.0))
    seen = dev.backend.to_host(x.buffer)
    assert not seen.flags.writeable
    assert seen.ctypes.data == x.buffer.unsafe_buffer_pointer()


def test_what_the_caller_writes_later_does_not_show(dev):
    a = np.ones(1 << 16, np.float32)
    x = hx.tensor(a, device=dev)
    a[:] = 5.0
    assert x.numpy().max() == 1.0
