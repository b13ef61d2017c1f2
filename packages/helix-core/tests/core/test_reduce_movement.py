"""Reductions, movement and products: values against NumPy, gradients."""

import helix_core as hx
import ml_dtypes
import numpy as np
import pytest
from gradcheck import check_grads

RNG = np.random.default_rng(0)
A = RNG.normal(size=(2, 3, 4))
AXES = [None, 0, -1, (0, 2), (1,), (0, 1, 2), ()]


def same(got, want, rtol=1e-6):
    assert np.asarray(got).shape == np.asarray(want).shape
    np.testing.assert_allclose(np.asarray(got), want, rtol=rtol, atol=1e-7)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("name", ["sum", "prod", "mean", "var", "std", "max", "min"])
def test_reductions_are_numpys(name, axis, keepdims):
    x = A.astype(np.float32)
    got = getattr(hx, name)(hx.tensor(x), axis=axis, keepdims=keepdims)
    same(got, getattr(np, name)(x, axis=axis, keepdims=keepdims), 1e-5)


@pytest.mark.parametrize(
    "name", ["sum", "prod", "mean", "var", "max", "min", "logsumexp"]
)
def test_reduction_gradients(name):
    f = getattr(hx, name)
    check_grads(lambda x: f(x, axis=1), A, order=2)
    check_grads(lambda x: f(x, axis=(0, 2), keepdims=True), A, order=1)
    check_grads(f, A, order=1)


def test_product_gradient_through_zeros_is_exact():
    x = np.array([[2.0, 0.0, 3.0], [0.0, 0.0, 4.0]])
    g = hx.grad(lambda x: hx.prod(x, axis=1).sum())(hx.tensor(x))
    assert g.tolist() == [[0.0, 6.0, 0.0], [0.0, 0.0, 0.0]]


def test_ties_share_the_gradient_of_max():
    g = hx.grad(lambda x: hx.max(x))(hx.tensor([1.0, 3.0, 3.0, 2.0]))
    assert g.tolist() == [0.0, 0.5, 0.5, 0.0]


def test_empty_reductions():
    e = hx.zeros((0, 3))
    assert e.sum().item() == 0.0 and e.prod().item() == 1.0
    assert e.sum(0).tolist() == [0.0, 0.0, 0.0]
    assert e.all().item() is True and e.any().item() is False
    assert np.isnan(e.mean().item())
    assert hx.logsumexp(e, 0).tolist() == [-np.inf] * 3
    assert hx.softmax(e, 0).shape == hx.log_softmax(e, 0).shape == (0, 3)
    with pytest.raises(hx.ShapeError, match="at least one element"):
        e.max(0)


def test_nan_wins_and_infinities_behave():
    x = hx.tensor([1.0, np.nan, np.inf])
    assert np.isnan(x.max().item()) and np.isnan(x.sum().item())
    assert hx.argmax(x).item() == 1
    assert hx.logsumexp(hx.tensor([-np.inf, -np.inf])).item() == -np.inf
    assert hx.logsumexp(hx.tensor([np.inf, 1.0])).item() == np.inf


def test_small_dtypes_accumulate_wide():
    assert hx.ones((300,), "bfloat16").sum().item() == 300.0
    assert hx.full((100,), 100, "int8").sum().item() == 10_000
    assert hx.tensor([True] * 5).sum().dtype is hx.int32
    x = hx.full((70_000,), 2.0, "float16")
    assert x.mean().item() == 2.0


@pytest.mark.parametrize("keepdims", [False, True])
def test_argmax_takes_the_first(keepdims):
    x = np.array([[1, 5, 5], [7, 0, 7]], np.int32)
    got = hx.argmax(hx.tensor(x), axis=1, keepdims=keepdims)
    same(got, np.argmax(x, axis=1, keepdims=keepdims))
    assert got.dtype is hx.int32
    assert hx.argmin(hx.tensor(x)).item() == 4


def test_an_axis_out_of_range_is_named():
    with pytest.raises(hx.ShapeError, match="3 dimensions; got 3"):
        hx.ones((2, 3, 4)).sum(3)
    with pytest.raises(hx.ShapeError, match="different axes"):
        hx.ones((2, 3, 4)).sum((0, 0))


