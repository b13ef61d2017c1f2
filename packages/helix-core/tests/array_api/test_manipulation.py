"""Creation, joining, cutting, moving, repeating, indexing, searching and sorting."""

import helix_core as hx
import numpy as np
import pytest
from helix_core import array_api as xp
from hypothesis import assume, given
from hypothesis import strategies as st
from standard_draws import arrays, axes_of, quick, wild, xps
from standard_oracle import (
    ALL,
    COMPLEX,
    INTEGER,
    NUMERIC,
    REAL,
    REAL_FLOAT,
    check,
    strict,
)

SOME = ("bool", "int8", "uint64", "float32", "complex128")
MANY = xps.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4)
FULL = xps.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4)


# ---------------------------------------------------------------------------- creation
@pytest.mark.parametrize("dtype", [None, *ALL])
def test_constant_tensors(dtype):
    kw = {} if dtype is None else {"dtype": np.dtype(dtype)}
    for shape in ((), 3, (0, 2), (2, 3)):
        check("zeros", shape, **kw)
        check("ones", shape, **kw)
        check("full", shape, True if dtype == "bool" else 5, **kw)
        assert xp.empty(shape).shape == strict.empty(shape).shape
    x = np.ones((2, 3), dtype or "float32")
    for name in ("zeros_like", "ones_like"):
        check(name, x)
        check(name, x, dtype=np.dtype("int16"))
    check("full_like", x, True)
    assert xp.empty_like(xp.ones((4, 2))).shape == (4, 2)


@pytest.mark.parametrize("value", [True, 5, 2**40, 2.5, 1j])
def test_the_dtype_of_a_value(value):
    for name, args in (("full", (2, value)), ("asarray", (value,))):
        got = getattr(xp, name)(*args)
        wide = value == 2**40
        want = {bool: "bool", int: "int64" if wide else "int32", float: "float32"}
        assert got.dtype == want.get(type(value), "complex64"), name
        assert (got.tolist()[0] if got.ndim else got.item()) == value


@quick
@given(
    st.integers(-9, 9),
    st.integers(-9, 9),
    st.sampled_from([1, 2, -1, -3, 0.5]),
    st.sampled_from([None, "int64", "float32", "float64"]),
)
def test_arange_agrees(start, stop, step, dtype):
    if step == 0.5 and dtype == "int64":
        return
    kw = {} if dtype is None else {"dtype": np.dtype(dtype)}
    check("arange", start, stop, step, **kw)
    check("arange", abs(stop), **kw)


def test_arange_of_large_ends_is_int64():
    assert xp.arange(2**40, 2**40 + 2).tolist() == [2**40, 2**40 + 1]
    with pytest.raises(hx.ShapeError, match="step != 0"):
        xp.arange(0, 3, 0)


@quick
@given(
    st.floats(-8, 8, width=32),
    st.floats(-8, 8, width=32),
    st.integers(0, 5),
    st.booleans(),
    st.sampled_from([None, "float32", "float64", "complex64"]),
)
def test_linspace_agrees(start, stop, num, endpoint, dtype):
    kw = {} if dtype is None else {"dtype": np.dtype(dtype)}
    check("linspace", start, stop, num, endpoint=endpoint, atol=1e-5, **kw)
    check("linspace", start, stop + 1j, num, endpoint=endpoint, atol=1e-5)


@quick
@given(
    st.integers(0, 4),
    st.one_of(st.none(), st.integers(0, 4)),
    st.integers(-4, 4),
    st.sampled_from([None, "int8", "complex64"]),
)
def test_eye_and_triangles_agree(n, m, k, dtype):
    kw = {} if dtype is None else {"dtype": np.dtype(dtype)}
    check("eye", n, m, k=k, **kw)
    x = np.arange(2 * n * 3).reshape(2, n, 3)
    check("tril", x, k=k)
    check("triu", x, k=k)


@pytest.mark.parametrize("indexing", ["xy", "ij"])
def test_meshgrid_agrees(indexing):
    vectors = [np.arange(n, dtype="float32") for n in (3, 2, 4, 0)]
    for count in range(1, 5):
        check("meshgrid", *vectors[:count], indexing=indexing)
    check("meshgrid", *vectors[:2])
    with pytest.raises(ValueError, match="indexing="):
        xp.meshgrid(xp.ones(2), indexing="ji")


