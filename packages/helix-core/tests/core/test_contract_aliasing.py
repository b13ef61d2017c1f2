"""Who may see whose memory: contract, section 3, aliasing and donation."""

import gc
import weakref

import helix_core as hx
import numpy as np
import pytest

BIG = 1 << 19  # float32 numbers: two MiB


def address(t):
    return t.buffer.__array_interface__["data"][0]


# ---------------------------------------------------------------------- in and out
def test_a_tensor_is_a_copy_of_the_array_it_was_made_of():
    a = np.ones(4, np.float32)
    t = hx.tensor(a)
    a[:] = 7
    assert t.tolist() == [1.0] * 4


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float8_e5m2", "bool"])
@pytest.mark.parametrize(
    "view", [lambda t: t, lambda t: t.T, lambda t: t[:, ::2], lambda t: t.reshape(6)]
)
def test_an_export_is_read_only_and_cannot_be_unlocked(dtype, view):
    a = np.asarray(view(hx.ones((2, 3), dtype)))
    assert not a.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        a[...] = 0
    with pytest.raises(ValueError, match="WRITEABLE"):
        a.flags.writeable = True
    base = a
    while isinstance(base, np.ndarray):
        assert not base.flags.writeable
        base = base.base


def test_a_requested_copy_is_writable_and_independent():
    t = hx.tensor([1.0, 2.0])
    a = np.array(t)
    a[:] = 9
    assert t.tolist() == [1.0, 2.0]
    assert np.asarray(t).__array_interface__["data"][0] == address(t)  # no copy here


def test_dlpack_exports_and_imports_by_value():
    t = hx.tensor([1.0, 2.0])
    a = np.from_dlpack(t)
    assert a.tolist() == [1.0, 2.0]
    assert t.__dlpack_device__() == (1, 0)


def test_the_next_result_does_not_reuse_exported_memory():
    t = hx.zeros((BIG,)) + 1.0
    a = np.asarray(t)
    del t
    gc.collect()
    hx.zeros((BIG,)) + 5.0
    assert a[0] == 1.0 and a[-1] == 1.0


# ------------------------------------------------------------------------- donation
def stepper(p):
    return hx.trace(lambda x: setattr(p, "value", p.value * 2.0 + x))


def test_a_traced_step_writes_over_a_value_that_nobody_else_holds():
    c = hx.Cell(hx.zeros((BIG,)) + 1.0)
    step = stepper(c)
    x = hx.ones((BIG,))
    step(x)
    before = address(c.value)
    step(x)
    assert address(c.value) == before
    assert c.value[0].item() == 7.0 and c.value[-1].item() == 7.0


def held_by_a_variable(c):
    return c.value


def held_by_an_export(c):
    return np.asarray(c.value)


def held_by_a_view(c):
    return c.value.reshape(2, -1)


def held_by_a_weak_reference(c):
    return weakref.ref(c.value)


def held_by_a_tape(c):
    p = hx.Parameter(hx.ones((BIG,)))
    return p * c.value


@pytest.mark.parametrize(
    "hold",
    [
        held_by_a_variable,
        held_by_an_export,
        held_by_a_view,
        held_by_a_weak_reference,
        held_by_a_tape,
    ],
)
def test_a_value_that_somebody_holds_is_left_alone(hold):
    c = hx.Cell(hx.zeros((BIG,)) + 1.0)
    step, x = stepper(c), hx.ones((BIG,))
    step(x)
    held, before = hold(c), address(c.value)
    step(x)
    assert c.value[0].item() == 7.0
    if hold is not held_by_a_weak_reference:
        assert address(c.value) != before
    if hold in (held_by_a_variable, held_by_an_export, held_by_a_view):
        assert np.asarray(held).reshape(-1)[0] == 3.0
    if hold is held_by_a_tape:
        (held.sum()).backward()
        assert held.node.op.name == "mul"


def test_a_tape_from_before_a_step_still_has_its_values():
    p = hx.Parameter(hx.zeros((BIG,)) + 3.0)
    step = hx.trace(lambda: setattr(p, "value", p.value * 2.0))
    step()
    loss = (p * p).sum()  # reads the value 6
    step()
    assert p.value[0].item() == 12.0
    loss.backward()
    assert p.grad[0].item() == 12.0  # 2 * 6, not 2 * 12


def test_an_argument_is_never_overwritten():
    c = hx.Cell(hx.zeros((BIG,)) + 1.0)
    step = stepper(c)
    x = hx.ones((BIG,))
    for _ in range(3):
        step(x)
    assert x[0].item() == 1.0
    step(c.value)  # the same tensor as argument and as cell
    assert c.value[0].item() == 15.0 * 2 + 15.0


# ---------------------------------------------------------------------- cell.update
def test_update_writes_a_large_value_in_place():
    c = hx.Cell(hx.zeros((BIG,)) + 1.0)
    before = address(c.value)
    for i in range(3):
        c.update(lambda x, i=i: x.at[i].set(float(i)))
    assert address(c.value) == before
    assert c.value[:4].tolist() == [0.0, 1.0, 2.0, 1.0]


def test_update_copies_where_somebody_could_tell():
    c = hx.Cell(hx.zeros((BIG,)) + 1.0)
    held = c.value
    c.update(lambda x: x.at[0].set(9.0))
    assert held[0].item() == 1.0 and c.value[0].item() == 9.0
    old = np.asarray(c.value)
    c.update(lambda x: x + c.value)  # reads the cell itself as well
    assert old[0] == 9.0 and c.value[0].item() == 18.0


@pytest.mark.parametrize("n", [3, BIG])
def test_update_takes_any_function(n):
    c = hx.Cell(hx.ones((n,)))
    c.update(lambda x: x[:2])  # another shape
    assert c.value.tolist() == [1.0, 1.0]
    g = hx.Generator(1)
    c = hx.Cell(hx.zeros((n,)))
    c.update(lambda x: x + hx.random_uniform((n,), generator=g))
    want = hx.random_uniform((n,), generator=hx.Generator(1))
    np.testing.assert_array_equal(c.value.numpy(), want.numpy())
    assert g.state_dict()["stream"] == 1
    with pytest.raises(hx.ShapeError):
        c.update(lambda x: x.reshape(n + 1))
    np.testing.assert_array_equal(c.value.numpy(), want.numpy())


def test_update_of_a_parameter_keeps_it_a_leaf():
    p = hx.Parameter(hx.zeros((BIG,)) + 1.0)
    before = address(p.value)
    p.update(lambda w: w * 0.5)
    assert address(p.value) == before and p.value[0].item() == 0.5
    (p * 2.0).sum().backward()
    assert p.grad[0].item() == 2.0