# ----------------------------------------------------------------------- movement
MOVES = {
    "reshape": (lambda x: hx.reshape(x, 4, -1), lambda x: x.reshape(4, -1)),
    "transpose": (hx.transpose, np.transpose),
    "permute": (lambda x: x.transpose(1, 2, 0), lambda x: x.transpose(1, 2, 0)),
    "swapaxes": (lambda x: hx.swapaxes(x, 0, -1), lambda x: np.swapaxes(x, 0, -1)),
    "moveaxis": (
        lambda x: hx.moveaxis(x, (0, 1), (-1, 0)),
        lambda x: np.moveaxis(x, (0, 1), (-1, 0)),
    ),
    "broadcast": (
        lambda x: hx.broadcast_to(x, (5, 2, 3, 4)),
        lambda x: np.broadcast_to(x, (5, 2, 3, 4)),
    ),
    "pad": (
        lambda x: hx.pad(x, [(1, 2), (0, 0), (-1, 1)], 3.0),
        lambda x: np.pad(x[:, :, 1:], [(1, 2), (0, 0), (0, 1)], constant_values=3.0),
    ),
    "flip": (lambda x: hx.flip(x, (0, 2)), lambda x: np.flip(x, (0, 2))),
    "concat": (
        lambda x: hx.concat([x, x * 2.0, x], 1),
        lambda x: np.concatenate([x, x * 2, x], 1),
    ),
    "stack": (lambda x: hx.stack([x, x], -1), lambda x: np.stack([x, x], -1)),
    "split": (lambda x: hx.split(x, [1, 3], 2)[1], lambda x: x[:, :, 1:]),
    "tile": (lambda x: hx.tile(x, (2, 1, 3)), lambda x: np.tile(x, (2, 1, 3))),
    "repeat": (lambda x: hx.repeat(x, 3, 1), lambda x: np.repeat(x, 3, 1)),
    "roll": (lambda x: hx.roll(x, -3, 2), lambda x: np.roll(x, -3, 2)),
    "squeeze": (lambda x: hx.squeeze(x[:1]), lambda x: np.squeeze(x[:1])),
    "expand_dims": (lambda x: hx.expand_dims(x, -1), lambda x: np.expand_dims(x, -1)),
    "tril": (lambda x: hx.tril(x, 1), lambda x: np.tril(x, 1)),
    "triu": (hx.triu, np.triu),
}


@pytest.mark.parametrize("name", MOVES)
def test_movement(name):
    ours, numpys = MOVES[name]
    x = A.astype(np.float32)
    same(ours(hx.tensor(x)), numpys(x))
    check_grads(ours, A, order=2)


@pytest.mark.parametrize(
    ("start", "stop", "step"),
    [((0, 0), (4, 5), (1, 1)), ((1, 0), (4, 5), (2, 3)), ((4, 2), (4, 2), (1, 1))],
)
def test_slice_and_its_gradient(start, stop, step):
    x = RNG.normal(size=(4, 5))
    cut = tuple(slice(i, j, k) for i, j, k in zip(start, stop, step, strict=True))
    f = lambda x: hx.bind(hx.PRIMITIVES["slice"], x, start=start, stop=stop, step=step)
    same(f(hx.tensor(x)), x[cut])
    check_grads(f, x, order=1)


@pytest.mark.parametrize(
    "pads",
    [
        ((0, 0, 1), (2, 1, 0)),
        ((-1, -1, 2), (0, 0, 0)),
        ((-3, 1, 1), (-2, -2, 1)),
        ((-9, 9, 0), (0, 0, 3)),
        ((1, 2, 3), (-4, 5, 2)),
    ],
)
def test_interior_and_negative_padding(pads):
    x = RNG.normal(size=(3, 4))
    out = x
    for axis, (lo, hi, inner) in enumerate(pads):
        n = out.shape[axis]
        wide = list(out.shape)
        wide[axis] = n + (n - 1) * inner
        spread = np.full(wide, 7.0)
        spread[
            tuple(
                slice(None, None, inner + 1) if a == axis else slice(None)
                for a in range(2)
            )
        ] = out
        full = np.full([m + 40 if a == axis else m for a, m in enumerate(wide)], 7.0)
        full[
            tuple(
                slice(20, 20 + wide[a]) if a == axis else slice(None) for a in range(2)
            )
        ] = spread
        out = np.take(full, range(20 - lo, 20 + wide[axis] + hi), axis)
    f = lambda x, v: hx.bind(hx.PRIMITIVES["pad"], x, v, pads=pads)
    same(f(hx.tensor(x), hx.tensor(np.float64(7.0))), out)
    check_grads(f, x, np.float64(7.0), order=1)