def test_asarray_of_sequences_buffers_and_arrays():
    import array

    assert xp.asarray([[1, 2], [3, 4]]).dtype == xp.int32
    assert xp.asarray([1, 2.5]).dtype == xp.float32
    assert xp.asarray([xp.asarray(1.0), xp.asarray(2.0)]).tolist() == [1.0, 2.0]
    b = xp.asarray(array.array("d", [1.0, 2.0]))
    assert b.dtype == xp.float64 and b.tolist() == [1.0, 2.0]
    assert xp.asarray(bytearray(b"ab")).tolist() == [97, 98]
    assert xp.asarray(np.arange(3, dtype="i2")).dtype == xp.int16
    assert xp.asarray([1, 2], dtype=xp.float64).dtype == xp.float64
    with pytest.raises(hx.DTypeError, match="numbers"):
        xp.asarray(["a"])


def test_asarray_copies_when_asked():
    a = np.arange(4.0)
    shared, own = xp.asarray(a, copy=False), xp.asarray(a, copy=True)
    default = xp.asarray(a)
    again = xp.asarray(shared, copy=True)
    a[0] = 7.0
    assert shared.tolist()[0] == 7.0
    assert [t.tolist()[0] for t in (own, default, again)] == [0.0, 0.0, 0.0]
    assert xp.asarray(own, copy=False) is own and xp.asarray(own) is own
    for bad in (
        lambda: xp.asarray([1.0], copy=False),
        lambda: xp.asarray(1, copy=False),
    ):
        with pytest.raises(ValueError, match="copy=False"):
            bad()
    with pytest.raises(ValueError, match="copy=False"):
        xp.asarray(own, dtype=xp.int32, copy=False)
    for dtype in ALL:
        x = xp.ones((2, 0, 3), dtype=getattr(xp, dtype))
        assert xp.astype(x, x.dtype).shape == x.shape
        one = xp.ones((), dtype=getattr(xp, dtype))
        assert xp.asarray(one, copy=True).dtype == one.dtype
    assert xp.astype(own, own.dtype, copy=False) is own


# -------------------------------------------------------------------------- data types
def test_casts_agree():
    for a in ALL:
        for b in ALL:
            x = np.array([0, 1, 3]).astype(a)
            if a in COMPLEX and b not in (*COMPLEX, "bool"):
                with pytest.raises(hx.DTypeError, match="complex"):
                    xp.astype(xp.asarray(x), getattr(xp, b))
                continue
            if a in COMPLEX and b == "bool":
                continue
            check("astype", x, np.dtype(b))
            if b not in COMPLEX or a in (*COMPLEX, *REAL_FLOAT):
                got = xp.can_cast(getattr(xp, a), getattr(xp, b))
                assert got == strict.can_cast(getattr(strict, a), getattr(strict, b))
            assert xp.can_cast(xp.asarray(x), getattr(xp, a))


def test_limits_agree():
    for dtype in (*REAL_FLOAT, *COMPLEX):
        got = xp.finfo(getattr(xp, dtype))
        want = strict.finfo(getattr(strict, dtype))
        for field in ("bits", "eps", "max", "min", "smallest_normal"):
            assert getattr(got, field) == getattr(want, field), (dtype, field)
            assert type(getattr(got, field)) is (int if field == "bits" else float)
        assert repr(got.dtype) == str(want.dtype).rpartition(".")[2]
        assert xp.finfo(xp.ones((), dtype=getattr(xp, dtype))) == got
    for dtype in INTEGER:
        got, want = xp.iinfo(getattr(xp, dtype)), strict.iinfo(getattr(strict, dtype))
        assert (got.bits, got.max, got.min) == (want.bits, want.max, want.min)
        assert got.dtype == dtype
    with pytest.raises(hx.DTypeError, match=r"\[finfo\].*int32"):
        xp.finfo(xp.int32)
    with pytest.raises(hx.DTypeError, match=r"\[iinfo\].*float32"):
        xp.iinfo(xp.float32)


