"""conv against a loop over its definition; gradients; the decomposition."""

import itertools

import helix_core as hx
import numpy as np
import pytest
from gradcheck import check_grads
from helix_core._primitives.conv import _decompose

RNG = np.random.default_rng(0)

# x, w, strides, padding, lhs dilation, rhs dilation, feature groups, batch groups
CASES = [
    ((2, 3, 7), (4, 3, 3), (1,), ((0, 0),), (1,), (1,), 1, 1),
    ((2, 3, 7), (4, 3, 3), (2,), ((2, 1),), (1,), (2,), 1, 1),
    ((1, 4, 6), (4, 1, 4), (1,), ((3, 0),), (1,), (1,), 4, 1),
    ((2, 4, 6), (6, 2, 3), (3,), ((-1, 2),), (2,), (1,), 2, 1),
    ((4, 2, 5), (6, 2, 2), (1,), ((1, 1),), (1,), (1,), 1, 2),
    ((6, 2, 5), (3, 2, 3), (2,), ((2, 0),), (2,), (2,), 1, 3),
    ((2, 2, 5, 6), (3, 2, 2, 3), (1, 2), ((0, 1), (1, 1)), (1, 1), (2, 1), 1, 1),
    ((2, 4, 5, 4), (4, 2, 3, 1), (2, 1), ((1, 1), (0, -1)), (1, 3), (1, 1), 2, 1),
    (
        (1, 2, 3, 4, 3),
        (2, 2, 2, 2, 2),
        (1, 2, 1),
        ((0, 0), (1, 0), (0, 1)),
        (1, 1, 1),
        (1, 1, 2),
        1,
        1,
    ),
    ((2, 3), (4, 3), (), (), (), (), 1, 1),
    ((2, 3, 2), (4, 3, 5), (1,), ((0, 0),), (1,), (1,), 1, 1),
]
NAMES = [
    "strides",
    "padding",
    "lhs_dilation",
    "rhs_dilation",
    "feature_groups",
    "batch_groups",
]


def case(c):
    x, w = RNG.normal(size=c[0]), RNG.normal(size=c[1])
    return x, w, dict(zip(NAMES, c[2:], strict=True))


def loop(
    x, w, strides, padding, lhs_dilation, rhs_dilation, feature_groups, batch_groups
):
    """The sum that defines it, one output element at a time."""
    n = x.ndim - 2
    b, o = x.shape[0] // batch_groups, w.shape[0]
    places = []
    for i in range(n):
        wide = max(0, (x.shape[2 + i] - 1) * lhs_dilation[i] + 1) + sum(padding[i])
        reach = (w.shape[2 + i] - 1) * rhs_dilation[i] + 1
        places.append(max(0, (wide - reach) // strides[i] + 1))
    y = np.zeros((b, o, *places))
    c = x.shape[1] // feature_groups
    for bi, oi, *at in np.ndindex(*y.shape):
        fg = oi // (o // feature_groups) if feature_groups > 1 else 0
        bg = oi // (o // batch_groups) if batch_groups > 1 else 0
        for ci, *k in itertools.product(range(c), *map(range, w.shape[2:])):
            pos, inside = [], True
            for i in range(n):
                p = at[i] * strides[i] + k[i] * rhs_dilation[i] - padding[i][0]
                inside &= (
                    p % lhs_dilation[i] == 0
                    and 0 <= p < x.shape[2 + i] * lhs_dilation[i]
                )
                pos.append(p // lhs_dilation[i])
            if inside:
                v = x[(bg * b + bi, fg * c + ci, *pos)] * w[(oi, ci, *k)]
                y[(bi, oi, *at)] += v
    return y


@pytest.mark.parametrize("c", CASES)
def test_values_and_decomposition(c):
    x, w, a = case(c)
    want = loop(x, w, **a)
    for f in (hx.conv, _decompose):
        got = f(hx.tensor(x), hx.tensor(w), **a)
        assert got.shape == want.shape
        np.testing.assert_allclose(np.asarray(got), want, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("c", CASES)
def test_gradients_of_gradients(c):
    x, w, a = case(c)
    check_grads(lambda x, w: hx.conv(x, w, **a) ** 2, x, w, order=2)


def test_complex_gradient():
    x = RNG.normal(size=(1, 2, 5)) + 1j * RNG.normal(size=(1, 2, 5))
    w = RNG.normal(size=(2, 2, 3)) + 1j * RNG.normal(size=(2, 2, 3))
    check_grads(lambda x, w: hx.conv(x, w, padding=1) ** 2, x, w, order=2)


def test_paddings():
    x, w = hx.ones((1, 1, 5)), hx.ones((1, 1, 3))
    assert hx.conv(x, w).tolist() == [[[3.0, 3.0, 3.0]]]
    assert hx.conv(x, w, padding="same").tolist() == [[[2.0, 3.0, 3.0, 3.0, 2.0]]]
    assert hx.conv(x, w, 2, "same").tolist() == [[[2.0, 3.0, 2.0]]]
    assert hx.conv(x, w, padding=[(2, 0)]).tolist() == [[[1.0, 2.0, 3.0, 3.0, 3.0]]]


@pytest.mark.parametrize("run", [hx.conv, _decompose])
def test_sixteen_bits_accumulate_in_float32(run):
    x, w = hx.ones((1, 1, 600), "bfloat16"), hx.ones((1, 1, 600), "bfloat16")
    y = run(x, w, strides=(1,), padding=((0, 0),), lhs_dilation=(1,), rhs_dilation=(1,))
    assert y.dtype is hx.bfloat16 and y.item() == 600.0


def test_integers():
    x, w = hx.tensor([[[1, 2, 3]]]), hx.tensor([[[1, 10]]])
    assert hx.conv(x, w).tolist() == [[[21, 32]]]


def test_empty_batch_and_gradient():
    f = lambda x, w: hx.conv(x, w)
    x, w = hx.zeros((0, 2, 4)), hx.ones((3, 2, 2))
    assert f(x, w).shape == (0, 3, 3)
    assert hx.grad(lambda w: f(x, w).sum())(w).tolist() == np.zeros((3, 2, 2)).tolist()


@pytest.mark.parametrize(
    "x, w, kw, words",
    [
        ((2, 3, 4), (4, 2, 2), {}, r"w \(out, channel / groups"),
        ((2, 3), (4, 3, 2), {}, r"x \(batch, channel, \*spatial\)"),
        ((2, 3, 4), (4, 3, 0), {}, "a kernel of at least 1"),
        ((2, 4, 4), (3, 2, 2), {"feature_groups": 2}, "2 feature and 1 batch groups"),
        ((2, 4, 4), (4, 2, 2), {"feature_groups": 2, "batch_groups": 2}, "of one kind"),
        ((2, 3, 4), (4, 3, 2), {"strides": 0}, "at least 1"),
        ((2, 3, 4), (4, 3, 2), {"padding": [(0, 0), (0, 0)]}, "padding for 1 axes"),
    ],
)
def test_wrong_arguments(x, w, kw, words):
    with pytest.raises(hx.ShapeError, match=words):
        hx.conv(hx.zeros(x), hx.zeros(w), **kw)
