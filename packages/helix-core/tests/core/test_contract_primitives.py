"""What primitives, dtypes and kernels mean on every device: contract, section 2."""

import gc
import threading
import weakref

import helix_core as hx
import ml_dtypes
import numpy as np
import pytest
from helix_core._primitives.scan import linear_scan_p

X = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]], np.float32)


# ---------------------------------------------------------------------- dtypes, avals
def test_inexact_and_not_numpys_kind_decides_what_is_differentiable():
    assert np.dtype(ml_dtypes.bfloat16).kind == "V" and hx.bfloat16.inexact
    for d in (hx.float16, hx.bfloat16, hx.float32, hx.complex64):
        assert hx.Parameter(hx.ones((2,), d)).value.requires_grad
    for d in (hx.bool_, hx.int8, hx.uint64):
        assert not d.inexact and not hx.Parameter(hx.ones((2,), d)).value.requires_grad


def test_a_dtype_has_a_name_a_category_a_width_and_a_numpy_dtype():
    d = hx.bfloat16
    assert (d.name, d.category, d.itemsize) == ("bfloat16", "float", 2)
    assert d.dtype == np.dtype(ml_dtypes.bfloat16) == np.dtype(d)
    assert d == "bfloat16" and hx.as_dtype("bfloat16") is d is hx.as_dtype(d.dtype)
    assert hx.float8_e4m3fn.name == "float8_e4m3fn"


def test_equal_avals_are_one_object():
    a = hx.Aval((2, 3), hx.float32)
    assert (
        a is hx.Aval((2, 3), hx.float32) is hx.tensor(X).aval is hx.tensor(X + 1).aval
    )
    assert a is not hx.Aval((2, 3), hx.float32, True)


def test_avals_that_nobody_holds_are_forgotten():
    from helix_core._aval import _TABLE

    kept = hx.Aval((12_345,), hx.float32)
    before = len(_TABLE)
    for n in range(1000):
        hx.Aval((12_345, n), hx.float32)
    gc.collect()
    assert len(_TABLE) <= before and hx.Aval((12_345,), hx.float32) is kept


