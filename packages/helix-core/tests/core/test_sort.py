"""sort, argsort, topk, searchsorted."""

import helix_core as hx
import numpy as np
import pytest
from gradcheck import check_grads
from helix_core._primitives.sort import sort_p

RNG = np.random.default_rng(0)
A = RNG.permutation(24).reshape(2, 3, 4) * 1.5 - 9.0
NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize(
    "dtype", ["float32", "float64", "float16", "bfloat16", "int8", "uint32", "int64"]
)
def test_sort_is_numpys(axis, dtype):
    x = hx.tensor(np.abs(A) if dtype == "uint32" else A).astype(dtype)
    want = np.sort(np.asarray(x).astype(np.float64), axis)
    got = hx.sort(x, axis)
    assert got.dtype == dtype
    np.testing.assert_array_equal(np.asarray(got).astype(np.float64), want)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_nan_is_the_largest_and_zeros_keep_their_order(dtype):
    x = hx.tensor([NAN, 1.0, -INF, INF, 0.0, -0.0]).astype(dtype)
    up = hx.sort(x).astype("float32").tolist()
    assert up[:5] == [-INF, 0.0, 0.0, 1.0, INF] and up[5] != up[5]
    assert np.signbit(up[1:3]).tolist() == [False, True]
    down = hx.sort(x, descending=True).astype("float32").tolist()
    assert down[0] != down[0] and down[1:] == [INF, 1.0, 0.0, 0.0, -INF]
    assert np.signbit(down[3:5]).tolist() == [False, True]


def test_argsort_is_stable_both_ways():
    x = hx.tensor([2, 1, 2, 1, 2])
    assert hx.argsort(x).tolist() == [1, 3, 0, 2, 4]
    assert hx.argsort(x, descending=True).tolist() == [0, 2, 4, 1, 3]
    assert hx.argsort(x).dtype is hx.int32


def test_operands_follow_the_key():
    a, b = hx.tensor([3, 1, 2]), hx.tensor([30.0, 10.0, 20.0])
    out = hx.bind(sort_p, a, b, axis=0, num_keys=1, descending=False, stable=True)
    assert [t.tolist() for t in out] == [[1, 2, 3], [10.0, 20.0, 30.0]]


def test_ties_of_the_first_key_are_ordered_by_the_second():
    a, b = hx.tensor([[1, 0, 1, 0]]), hx.tensor([[4.0, 3.0, 2.0, 1.0]])
    for descending in (False, True):
        out = hx.bind(
            sort_p, a, b, axis=1, num_keys=2, descending=descending, stable=True
        )
        want = [[0, 0, 1, 1], [1.0, 3.0, 2.0, 4.0]]
        turn = -1 if descending else 1
        assert [t.tolist()[0] for t in out] == [w[::turn] for w in want]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_gradient_goes_back_through_the_permutation(axis, descending):
    check_grads(lambda x: hx.sort(x, axis, descending) ** 2, A, order=2)


def test_gradient_of_every_operand():
    v = RNG.normal(size=A.shape)

    def f(x, v):
        out = hx.bind(sort_p, x, v, axis=1, num_keys=1, descending=True, stable=True)
        return out[0] * out[1] * out[1]

    check_grads(f, A, v, order=2)


@pytest.mark.parametrize("k", [0, 1, 3, 4])
@pytest.mark.parametrize("largest", [True, False])
def test_topk(k, largest):
    values, indices = hx.topk(hx.tensor(A), k, axis=2, largest=largest)
    order = np.argsort(-A if largest else A, 2)[:, :, :k]
    assert indices.tolist() == order.tolist() and indices.dtype is hx.int32
    assert values.tolist() == np.take_along_axis(A, order, 2).tolist()


def test_topk_gradient():
    check_grads(lambda x: hx.topk(x, 2, axis=0)[0] ** 2, A[0], order=2)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("n", [0, 1, 2, 5, 8])
def test_searchsorted_is_numpys(side, n):
    a = np.sort(RNG.integers(0, 5, n)).astype(np.float32)
    v = np.array([[-1.0, 0.0, 0.5], [2.0, 4.0, 9.0]], np.float32)
    got = hx.searchsorted(hx.tensor(a), hx.tensor(v), side)
    assert got.tolist() == np.searchsorted(a, v, side).tolist()


@pytest.mark.parametrize("side", ["left", "right"])
def test_searchsorted_puts_nan_last(side):
    a = np.array([1.0, 2.0, NAN, NAN], np.float32)
    v = np.array([NAN, 3.0, INF, 1.0], np.float32)
    got = hx.searchsorted(hx.tensor(a), hx.tensor(v), side)
    assert got.tolist() == np.searchsorted(a, v, side).tolist()


def test_empty_and_single():
    assert hx.sort(hx.zeros((0, 3)), 0).shape == (0, 3)
    assert hx.argsort(hx.zeros((2, 1))).tolist() == [[0], [0]]


def test_in_a_trace():
    f = hx.trace(lambda x: hx.topk(x, 2))
    values, indices = f(hx.tensor([1.0, 3.0, 2.0]))
    assert values.tolist() == [3.0, 2.0] and indices.tolist() == [1, 2]


def test_wrong_arguments():
    with pytest.raises(hx.DTypeError, match=r"\[sort\] expected .*float"):
        hx.sort(hx.zeros((2,), "complex64"))
    with pytest.raises(hx.ShapeError, match=r"\[topk\] expected 0 <= k <= 3"):
        hx.topk(hx.zeros((3,)), 4)
    with pytest.raises(hx.ShapeError, match=r"\[sort\] expected an axis"):
        hx.sort(hx.tensor(1.0))
    with pytest.raises(hx.ShapeError, match="sorted vector"):
        hx.searchsorted(hx.zeros((2, 2)), 1.0)
