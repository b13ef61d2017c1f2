"""``x[...]`` and ``x.at[...]`` against NumPy over many index expressions."""

import helix_core as hx
import numpy as np
import pytest
from gradcheck import check_grads
from hypothesis import given, settings
from hypothesis import strategies as st

X = np.arange(120.0).reshape(2, 3, 4, 5)
I = np.array([0, 1, 0, 1])  # noqa: E741
COLUMN = np.array([[1], [0]])
MASK = np.arange(12).reshape(3, 4) % 3 == 0

KEYS = [
    0,
    -1,
    (1, 2, 3, 4),
    slice(None),
    slice(1, None),
    slice(None, None, -1),
    slice(5, 0, -2),
    slice(2, 1),
    (slice(None), slice(None, None, 2), 1),
    Ellipsis,
    (Ellipsis, 0),
    (0, Ellipsis, slice(3, 0, -1)),
    None,
    (None, 0, None, Ellipsis, None),
    (),
    I,
    [1, 0, 1],
    [],
    np.zeros((2, 0), np.int64),
    (I, I),
    (I, I, I, I),
    (COLUMN, I),
    (slice(None), I, I),
    (slice(None), I, slice(None), I),
    (I, slice(None), I),
    (0, slice(None), I),
    (slice(None), 0, I),
    (slice(None), I, 0),
    (I, None, I),
    (None, I),
    (slice(None), None, I, Ellipsis),
    (I, Ellipsis, I),
    (slice(1), I, I, Ellipsis, slice(2)),
    (slice(None), I, I, Ellipsis, I),
    (slice(None), slice(None, None, -1), COLUMN, I),
    (slice(1, None), slice(1), I, slice(None, None, 2)),
    np.array([True, False]),
    [True, False],
    (slice(None), MASK),
    (slice(None), MASK, [0, 1, 2, 0]),
    (0, MASK, 1),
    (slice(None), np.zeros((3, 4), bool)),
    X > 50,
    True,
    False,
    np.True_,
    (True, I),
    (slice(None), True),
    (0, True),
    (True, slice(None), I),
    np.array(1),
    (slice(None), np.array(1), np.array([2, 0])),
    (np.array(0), slice(None), np.array(1)),
    np.array([-1, 0], np.int8),
    np.array([1, 0], np.uint8),
    np.array([1, 0], np.uint64),
]


def name(key):
    return repr(key).replace("array", "").replace("\n", "")[:60]


def same(got, want):
    got = np.asarray(got)
    assert got.shape == want.shape
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("key", KEYS, ids=map(name, KEYS))
def test_reading_is_numpys(key):
    same(hx.tensor(X)[key], X[key])


@pytest.mark.parametrize("key", KEYS, ids=map(name, KEYS))
def test_index_tensors_read_as_arrays_do(key):
    parts = key if isinstance(key, tuple) else (key,)
    parts = tuple(hx.tensor(p) if isinstance(p, np.ndarray) else p for p in parts)
    same(hx.tensor(X)[parts], X[key])


@pytest.mark.parametrize("key", KEYS, ids=map(name, KEYS))
def test_writing_is_numpys(key):
    shape = X[key].shape
    v = np.random.default_rng(0).normal(size=shape)
    want = X.copy()
    want[key] = v
    same(hx.tensor(X).at[key].set(v), want)
    want = X.copy()
    np.add.at(want, key, v)
    np.testing.assert_allclose(
        np.asarray(hx.tensor(X).at[key].add(v)), want, rtol=1e-12
    )


@pytest.mark.parametrize("key", KEYS, ids=map(name, KEYS))
def test_writing_one_value_is_numpys(key):
    want = X.copy()
    want[key] = -1.0
    same(hx.tensor(X).at[key].set(-1.0), want)


@pytest.mark.parametrize(
    "method, ufunc",
    [("multiply", np.multiply), ("max", np.maximum), ("min", np.minimum)],
)
def test_other_updates_apply_each_index(method, ufunc):
    for key in [I, (slice(None), I, slice(1, 3)), (0, Ellipsis, 1), MASK[:2, 0]]:
        v = np.random.default_rng(1).normal(size=X[key].shape) * 60
        want = X.copy()
        ufunc.at(want, key, v)
        got = getattr(hx.tensor(X).at[key], method)(v)
        np.testing.assert_allclose(np.asarray(got), want, rtol=1e-12)


