"""Levels, freeing, aliasing and errors of the tape."""

import threading

import helix_core as hx
import numpy as np
import pytest
from helix_core._state import _LEVELS, STATE

X = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]], np.float32)
W = np.array([[1.0, 2.0, -1.0], [0.5, -2.0, 3.0]], np.float32)


@pytest.fixture(autouse=True)
def clean_state():
    yield
    assert _LEVELS == []
    assert STATE.get().trace is None
    assert STATE.get().active == -1


def param(values=X):
    return hx.Parameter(hx.tensor(values))


def test_backward_writes_the_gradient_of_a_product():
    p = param()
    (p * hx.tensor(W)).sum().backward()
    np.testing.assert_array_equal(p.grad.numpy(), W)


def test_a_parameter_used_twice_sums_its_gradients():
    p = param()
    ((p * 2.0) * p).sum().backward()
    np.testing.assert_allclose(p.grad.numpy(), 4 * X)


def test_gradients_accumulate_over_two_backwards():
    p = param()
    for _ in range(2):
        (p * hx.tensor(W)).sum().backward()
    np.testing.assert_array_equal(p.grad.numpy(), 2 * W)


def test_a_cell_twice_in_a_tree_is_one_input():
    p = param()
    _, g = hx.value_and_grad(lambda t: (t["a"] * t["b"] * 2.0).sum())({"a": p, "b": p})
    np.testing.assert_allclose(g["a"].numpy(), 4 * X)
    np.testing.assert_allclose(g["b"].numpy(), 4 * X)


def test_grad_leaves_a_captured_parameter_without_gradient():
    p = param()
    g = hx.grad(lambda x: (x * p).sum())(hx.tensor(W))
    assert p.grad is None
    np.testing.assert_array_equal(g.numpy(), X)


def test_nested_grads_are_not_confused():
    one = hx.tensor(1.0)
    g = hx.grad(lambda x: x * hx.grad(lambda y: x + y)(one))(one)
    assert g.item() == 1.0


def test_third_derivative():
    d3 = hx.grad(hx.grad(hx.grad(lambda x: x * x * x * x)))
    assert d3(hx.tensor(2.0)).item() == 48.0


def test_a_pullback_works_inside_another_level():
    x = hx.tensor(3.0)
    _, pull = hx.vjp(lambda x: x * x * x, x)
    g = hx.grad(lambda z: pull(z) * z)(hx.tensor(2.0))
    assert g.item() == pytest.approx(2 * 2 * 27.0)


def test_an_unused_pullback_frees_its_level():
    hx.vjp(lambda x: x * x, hx.tensor(X))
    assert _LEVELS == []


def test_a_pullback_may_be_called_twice():
    _, pull = hx.vjp(lambda x: x * x, hx.tensor(3.0))
    assert pull(hx.tensor(1.0)).item() == 6.0
    assert pull(hx.tensor(2.0)).item() == 12.0


def test_vjp_of_several_inputs_and_outputs_takes_none_for_zero():
    _, pull = hx.vjp(lambda x, y: (x * y, x + y), hx.tensor(2.0), hx.tensor(5.0))
    gx, gy = pull((hx.tensor(1.0), None))
    assert (gx.item(), gy.item()) == (5.0, 2.0)


def test_no_grad_blocks_levels_open_at_its_entry_only():
    p = param()
    with hx.no_grad():
        y = p * 2.0
        g = hx.grad(lambda x: (x * x).sum())(hx.tensor(X))
    assert not y.requires_grad
    np.testing.assert_allclose(g.numpy(), 2 * X)


def test_backward_twice_says_so():
    loss = (param() * 2.0).sum()
    loss.backward()
    with pytest.raises(hx.GradError, match="retain=True"):
        loss.backward()


def test_retain_allows_a_second_backward():
    p = param()
    loss = (p * 2.0).sum()
    loss.backward(retain=True)
    loss.backward()
    np.testing.assert_array_equal(p.grad.numpy(), np.full_like(X, 4.0))


def test_backward_of_a_vector_needs_a_cotangent():
    p = param()
    with pytest.raises(hx.GradError, match=r"one element; got float32\[2,3\]"):
        (p * 2.0).backward()
    (p * 2.0).backward(hx.tensor(W))
    np.testing.assert_array_equal(p.grad.numpy(), 2 * W)


def test_backward_without_a_graph_is_an_error():
    with pytest.raises(hx.GradError, match="no_grad"):
        hx.tensor(1.0).backward()


def test_an_error_in_backward_writes_no_gradient(device):
    def rule(inputs, outputs, cts, wanted):
        raise ZeroDivisionError

    boom = hx.Primitive("boom", "ELEMENTWISE", lambda a: (a,), rule)
    device.table["boom"] = lambda dev, a: a
    p, q = param(), param()
    loss = (q * 2.0).sum() + hx.bind(boom, p * 1.0).sum()
    with pytest.raises(ZeroDivisionError):
        loss.backward()
    assert p.grad is None and q.grad is None


