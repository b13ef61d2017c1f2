"""The long convolution beside the sum that defines it."""

import helix_core as hx
import numpy as np
import pytest
from gradcheck import check_grads

RNG = np.random.default_rng(0)


def n(*shape):
    return RNG.normal(size=shape)


def direct(u, k, d=None, pre=None, post=None):
    """y_t = post_t (sum_{s <= t} k_s v_{t-s} + d v_t), term by term in float64."""
    v = u if pre is None else u * pre
    y = np.zeros_like(v)
    for t in range(u.shape[1]):
        for s in range(min(t + 1, k.shape[0])):
            y[:, t] += k[s] * v[:, t - s]
    if d is not None:
        y += d * v
    return y if post is None else y * post


@pytest.mark.parametrize(
    "size", [(1, 1, 1, 1), (2, 7, 3, 7), (2, 6, 1, 2), (1, 9, 2, 1)]
)
def test_it_is_the_sum(size):
    b, t, c, taps = size
    u, k, d, pre, post = n(b, t, c), n(taps, c), n(c), n(b, t, c), n(b, t, c)
    for o in ({}, {"d": d}, {"pre": pre}, {"d": d, "pre": pre, "post": post}):
        got = hx.long_conv(hx.tensor(u), hx.tensor(k), **o)
        np.testing.assert_allclose(got.numpy(), direct(u, k, **o), atol=1e-13)
        single = {name: x.astype("f4") for name, x in o.items()}
        got = hx.long_conv(
            hx.tensor(u.astype("f4")), hx.tensor(k.astype("f4")), **single
        )
        assert got.dtype is hx.float32
        np.testing.assert_allclose(got.numpy(), direct(u, k, **o), atol=1e-5)


def test_taps_beyond_the_sequence_are_not_used_and_get_no_gradient():
    u, k = n(1, 3, 2), n(5, 2)
    y, pull = hx.vjp(hx.long_conv, hx.tensor(u), hx.tensor(k))
    np.testing.assert_allclose(y.numpy(), direct(u, k), atol=1e-13)
    dk = pull(hx.ones_like(y))[1].numpy()
    assert dk.shape == (5, 2) and not dk[3:].any() and dk[:3].all()


def test_gradients():
    check_grads(hx.long_conv, n(2, 5, 3), n(5, 3), order=2)
    check_grads(hx.long_conv, n(1, 5, 2), n(2, 2), n(2), order=2)
    check_grads(
        lambda u, k, d, pre, post: hx.long_conv(u, k, d, pre=pre, post=post),
        *(n(2, 4, 3), n(4, 3), n(3), n(2, 4, 3), n(2, 4, 3)),
        order=2,
    )


def test_no_output_depends_on_a_later_input():
    u, k = n(1, 8, 1), n(8, 1)
    for t in range(8):
        du = hx.grad(lambda u, t=t: hx.long_conv(u, hx.tensor(k))[0, t, 0])(
            hx.tensor(u)
        )
        assert np.abs(du.numpy()[0, t + 1 :]).max(initial=0.0) < 1e-14
        assert np.abs(du.numpy()[0, : t + 1]).min() > 1e-6


@pytest.mark.parametrize("shape", [(0, 4, 3), (2, 0, 3), (2, 4, 0)])
def test_nothing_in_nothing_out(shape):
    u, k = hx.zeros(shape), hx.ones((4, shape[2]))
    y = hx.long_conv(u, k, hx.ones((shape[2],)), pre=u, post=u)
    assert y.shape == shape
    _, pull = hx.vjp(hx.long_conv, u, k)
    grads = pull(y)
    assert [g.shape for g in grads] == [u.shape, k.shape]
    assert not grads[1].numpy().any()


def test_bad_input_says_what_was_expected():
    u, k = hx.ones((2, 4, 3)), hx.ones((4, 3))
    with pytest.raises(hx.ShapeError, match=r"\[long_conv\] expected u \(batch, time"):
        hx.long_conv(u[0], k)
    with pytest.raises(hx.ShapeError, match=r"k.shape=\(4, 2\)"):
        hx.long_conv(u, k[:, :2])
    with pytest.raises(hx.ShapeError, match="at least one tap"):
        hx.long_conv(u, k[:0])
    with pytest.raises(hx.ShapeError, match=r"d of shape \(3,\); got \(2,\)"):
        hx.long_conv(u, k, k[0, :2])
    with pytest.raises(hx.ShapeError, match=r"post of shape \(2, 4, 3\)"):
        hx.long_conv(u, k, post=u[:1])
    with pytest.raises(hx.DTypeError, match="expected floats"):
        hx.long_conv(hx.cast(u, "int32"), hx.cast(k, "int32"))
    with pytest.raises(hx.DTypeError, match="expected floats"):
        hx.long_conv(hx.cast(u, "complex64"), k)


def test_half_precision_in_and_out():
    u, k = n(1, 6, 2), n(6, 2)
    y = hx.long_conv(*(hx.tensor(a, dtype="bfloat16") for a in (u, k)))
    assert y.dtype is hx.bfloat16
    np.testing.assert_allclose(y.numpy().astype("f4"), direct(u, k), atol=0.1)
