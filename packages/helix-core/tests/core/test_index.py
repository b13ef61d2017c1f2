"""gather and scatter: values, bounds, repeated indices, gradients."""

import helix_core as hx
import numpy as np
import pytest
from gradcheck import check_grads
from helix_core._primitives.index import MODES, gather_p, scatter_p

X = np.arange(24.0).reshape(2, 3, 4)


def gather(x, idx, axis, dtype=np.int32):
    return hx.bind(gather_p, hx.tensor(x), hx.tensor(np.array(idx, dtype)), axis=axis)


def scatter(x, idx, u, axis=0, mode="set"):
    idx = hx.tensor(np.array(idx, np.int32))
    return hx.bind(
        scatter_p, hx.as_tensor(x), idx, hx.as_tensor(u), axis=axis, mode=mode
    )


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("idx", [[1, 0, 1], [[0, 1], [1, 0]], 1, np.zeros((2, 0), int)])
@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_gather_is_take(axis, idx, dtype):
    got = gather(X, idx, axis, dtype)
    want = np.take(X, np.array(idx, dtype), axis)
    assert got.shape == want.shape and got.tolist() == want.tolist()


def test_reads_outside_take_the_nearest():
    assert gather(np.array([5.0, 6.0, 7.0]), [-4, 3, 99], 0).tolist() == [5.0, 7.0, 7.0]


def test_writes_outside_are_dropped():
    for mode in MODES:
        x = hx.tensor([1.0, 2.0])
        assert scatter(x, [-1, 2, 7], hx.full((3,), 9.0), 0, mode).tolist() == [
            1.0,
            2.0,
        ]


def test_the_last_of_repeated_sets_wins():
    out = scatter(hx.zeros((3,)), [1, 1, 0, 1], hx.tensor([1.0, 2.0, 3.0, 4.0]))
    assert out.tolist() == [3.0, 4.0, 0.0]


@pytest.mark.parametrize(
    "mode, want",
    [
        ("add", [1 + 2 + 4, 1, 1 + 3]),
        ("mul", [8, 1, 3]),
        ("max", [4, 1, 3]),
        ("min", [1, 1, 1]),
    ],
)
def test_every_update_of_a_repeated_index_counts(mode, want):
    out = scatter(hx.ones((3,)), [0, 2, 0], hx.tensor([2.0, 3.0, 4.0]), 0, mode)
    assert out.tolist() == want


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_scatter_along_an_axis(mode, axis):
    idx = np.array([[1, 0], [1, 1]])
    u = np.random.default_rng(0).normal(size=np.take(X, idx, axis).shape)
    want = X.copy()
    rows, new = np.moveaxis(want, axis, 0), np.moveaxis(u, [axis, axis + 1], [0, 1])
    at = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}
    for i in np.ndindex(idx.shape):
        v = new[i]
        rows[idx[i]] = v if mode == "set" else at[mode](rows[idx[i]], v)
    got = scatter(hx.tensor(X), idx, hx.tensor(u), axis, mode)
    np.testing.assert_allclose(np.asarray(got), want)


def test_sixteen_bit_sums_accumulate_in_float32():
    ones = hx.ones((1000,), "bfloat16")
    out = scatter(hx.full((1,), 512.0, "bfloat16"), np.zeros(1000, int), ones, 0, "add")
    assert out.item() == 1512.0  # in bfloat16 alone, 512 + 1 is 512


@pytest.mark.parametrize("axis", [0, 1])
def test_gather_gradient_adds_repeated_and_clamped_reads(axis):
    idx = hx.tensor([[1, 1], [5, 0]])
    f = lambda x: hx.bind(gather_p, x, idx, axis=axis) ** 2
    check_grads(f, X[:, :, 0], order=2)


@pytest.mark.parametrize("mode", MODES)
def test_scatter_gradient(mode):
    idx = hx.tensor([2, 0, 7, -1])  # two of them outside
    f = lambda x, u: hx.bind(scatter_p, x, idx, u, axis=1, mode=mode) ** 2
    rng = np.random.default_rng(1)
    check_grads(f, rng.normal(size=(2, 3)), rng.normal(size=(2, 4)), order=2)


@pytest.mark.parametrize("mode", ["add", "set", "mul", "max", "min"])
def test_scatter_gradient_with_repeated_indices(mode):
    idx = hx.tensor([1, 1, 0, 1])
    f = lambda x, u: hx.bind(scatter_p, x, idx, u, axis=0, mode=mode) ** 2
    rng = np.random.default_rng(2)
    check_grads(f, rng.normal(size=(3, 2)), rng.normal(size=(4, 2)), order=2)


def test_overwritten_updates_have_no_gradient():
    idx = hx.tensor([1, 1, 0])
    f = lambda u: scatter(hx.zeros((2,)), idx, u).sum()
    assert hx.grad(f)(hx.tensor([1.0, 2.0, 3.0])).tolist() == [0.0, 1.0, 1.0]


def test_product_gradient_is_exact_at_zero():
    idx = hx.tensor([0, 0, 1, 1])
    f = lambda u: scatter(hx.tensor([2.0, 3.0]), idx, u, 0, "mul").sum()
    g = hx.grad(f)(hx.tensor([0.0, 5.0, 0.0, 0.0]))
    assert g.tolist() == [10.0, 0.0, 0.0, 0.0]


def test_ties_of_scatter_max_share_the_gradient():
    idx = hx.tensor([0, 0])
    f = lambda x, u: scatter(x, idx, u, 0, "max").sum()
    gx = hx.grad(f)(hx.tensor([4.0]), hx.tensor([4.0, 1.0]))
    gu = hx.grad(lambda u: f(hx.tensor([4.0]), u))(hx.tensor([4.0, 1.0]))
    assert gx.tolist() == [0.5] and gu.tolist() == [0.5, 0.0]


def test_nothing_to_read_or_write():
    empty = np.zeros((0, 3))
    assert gather(empty, np.zeros((0,), int), 0).shape == (0, 3)
    with pytest.raises(hx.ShapeError, match=r"\[gather\] expected elements"):
        gather(empty, [0], 0)
    out = scatter(hx.tensor(empty), [0], hx.ones((1, 3), "float64"), 0, "add")
    assert out.shape == (0, 3)


@pytest.mark.parametrize(
    "call, error, words",
    [
        (
            lambda: hx.bind(gather_p, hx.ones((3,)), hx.tensor([0.0]), axis=0),
            hx.DTypeError,
            r"\[gather\] expected int32 or int64 indices",
        ),
        (
            lambda: hx.bind(gather_p, hx.ones((3,)), hx.tensor([0]), axis=1),
            hx.ShapeError,
            r"\[gather\] expected 0 <= axis < 1",
        ),
        (
            lambda: scatter(hx.ones((3,)), [0, 1], hx.ones((3,))),
            hx.ShapeError,
            r"\[scatter\] expected updates of shape \(2,\)",
        ),
        (
            lambda: scatter(hx.ones((3,)), [0], hx.ones((1,)), 0, "div"),
            ValueError,
            "expected a mode of set, add",
        ),
    ],
)
def test_wrong_arguments_say_what_was_expected(call, error, words):
    with pytest.raises(error, match=words):
        call()