def test_threads_that_make_one_aval_get_one_object():
    for n in range(50):
        made = []
        barrier = threading.Barrier(4)

        def make(n=n, made=made, barrier=barrier):
            barrier.wait()
            made.append(hx.Aval((77, n), hx.float32))

        threads = [threading.Thread(target=make) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert len(set(map(id, made))) == 1


def test_default_dtypes_are_float32_and_int32():
    assert hx.tensor([1.5]).dtype is hx.float32 and hx.tensor([1]).dtype is hx.int32
    assert hx.zeros((2,)).dtype is hx.float32 and hx.arange(3).dtype is hx.int32
    assert hx.tensor(2**40).dtype is hx.int64  # what does not fit is not cut
    assert hx.tensor(np.arange(3)).dtype is hx.int64  # arrays keep their dtype


def test_bfloat16_and_float8_are_ml_dtypes_arrays_outside():
    for d in (hx.bfloat16, hx.float8_e4m3fn, hx.float8_e5m2):
        a = hx.tensor([1.0, -2.0]).astype(d).numpy()
        assert a.dtype == d.dtype and a.astype(np.float32).tolist() == [1.0, -2.0]


# ------------------------------------------------------------------------- primitives
def test_shape_and_dtype_errors_come_before_any_backend_is_asked(device, monkeypatch):
    def never(*args, **kw):
        raise AssertionError("the backend saw arguments that do not fit")

    for name in ("add", "reshape", "dot_general", "concat"):
        monkeypatch.setitem(device.table, name, never)
    x = hx.ones((2, 3))
    for call in (
        lambda: x + hx.ones((2, 4)),
        lambda: x.reshape(5),
        lambda: x @ x,
        lambda: hx.concat([x, hx.ones((4,))]),
    ):
        with pytest.raises(hx.ShapeError, match=r"^\[\w+\] expected .*; got "):
            call()


def test_infer_runs_once_for_equal_avals_and_attributes(device):
    seen = []
    p = hx.Primitive("once", "ELEMENTWISE", lambda a, k: seen.append(k) or (a,))
    device.table["once"] = lambda dev, a, k: a
    for k in (1, 1, 2, 1):
        hx.bind(p, hx.tensor(X), k=k)
    assert seen == [1, 2]


def test_a_category_is_one_of_the_list():
    with pytest.raises(ValueError, match="unknown category 'MAGIC'"):
        hx.Primitive("x", "MAGIC", lambda a: (a,))


def test_a_rule_gets_tuples_with_none_for_what_is_unused_or_unwanted(device):
    seen = []

    def rule(inputs, outputs, cts, wanted):
        seen.append((type(inputs), type(cts), cts[1], wanted))
        return cts[0], None

    p = hx.Primitive("pair", "ELEMENTWISE", lambda a, b: (a, b), rule, multi=True)
    device.table["pair"] = lambda dev, a, b: (a, b)
    w = hx.tensor(X)
    g = hx.grad(lambda x: hx.bind(p, x, w)[0].sum())(hx.tensor(X))
    assert g.tolist() == np.ones_like(X).tolist()
    assert seen == [(tuple, tuple, None, (True, False))]


def test_only_the_wanted_product_is_computed(device, monkeypatch):
    calls = []
    mul = device.table["mul"]
    monkeypatch.setitem(
        device.table, "mul", lambda *a, **kw: calls.append(1) or mul(*a, **kw)
    )
    p = hx.Parameter(hx.tensor(X))
    loss = (p * hx.tensor(X)).sum()
    calls.clear()
    loss.backward()
    assert len(calls) == 1


def test_a_gradient_keeps_alive_only_what_it_reads():
    p, q = hx.Parameter(hx.tensor(X)), hx.Parameter(hx.tensor(X))
    h = hx.exp(p * 2.0)  # reads its output
    y = h + q * 3.0  # reads nothing
    refs = [weakref.ref(h.buffer), weakref.ref(y.buffer)]
    loss = y.sum()
    del h, y
    gc.collect()
    assert refs[0]() is not None and refs[1]() is None
    loss.backward()
    np.testing.assert_allclose(p.grad.numpy(), 2 * np.exp(2 * X), rtol=1e-6)


def test_a_node_is_no_part_of_a_reference_cycle():
    p = hx.Parameter(hx.tensor(X))
    gc.collect()
    gc.disable()
    try:
        h = hx.exp(p)
        y = hx.tanh(h * p)
        refs = [weakref.ref(t) for t in (h.buffer, y.buffer, y)]
        del h
        assert refs[0]() is not None  # the tape reads it
        del y
        assert [r() for r in refs] == [None] * 3  # at once, without a collection
    finally:
        gc.enable()


def test_the_engine_undoes_broadcasting_and_casts_back():
    p = hx.Parameter(hx.ones((3, 1), "float16"))
    q = hx.Parameter(hx.tensor(1.0))
    (p * hx.tensor(X[:1]) * q).sum().backward()
    assert p.grad.shape == (3, 1) and p.grad.dtype is hx.float16
    assert q.grad.shape == () and q.grad.dtype is hx.float32


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_sixteen_bit_sums_accumulate_in_float32(dtype):
    ones = hx.ones((4096,), dtype)
    assert ones.sum().item() == 4096.0  # in the dtype itself it stops at 2048 or 256
    assert (ones @ ones).item() == 4096.0
    assert hx.cumsum(ones)[-1].item() == 4096.0
    p = hx.Parameter(hx.ones((), dtype))
    (p * hx.ones((4096,), dtype)).sum().backward()
    assert p.grad.item() == 4096.0


def test_linear_scan_takes_a_direction_an_initial_state_and_complex_values():
    a, b, h0 = hx.tensor([0.5, 2.0]), hx.tensor([1.0, 1.0]), hx.tensor(4.0)
    assert hx.linear_scan(a, b, h0, axis=0).tolist() == [3.0, 7.0]
    assert hx.linear_scan(a, b, h0, axis=0, reverse=True).tolist() == [5.5, 9.0]
    z = hx.linear_scan(a * 1j, b, h0 * 1j, axis=0)
    assert z.tolist() == [-1 + 0j, 1 - 2j]
    assert linear_scan_p.category == "SCAN" and linear_scan_p.required


def test_barrier_returns_a_tuple_of_its_tensors():
    a, b = hx.tensor(1.0), hx.tensor([2, 3])
    out = hx.barrier(a, b)
    assert type(out) is tuple and [t.tolist() for t in out] == [1.0, [2, 3]]


def test_conv_takes_strides_padding_both_dilations_and_both_groups():
    x, w = hx.ones((2, 4, 8)), hx.ones((4, 2, 3))
    y = hx.conv(x, w, 2, ((1, 2),), lhs_dilation=2, rhs_dilation=2, feature_groups=2)
    assert y.shape == (2, 4, 7)
    assert hx.conv(x, hx.ones((4, 4, 3)), batch_groups=2).shape == (1, 4, 6)


def test_mixed_precision_products_round_operands_and_keep_float32():
    x = hx.tensor([[1.0 + 2**-9, 1.0]])
    dims = (((1,), (1,)), ((), ()))
    exact = hx.dot_general(x, x, dims)
    mixed = hx.dot_general(x, x, dims, compute="bfloat16")
    assert mixed.dtype is hx.float32 and mixed.item() == 2.0 != exact.item()
    g = hx.grad(lambda x: hx.dot_general(x, x, dims, compute="bfloat16").sum())(x)
    assert g.dtype is hx.float32
    with pytest.raises(hx.DTypeError, match="compute='float32' or 'bfloat16'"):
        hx.dot_general(x, x, dims, compute="float8")


# --------------------------------------------------------------------------- indexing
def test_of_repeated_sets_the_last_wins_and_the_others_have_no_gradient():
    i = hx.tensor([1, 1, 0])
    put = lambda v: hx.zeros((2,)).at[i].set(v)
    assert put(hx.tensor([1.0, 2.0, 3.0])).tolist() == [3.0, 2.0]
    g = hx.grad(lambda v: put(v).sum())(hx.tensor([1.0, 2.0, 3.0]))
    assert g.tolist() == [0.0, 1.0, 1.0]


def test_out_of_bounds_reads_clamp_and_writes_drop():
    x, i = hx.tensor([1.0, 2.0, 3.0]), hx.tensor([-9, 1, 9])
    assert x[i].tolist() == [1.0, 2.0, 3.0]
    assert x.at[i].set(0.0).tolist() == [1.0, 0.0, 3.0]
    assert x.at[i].add(5.0).tolist() == [1.0, 7.0, 3.0]


def test_negative_indices_are_wrapped_before_bind():
    x, i = hx.tensor([1.0, 2.0, 3.0]), hx.tensor([-1, -3])
    assert x[i].tolist() == [3.0, 1.0]
    graph = hx.trace(lambda x, i: x[i]).graph(x, i)
    names = [e.op.name for e in graph.equations]
    assert names.index("where") < names.index("gather")  # wrapped by ordinary ops