def test_kinds_of_dtypes_agree():
    kinds = (
        "bool",
        "signed integer",
        "unsigned integer",
        "integral",
        "real floating",
        "complex floating",
        "numeric",
    )
    for dtype in ALL:
        d, e = getattr(xp, dtype), getattr(strict, dtype)
        for kind in kinds:
            assert xp.isdtype(d, kind) == strict.isdtype(e, kind)
        assert xp.isdtype(d, d) and xp.isdtype(d, ("bool", "numeric"))
        assert not xp.isdtype(d, ()) and xp.isdtype(d, (d, "bool"))
    with pytest.raises(ValueError, match="expected one of bool"):
        xp.isdtype(xp.bool, "float")
    with pytest.raises(TypeError, match="a dtype or a kind"):
        xp.isdtype(xp.bool, float)


def test_result_type_of_scalars():
    assert xp.result_type(xp.int8, 1) == xp.int8
    assert xp.result_type(xp.float32, 1.0, xp.asarray(2, dtype=xp.float64)) == "float64"
    assert xp.result_type(xp.float32, 1j) == xp.complex64
    with pytest.raises(ValueError, match="at least one"):
        xp.result_type(1, 2.0)


def test_the_namespace_says_what_it_has():
    info = xp.__array_namespace_info__()
    assert info.capabilities()["boolean indexing"] is True
    assert info.default_device() in info.devices()
    defaults = info.default_dtypes()
    assert defaults["real floating"] == xp.zeros(1).dtype
    assert defaults["integral"] == xp.arange(1).dtype
    assert defaults["complex floating"] == xp.asarray(1j).dtype
    assert defaults["indexing"] == xp.argmax(xp.ones(1)).dtype
    theirs = strict.__array_namespace_info__()
    kinds = (None, "bool", "numeric", "integral", ("bool", "real floating"))
    for kind in kinds:
        assert set(info.dtypes(kind=kind)) == set(theirs.dtypes(kind=kind))


# ------------------------------------------------------------------------ manipulation
@quick
@given(xps.mutually_broadcastable_shapes(3, min_side=0, max_dims=3), st.data())
def test_broadcasting_agrees(drawn, data):
    shapes = drawn.input_shapes
    xs = [np.arange(np.prod(s), dtype="int16").reshape(s) for s in shapes]
    check("broadcast_arrays", *xs)
    check("broadcast_to", xs[0], drawn.result_shape)
    assert xp.broadcast_shapes(*shapes) == np.broadcast_shapes(*shapes)


@quick
@given(arrays(SOME, shape=MANY), st.data())
def test_moving_axes_and_elements_agrees(x, data):
    n = x.ndim
    axis = data.draw(st.integers(-n, n - 1))
    order = tuple(data.draw(st.permutations(range(n))))
    other = data.draw(st.integers(-n, n - 1))
    check("permute_dims", x, order)
    check("moveaxis", x, axis, other)
    check("moveaxis", x, order, tuple(range(n)))
    check("flip", x, axis=data.draw(axes_of(n)))
    check("expand_dims", x, data.draw(st.integers(-n - 1, n)))
    check("unstack", x, axis=axis)
    check(
        "roll",
        x,
        data.draw(st.integers(-5, 5)),
        axis=data.draw(st.sampled_from([None, axis])),
    )
    check("roll", x, tuple(range(n)), axis=order)
    check("roll", x, 3, axis=order)
    if n > 1:
        check("matrix_transpose", x)


@quick
@given(arrays(SOME, shape=MANY), st.data())
def test_joining_and_repeating_agrees(x, data):
    n = x.ndim
    axis = data.draw(st.integers(-n, n - 1))
    check("concat", [x, x], axis=axis)
    check("concat", (x, x[..., :0] if axis in (-1, n - 1) else x), axis=axis)
    check("concat", [x, x.T], axis=None)
    check("stack", [x, x], axis=data.draw(st.integers(-n - 1, n)))
    check(
        "tile", x, data.draw(st.sampled_from([(2,), (), (1, 2), (2, 0, 3), (1,) * 5]))
    )
    k = data.draw(st.integers(0, 3))
    check("repeat", x, k, axis=data.draw(st.sampled_from([None, axis])))
    counts = np.arange(x.shape[axis]) % 3
    check("repeat", x, counts, axis=axis)
    check("repeat", x, np.array([2]), axis=axis)


def test_promotion_while_joining():
    a, b = np.ones(2, "int8"), np.ones(3, "int32")
    check("concat", [a, b])
    check("stack", [a, b[:2]])
    with pytest.raises(hx.ShapeError):
        xp.concat([xp.ones((2, 2)), xp.ones((3, 3))])
    with pytest.raises(hx.ShapeError, match="at least one tensor"):
        xp.concat([])