def test_wrong_shapes_are_named():
    with pytest.raises(hx.ShapeError, match=r"24 elements.*\(5, 5\)"):
        hx.ones((2, 3, 4)).reshape(5, 5)
    with pytest.raises(hx.ShapeError, match="each of 3 axes"):
        hx.bind(hx.PRIMITIVES["permute"], hx.ones((2, 3, 4)), axes=(0, 1, 1))
    with pytest.raises(hx.ShapeError, match="equal but for axis 0"):
        hx.concat([hx.ones((2, 3)), hx.ones((2, 4))])
    with pytest.raises(hx.ShapeError, match="divisor of 3"):
        hx.split(hx.ones((3,)), 2)


# ----------------------------------------------------------------------- products
@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((3,), (3,)),
        ((2, 3), (3,)),
        ((3,), (3, 4)),
        ((2, 3), (3, 4)),
        ((5, 2, 3), (3, 4)),
        ((5, 2, 3), (5, 3, 4)),
        ((5, 1, 2, 3), (6, 3, 4)),
        ((2, 3), (5, 3, 4)),
        ((3,), (5, 3, 4)),
        ((0, 3), (3, 4)),
        ((2, 0), (0, 4)),
    ],
)
def test_matmul_is_numpys(a, b):
    x, y = RNG.normal(size=a), RNG.normal(size=b)
    same(hx.matmul(hx.tensor(x), hx.tensor(y)), x @ y)
    if 0 not in (*a, *b):
        check_grads(hx.matmul, x, y, order=2)


@pytest.mark.parametrize(
    "dims",
    [
        (((1,), (2,)), ((), ())),
        (((1,), (2,)), ((0,), (0,))),
        (((1, 2), (2, 1)), ((), ())),
        (((2, 1), (1, 2)), ((0,), (0,))),
        (((), ()), ((0,), (0,))),
    ],
)
def test_dot_general(dims):
    (ca, cb), (ba, bb) = dims
    x, y = RNG.normal(size=(2, 3, 4)), RNG.normal(size=(2, 4, 3))
    la, lb = list("abc"), list("ABC")
    for i, j in (*zip(ca, cb, strict=True), *zip(ba, bb, strict=True)):
        lb[j] = la[i]
    out = [la[i] for i in ba]
    out += [c for i, c in enumerate(la) if i not in ca and i not in ba]
    out += [c for j, c in enumerate(lb) if j not in cb and j not in bb]
    want = np.einsum(f"{''.join(la)},{''.join(lb)}->{''.join(out)}", x, y)
    f = lambda x, y: hx.dot_general(x, y, dims)
    same(f(hx.tensor(x), hx.tensor(y)), want)
    check_grads(f, x, y, order=2)