def test_a_frozen_parameter_gets_no_gradient():
    p, q = param(), hx.Parameter(hx.tensor(W), trainable=False)
    (p * q).sum().backward()
    assert q.grad is None
    q.freeze(False)
    (p * q).sum().backward()
    np.testing.assert_array_equal(q.grad.numpy(), X)


def test_detach_stops_the_gradient_eagerly_and_in_a_trace():
    def f(x):
        return (x * x.detach()).sum()

    for run in (hx.grad(f), hx.trace(hx.grad(f)), hx.grad(hx.checkpoint(f))):
        np.testing.assert_array_equal(run(hx.tensor(X)).numpy(), X)


def test_gradients_have_the_dtype_and_shape_of_their_input():
    b = hx.tensor(np.ones(3, np.float16))
    g = hx.grad(lambda b: (hx.tensor(X) * b).sum())(b)
    assert g.dtype is hx.float16 and g.shape == (3,)
    np.testing.assert_allclose(g.numpy(), X.sum(0), rtol=1e-3)


def test_integer_paths_carry_no_gradient():
    x = hx.tensor(X)
    g = hx.grad(lambda x: (x * x.astype("int32").astype("float32")).sum())(x)
    np.testing.assert_array_equal(g.numpy(), X.astype(np.int32).astype(np.float32))


def test_a_long_chain_is_walked_and_freed_without_recursion():
    p = hx.Parameter(hx.tensor(1.0))
    y = p * 1.0
    for _ in range(50_000):
        y = y + p
    y.backward()
    assert p.grad.item() == 50_001.0
    z = p * 1.0
    for _ in range(50_000):
        z = z + p
    del z


def test_a_new_thread_starts_from_the_defaults():
    out = []
    with hx.no_grad():

        def work():
            p = param()
            (p * 2.0).sum().backward()
            out.append(p.grad.numpy()[0, 0])

        t = threading.Thread(target=work)
        t.start()
        t.join()
    assert out == [2.0]


def test_a_generator_suspended_in_no_grad_does_not_outlive_its_context():
    def gen():
        with hx.no_grad():
            yield 1

    g = gen()
    next(g)
    g.close()
    assert (param() * 2.0).requires_grad


def test_exports_are_read_only_and_cannot_be_unlocked():
    t = hx.tensor(X)
    a = np.asarray(t)
    with pytest.raises(ValueError):
        a[0, 0] = 9
    with pytest.raises(ValueError):
        a.flags.writeable = True


def test_from_host_copies():
    a = X.copy()
    t = hx.tensor(a)
    a[0, 0] = 99
    assert t[0, 0].item() == 0.5


def test_zero_d_results_are_arrays():
    s = hx.tensor(X).sum()
    assert isinstance(s.buffer, np.ndarray) and s.shape == ()


def test_unused_outputs_get_zero_cotangents():
    two = hx.Composite("two", lambda x: (x * 2.0, x * 3.0))
    g = hx.grad(lambda x: two(x)[0].sum())(hx.tensor(X))
    np.testing.assert_array_equal(g.numpy(), np.full_like(X, 2.0))


def test_mixed_devices_name_both():
    a, b = hx.tensor(X, device="cpu"), hx.tensor(X, device="numpy")
    with pytest.raises(hx.DeviceError, match="cpu, numpy"):
        a + b
    with pytest.raises(hx.DeviceError, match="numpy"):
        hx.trace(lambda x: x + b)(a)


def test_moving_carries_the_gradient():
    p = param()
    y = p.to("numpy") * hx.tensor(W, device="numpy")
    y.sum().backward()
    assert p.grad.device.name == p.device.name
    np.testing.assert_array_equal(p.grad.numpy(), W)


def test_unhashable_attributes_are_named():
    with pytest.raises(TypeError, match=r"reduce_sum.*axes=\[0\]"):
        hx.bind(hx.PRIMITIVES["reduce_sum"], hx.tensor(X), axes=[0])


def test_constants_keep_type_and_sign():
    x = hx.tensor([1.0])
    assert np.signbit((x * 0.0).numpy()[0]) == False  # noqa: E712
    assert np.signbit((x * -0.0).numpy()[0]) == True  # noqa: E712
    assert (hx.tensor([1]) + True).dtype is hx.int32


def test_iteration_is_bounded():
    assert [r.tolist() for r in hx.tensor([[1, 2], [3, 4]])] == [[1, 2], [3, 4]]
    with pytest.raises(TypeError):
        iter(hx.tensor(1.0))