@quick
@given(arrays(SOME, shape=MANY), st.data())
def test_reshape_and_squeeze_agree(x, data):
    flat = (x.size,) if x.size == 0 else data.draw(st.sampled_from([(-1,), (x.size,)]))
    check("reshape", x, flat)
    check("reshape", x, (*x.shape, 1), copy=True)
    if x.size:
        check("reshape", np.ascontiguousarray(x), flat, copy=False)
    check("squeeze", x[..., None], -1)
    check("squeeze", x[None, ..., None], (0, -1))


def test_reshape_without_a_copy_raises_where_it_needs_one():
    x = xp.permute_dims(xp.ones((2, 3)), (1, 0))
    with pytest.raises(ValueError, match="copy=False"):
        xp.reshape(x, (6,), copy=False)
    with pytest.raises(hx.ShapeError, match="size 1"):
        xp.squeeze(x, 0)


# -------------------------------------------------------------- indexing and searching
@quick
@given(arrays(SOME, shape=FULL), st.data())
def test_taking_agrees(x, data):
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    n = x.shape[axis]
    dtype = data.draw(st.sampled_from(["int32", "int64", "uint8"]))
    low = 0 if dtype == "uint8" else -n
    places = data.draw(st.lists(st.integers(low, n - 1), max_size=4))
    idx = np.array(places, dtype)
    check("take", x, idx, axis=axis)
    if x.ndim == 1:
        check("take", x, idx)
    shape = list(x.shape)
    shape[axis] = 2
    along = np.resize(np.array([*places, 0], dtype), shape)
    check("take_along_axis", x, along, axis=axis)


@quick
@given(wild(REAL, shape=FULL), st.data())
def test_positions_of_extrema_agree(x, data):
    axis = data.draw(st.one_of(st.none(), st.integers(-x.ndim, x.ndim - 1)))
    keepdims = data.draw(st.booleans())
    for name in ("argmax", "argmin"):
        check(name, x, axis=axis, keepdims=keepdims, places=True)


@quick
@given(arrays(ALL, shape=MANY))
def test_nonzero_and_where_agree(x):
    check("nonzero", x, places=True)
    mask = np.asarray(x.real > 0)
    check("where", mask, x, np.ones((), x.dtype))
    check("where", mask, x, x.dtype.type(1).item())
    kind = "bool" if x.dtype == bool else x.dtype.name
    assert (
        xp.where(xp.asarray(mask), xp.asarray(x), 1 if kind != "bool" else True).dtype
        == kind
    )


@quick
@given(
    arrays(
        REAL, shape=xps.array_shapes(min_dims=1, max_dims=1, min_side=0, max_side=6)
    ),
    st.sampled_from(["left", "right"]),
    st.data(),
)
def test_searchsorted_agrees(x, side, data):
    v = np.resize(np.append(x, x.dtype.type(3)), (2, 3))
    order = np.argsort(x, kind="stable").astype("int64")
    check("searchsorted", np.sort(x), v, side=side, places=True)
    check("searchsorted", x, v, side=side, sorter=order, places=True)
    with pytest.raises(ValueError, match="side="):
        xp.searchsorted(xp.asarray(x), xp.asarray(v), side="middle")


@quick
@given(arrays(REAL, shape=FULL), st.data())
def test_sorting_agrees(x, data):
    kw = {
        "axis": data.draw(st.integers(-x.ndim, x.ndim - 1)),
        "descending": data.draw(st.booleans()),
    }
    for name in ("sort", "argsort"):
        check(name, x, **kw, places=name == "argsort")
        check(name, x, **kw, stable=True, places=name == "argsort")
    unstable = xp.sort(xp.asarray(x), **kw, stable=False)
    assert unstable.tolist() == xp.sort(xp.asarray(x), **kw).tolist()


@quick
@given(wild((*REAL, "bool", *COMPLEX)))
def test_unique_values_agree(x):
    assume(x.dtype.kind != "c" or not np.isnan(x).any())
    for name in ("unique_all", "unique_counts", "unique_inverse", "unique_values"):
        got = check(name, x, places=True)
        assert (got if name == "unique_values" else got[0]).dtype == x.dtype