def one_axis(n):
    """An index expression for an axis of n elements."""
    ends = st.none() | st.integers(-n - 2, n + 2)
    steps = st.none() | st.sampled_from([-3, -2, -1, 1, 2, 3])
    return st.one_of(
        st.builds(slice, ends, ends, steps),
        st.integers(-n, n - 1) if n else st.just(slice(None)),
        st.lists(st.integers(-n, n - 1), min_size=2, max_size=2).map(np.array)
        if n
        else st.just(slice(None)),
    )


@st.composite
def cases(draw):
    shape = tuple(draw(st.lists(st.integers(0, 4), max_size=4)))
    used = draw(st.integers(0, len(shape)))
    dots = draw(st.booleans()) or used < len(shape)
    at = draw(st.integers(0, used))
    key = []
    for i in range(used):
        if i == at and dots:
            key.append(Ellipsis)
        if draw(st.integers(0, 5)) == 0:
            key.append(None)
        axis = i if i < at or not dots else len(shape) - used + i
        key.append(draw(one_axis(shape[axis])))
    if dots and at == used:
        key.append(Ellipsis)
    return shape, tuple(key)


@settings(max_examples=150, deadline=None)
@given(cases())
def test_any_expression_reads_and_writes_as_in_numpy(case):
    shape, key = case
    x = np.arange(float(np.prod(shape, dtype=int))).reshape(shape)
    same(hx.tensor(x)[key], x[key])
    v = -1.0 - np.arange(float(x[key].size)).reshape(x[key].shape)
    want = x.copy()
    want[key] = v
    same(hx.tensor(x).at[key].set(v), want)


def test_a_value_broadcasts_to_what_it_replaces():
    want = X.copy()
    want[:, I, None, 1:3] = np.array([[1.0], [2.0]])
    same(hx.tensor(X).at[:, I, None, 1:3].set(np.array([[1.0], [2.0]])), want)
    want[0] = np.ones((1, 1, 3, 4, 5))
    same(hx.tensor(want).at[0].set(np.ones((1, 1, 3, 4, 5))), want)


def test_ints_outside_raise_and_index_tensors_do_not():
    x = hx.tensor([1.0, 2.0, 3.0])
    for bad in (3, -4):
        with pytest.raises(
            IndexError, match=r"\[index\] expected an index in \[-3, 3\)"
        ):
            x[bad]
    assert x[hx.tensor([3, -4, 99])].tolist() == [3.0, 1.0, 3.0]
    assert x[[3, -4]].tolist() == [3.0, 1.0]
    assert x.at[hx.tensor([3, -4, 1])].set(0.0).tolist() == [1.0, 0.0, 3.0]
    assert x.at[[3, -4, 1]].add(9.0).tolist() == [1.0, 11.0, 3.0]


def test_outside_on_one_of_two_axes():
    x = hx.tensor([[1.0, 2.0], [3.0, 4.0]])
    i, j = hx.tensor([0, 5, 1]), hx.tensor([-9, 0, 1])
    assert x[i, j].tolist() == [1.0, 3.0, 4.0]
    assert x.at[i, j].set(0.0).tolist() == [[1.0, 2.0], [3.0, 0.0]]
    assert x.at[[0, 5, 1], [-9, 0, 1]].set(0.0).tolist() == [[1.0, 2.0], [3.0, 0.0]]


def test_repeated_set_keeps_the_last():
    assert hx.zeros((2,)).at[[0, 0, 1, 0]].set(hx.arange(4) * 1.0).tolist() == [
        3.0,
        2.0,
    ]