def test_bfloat16_products_round_operands_and_accumulate_in_float32():
    x = RNG.normal(size=(3, 50)).astype(np.float32)
    r = lambda v: v.astype(ml_dtypes.bfloat16).astype(np.float32)
    got = hx.dot_general(
        hx.tensor(x), hx.tensor(x), (((1,), (1,)), ((), ())), compute="bfloat16"
    )
    assert got.dtype is hx.float32
    same(got, r(x) @ r(x).T, 1e-5)


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ("ij,jk->ik", [(2, 3), (3, 4)]),
        ("bij,bkj->bik", [(2, 3, 4), (2, 5, 4)]),
        ("ii->i", [(3, 3)]),
        ("ii", [(3, 3)]),
        ("ij->ji", [(2, 3)]),
        ("ij->", [(2, 3)]),
        ("i,j->ij", [(2,), (3,)]),
        ("...ij,...jk->...ik", [(5, 2, 3), (3, 4)]),
        ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 5)]),
        ("bhqd,bhkd->bhqk", [(2, 2, 3, 4), (2, 2, 5, 4)]),
        ("i,i", [(3,), (3,)]),
        ("ijk,ilj->kl", [(2, 3, 4), (2, 5, 3)]),
        ("ab,cd->acbd", [(2, 3), (4, 5)]),
        ("iij,j->i", [(3, 3, 2), (2,)]),
        ("iii->i", [(3, 3, 3)]),
        ("iijj->ij", [(2, 2, 3, 3)]),
        ("...ii->...i", [(4, 3, 3)]),
        ("...ii", [(4, 3, 3)]),
        ("i...->...", [(3, 2, 4)]),
        ("i...j->j...i", [(2, 5, 3)]),
        ("...i,...i", [(2, 3), (2, 3)]),
        ("...,...", [(2, 3), (3,)]),
        ("ij,j...->i...", [(2, 3), (3, 4, 5)]),
        ("...a,...b->...ab", [(2, 1, 3), (4, 2)]),
        ("ij,ij,ij->i", [(2, 3)] * 3),
        ("bn,anm,bm->ba", [(2, 3), (4, 3, 5), (2, 5)]),
        ("ba", [(2, 3)]),
        ("Ab,bC->AC", [(2, 3), (3, 4)]),
        (" i j , j k -> i k ", [(2, 3), (3, 4)]),
        (",", [(), ()]),
        ("i,->i", [(3,), ()]),
        ("ij,ij->", [(2, 3), (1, 3)]),
        ("ij,jk->ik", [(2, 0), (0, 3)]),
    ],
)
def test_einsum_is_numpys(text, shapes):
    xs = [RNG.normal(size=s) for s in shapes]
    same(hx.einsum(text, *map(hx.tensor, xs)), np.einsum(text, *xs))
    if all(x.size for x in xs):
        check_grads(lambda *ts: hx.einsum(text, *ts), *xs, order=2)


@pytest.mark.parametrize(
    ("text", "shapes", "why"),
    [
        ("ij,jk->ik", [(2, 3), (4, 5)], "one size for 'j'"),
        ("ij->ik", [(2, 3)], "result letter"),
        ("ij", [(2, 3, 4)], "one letter per axis"),
        ("i,j", [(2,)], "1 terms"),
    ],
)
def test_einsum_errors(text, shapes, why):
    with pytest.raises(hx.ShapeError, match=why):
        hx.einsum(text, *[hx.ones(s) for s in shapes])


# -------------------------------------------------------------------- linear scan
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_linear_scan_is_the_recurrence(axis, reverse):
    a, b = RNG.uniform(0.2, 0.9, size=(2, 3, 4)), RNG.normal(size=(2, 3, 4))
    h0 = RNG.normal(size=tuple(n for i, n in enumerate((2, 3, 4)) if i != axis))
    at, bt = np.moveaxis(a, axis, 0), np.moveaxis(b, axis, 0)
    h, out = h0, [None] * len(at)
    for t in range(len(at))[:: -1 if reverse else 1]:
        h = out[t] = at[t] * h + bt[t]
    f = lambda a, b, h0: hx.linear_scan(a, b, h0, axis, reverse)
    same(f(*map(hx.tensor, (a, b, h0))), np.stack(out, axis))
    check_grads(f, a, b, h0, order=2)


def test_linear_scan_of_no_steps_and_of_complex_values():
    assert hx.linear_scan(hx.ones((2, 0, 3)), hx.ones((2, 0, 3)), axis=1).shape == (
        2,
        0,
        3,
    )
    a = hx.full((4,), 0.5j, "complex64")
    h = hx.linear_scan(a, hx.ones((4,), "complex64"), axis=0)
    np.testing.assert_allclose(h.numpy()[2], 1 + 0.5j + (0.5j) ** 2)