def test_every_nan_is_unique():
    x = xp.asarray([np.nan, 1.0, np.nan])
    assert xp.unique_values(x).shape == (3,)
    assert xp.unique_counts(x).counts.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    "call",
    [
        xp.nonzero,
        xp.unique_all,
        xp.unique_counts,
        xp.unique_inverse,
        xp.unique_values,
        lambda x: xp.repeat(x, xp.astype(x, xp.int32)),
        lambda x: x[x > 0],
    ],
)
def test_shapes_that_depend_on_values_raise_in_a_trace(call):
    with pytest.raises(hx.TraceError, match="Hint"):
        hx.compile(call)(xp.asarray([1.0, 2.0]))


def test_what_does_not_depend_on_values_works_in_a_trace():
    x = xp.asarray([[3.0, 1.0], [2.0, 4.0]])

    def f(x):
        y = xp.sinh(xp.sort(x)) + xp.hypot(x, xp.flip(x))
        n = xp.astype(xp.count_nonzero(x), x.dtype)
        return xp.where(x > 2, xp.cumulative_sum(y, axis=1), n) + xp.clip(x, 1, 2)

    np.testing.assert_allclose(hx.compile(f)(x).numpy(), f(x).numpy(), rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: xp.take(xp.ones((2, 2)), xp.asarray([0])), "expected axis"),
        (lambda: xp.nonzero(xp.asarray(1)), "at least one axis"),
        (lambda: xp.sort(xp.asarray(1.0)), "at least one axis"),
        (lambda: xp.repeat(xp.ones(2), -1), "repeats >= 0"),
        (lambda: xp.repeat(xp.ones(2), xp.asarray([1, 2, 3])), "one or 2 repeats"),
        (lambda: xp.tile(xp.ones(2), (-1,)), "repetitions >= 0"),
        (lambda: xp.roll(xp.ones((2, 2)), (1, 2)), "expected axis"),
        (lambda: xp.roll(xp.ones((2, 2)), (1, 2), axis=0), "one shift for each"),
        (lambda: xp.permute_dims(xp.ones((2, 2)), (0,)), "2 axes"),
        (lambda: xp.broadcast_shapes((2,), (3,)), "broadcast"),
        (lambda: xp.broadcast_to(xp.ones(2), (3,)), "broadcast"),
        (lambda: xp.linspace(0, 1, -1), "num >= 0"),
        (lambda: xp.vecdot(xp.ones(2), xp.ones(2), axis=0), "axis below 0"),
        (lambda: xp.vecdot(xp.ones(2), xp.ones(3)), "one size"),
        (lambda: xp.matrix_transpose(xp.ones(2)), "2 axes"),
    ],
)
def test_bad_arguments_are_named(call, error):
    with pytest.raises(ValueError, match=error):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: xp.take(xp.ones(2), xp.ones(1)),
        lambda: xp.where(xp.ones(2), xp.ones(2), xp.ones(2)),
        lambda: xp.sort(xp.ones(2, dtype=xp.complex64)),
        lambda: xp.searchsorted(xp.ones(2, dtype=xp.complex64), xp.ones(2)),
        lambda: xp.matmul(xp.ones(2, dtype=xp.bool), xp.ones(2, dtype=xp.bool)),
    ],
)
def test_unsupported_dtypes_are_named(call):
    with pytest.raises(hx.DTypeError, match=r"\[\w+\] expected a? ?.*dtypes?; got"):
        call()


# ---------------------------------------------------------------------------- products
@quick
@given(arrays(NUMERIC, shape=xps.array_shapes(min_dims=1, min_side=0)), st.data())
def test_products_agree(x, data):
    eps = np.finfo(x.dtype).eps if x.dtype.kind in "fc" else 0
    kw = {"ulps": 64, "atol": 64 * 64 * 16 * eps}
    y = np.moveaxis(x, -1, -2) if x.ndim > 1 else x
    check("matmul", x, y, **kw)
    check("matmul", x, np.ones(x.shape[-1], x.dtype), **kw)
    check("vecdot", x, x, **kw)
    check("vecdot", x, x, axis=-x.ndim, **kw)
    check("tensordot", x, x.T, axes=1, **kw)
    check("tensordot", x, x, axes=((0,), (0,)), **kw)
    check("tensordot", x, x, axes=0, **kw)
    check("tensordot", x, x, axes=x.ndim, **kw)