@pytest.mark.parametrize(
    "key",
    [
        1,
        (slice(None), 1, Ellipsis, slice(None, None, -2)),
        I,
        (I, slice(None), COLUMN),
        MASK[:2, 0],
    ],
    ids=name,
)
def test_gradients(key):
    v = np.random.default_rng(0).normal(size=X[key].shape)
    check_grads(lambda x: x[key] ** 2, X * 0.01, order=2)
    check_grads(lambda x, v: x.at[key].set(v) ** 2, X * 0.01, v, order=2)
    check_grads(lambda x, v: x.at[key].add(v) ** 2, X * 0.01, v)


def test_masked_set_of_one_value_has_both_gradients():
    m = np.array([True, False, True])
    check_grads(
        lambda x, v: x.at[hx.tensor(m)].set(v) ** 2,
        np.array([1.0, 2.0, 3.0]),
        np.array(5.0),
        order=2,
    )


def test_a_traced_mask_says_what_to_do_instead():
    f = hx.trace(lambda x: x[x > 0.0])
    with pytest.raises(hx.TraceError, match=r"hx\.where"):
        f(hx.tensor([1.0, -1.0]))
    f = hx.trace(lambda x: x.at[x < 0.0].set(0.0))
    assert f(hx.tensor([1.0, -1.0])).tolist() == [1.0, 0.0]


def test_traced_positions():
    x = hx.tensor(X)
    f = hx.trace(lambda x, i, j: (x[i], x[:, i, :, j], x.at[i, :, j].add(1.0)))
    i, j = hx.tensor(-1), hx.tensor([1, 0])
    a, b, c = f(x, i, j)
    same(a, X[-1])
    same(b, X[:, -1, :, [1, 0]])
    want = X.copy()
    want[-1, :, [1, 0]] += 1.0
    same(c, want)
    assert f(x, hx.tensor(0), j)[0].tolist() == X[0].tolist()  # not baked in


def test_dtypes_are_kept():
    for d in (hx.bool_, hx.int8, hx.uint64, hx.bfloat16, hx.complex64):
        x = hx.zeros((3,), d)
        assert x[[0, 1]].dtype is d and x.at[1].set(True).dtype is d


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda x: x[0.5], hx.DTypeError, "expected ints, slices"),
        (lambda x: x["a"], hx.DTypeError, "expected ints, slices"),
        (lambda x: x[0, 0, 0], IndexError, "at most 2 indices"),
        (lambda x: x[..., ...], IndexError, "one ..."),
        (lambda x: x[[True]], hx.ShapeError, r"a mask of shape \(2,\)"),
        (lambda x: x[[0, 1], [0, 1, 2]], hx.ShapeError, "broadcast"),
        (lambda x: x.at[0].set(hx.ones((4,))), hx.ShapeError, r"broadcasts to \(3,\)"),
        (lambda x: x.astype("int32").at[0].set(0.5), hx.DTypeError, "fits int32"),
        (lambda x: x.astype("int8").at[0].set(300), hx.DTypeError, "fits int8"),
        (lambda x: x.at.set(1.0), TypeError, "expected an index first"),
    ],
)
def test_wrong_indices_say_what_was_expected(call, error, words):
    with pytest.raises(error, match=words):
        call(hx.zeros((2, 3)))


def test_at_get_reads():
    same(hx.tensor(X).at[1, ..., I].get(), X[1, ..., I])


@pytest.mark.parametrize("axis", [None, 0, -1])
@pytest.mark.parametrize("idx", [1, [0, -1], COLUMN])
def test_take_is_numpys(axis, idx):
    same(hx.take(hx.tensor(X), idx, axis), np.take(X, idx, axis))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_take_along_axis_is_numpys(axis):
    x = X[0]
    idx = np.argsort(np.random.default_rng(0).normal(size=x.shape), axis)
    same(hx.take_along_axis(hx.tensor(x), idx, axis), np.take_along_axis(x, idx, axis))
    few = np.take(idx, [0, 1], axis) - x.shape[axis]
    same(
        hx.take_along_axis(hx.tensor(x), hx.tensor(few), axis),
        np.take_along_axis(x, few, axis),
    )


def test_take_along_axis_gradient():
    idx = np.array([[0, 2], [1, 1]])
    x = np.random.default_rng(0).normal(size=(2, 3))
    check_grads(lambda x: hx.take_along_axis(x, idx, 1) ** 2, x, order=2)
