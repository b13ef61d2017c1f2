"""conv1d to conv_transpose3d against SciPy-like sums, and what they refuse."""

import helix_core as hx
import numpy as np
import pytest
from gradcheck import check_grads

RNG = np.random.default_rng(0)


def direct(x, w, stride, padding, dilation):
    """A sum over the taps of the padded image."""
    x = np.pad(x, [(0, 0), (0, 0), (padding,) * 2, (padding,) * 2])
    k = w.shape[2:]
    reach = [(n - 1) * dilation + 1 for n in k]
    places = [(x.shape[2 + i] - reach[i]) // stride + 1 for i in range(2)]
    y = np.zeros((x.shape[0], w.shape[0], *places))
    for i, j in np.ndindex(*k):
        rows = slice(i * dilation, i * dilation + (places[0] - 1) * stride + 1, stride)
        cols = slice(j * dilation, j * dilation + (places[1] - 1) * stride + 1, stride)
        y += np.einsum("bchw,oc->bohw", x[:, :, rows, cols], w[:, :, i, j])
    return y


@pytest.mark.parametrize("setting", [(1, 0, 1), (2, 1, 1), (1, 2, 2), (3, 0, 2)])
def test_convolution_is_the_sum_over_taps(setting):
    x, w = RNG.normal(size=(2, 3, 9, 8)), RNG.normal(size=(4, 3, 3, 2))
    got = hx.conv2d(hx.tensor(x), hx.tensor(w), None, *setting)
    np.testing.assert_allclose(np.asarray(got), direct(x, w, *setting), rtol=1e-10)


@pytest.mark.parametrize("groups", [1, 2])
def test_transposed_convolution_is_the_gradient_of_the_convolution(groups):
    x, w = RNG.normal(size=(2, 4, 9, 8)), RNG.normal(size=(6, 4 // groups, 3, 3))
    f = lambda x: hx.conv2d(x, hx.tensor(w), None, 2, 1, 2, groups)
    y, pull = hx.vjp(f, hx.tensor(x))
    ct = RNG.normal(size=y.shape)
    want = np.asarray(pull(hx.tensor(ct)))
    got = hx.conv_transpose2d(
        hx.tensor(ct), hx.tensor(w), None, 2, 1, (0, 1), groups, 2
    )
    np.testing.assert_allclose(np.asarray(got), want, rtol=1e-10, atol=1e-12)


def test_gradients_of_gradients():
    x, w, b = RNG.normal(size=(2, 4, 5)), RNG.normal(size=(4, 2, 3)), RNG.normal(size=4)
    check_grads(lambda *a: hx.conv1d(*a, 2, 1, 1, 2) ** 2, x, w, b, order=2)
    check_grads(
        lambda *a: hx.conv_transpose1d(*a, 2, 1, 1, 2) ** 2,
        x,
        w,
        RNG.normal(size=4),
        order=2,
    )


def test_one_image_needs_no_batch():
    x, w = hx.ones((3, 5, 5)), hx.ones((2, 3, 3, 3))
    assert hx.conv2d(x, w).shape == (2, 3, 3)
    assert hx.conv_transpose2d(hx.ones((2, 3, 3)), w).shape == (3, 5, 5)


def test_same_pads_the_far_end_more():
    x, w = hx.tensor([[[1.0, 2.0, 3.0]]]), hx.ones((1, 1, 2))
    assert hx.conv1d(x, w, padding="same").tolist() == [[[3.0, 5.0, 3.0]]]


def test_an_empty_batch_gives_an_empty_result_and_zero_gradients():
    x, w = hx.zeros((0, 3, 5, 5)), hx.ones((2, 3, 3, 3))
    y, pull = hx.vjp(lambda w, b: hx.conv2d(x, w, b), w, hx.ones((2,)))
    assert y.shape == (0, 2, 3, 3)
    gw, gb = pull(y)
    assert not np.asarray(gw).any() and gb.tolist() == [0.0, 0.0]
    assert hx.conv_transpose2d(hx.zeros((0, 2, 3, 3)), w).shape == (0, 3, 5, 5)


X, W = (2, 4, 5, 5), (6, 4, 3, 3)


@pytest.mark.parametrize(
    "x, w, kw, words",
    [
        ((2, 4, 2, 5), W, {}, "a kernel no larger than the padded input"),
        ((2, 4, 5, 5), W, {"dilation": 3}, "a kernel no larger than the padded input"),
        ((2, 3, 5, 5), W, {}, "x with 4 channels"),
        (X, W, {"groups": 4}, "groups that divide the output channels"),
        (X, W, {"groups": 2}, "x with 8 channels"),
        (X, W, {"groups": 0}, "groups of at least 1"),
        (X, W, {"padding": -1}, "padding of at least 0"),
        (X, W, {"padding": (1, 1, 1)}, "2 values, one per axis"),
        (X, W, {"padding": "full"}, "'valid', 'same', or widths"),
        (X, W, {"padding": "same", "stride": 2}, "stride 1 with padding='same'"),
        (X, W, {"stride": 0}, "strides of at least 1"),
        (X, W, {"dilation": 0}, "dilations of at least 1"),
        ((2, 4, 5), (6, 4, 3), {}, "batch, channel, height, width"),
        ((2, 4, 0, 5), W, {}, "sizes of at least 1"),
        (X, (6, 4, 0, 3), {}, "without an empty axis"),
        (X, W, {"bias": (5,)}, r"a bias \(6,\)"),
    ],
)
def test_wrong_arguments_of_convolutions(x, w, kw, words):
    kw = {k: hx.ones(v) if k == "bias" else v for k, v in kw.items()}
    with pytest.raises(hx.ShapeError, match=words):
        hx.conv2d(hx.ones(x), hx.ones(w), **kw)


@pytest.mark.parametrize(
    "x, kw, words",
    [
        ((2, 5, 5, 5), {}, "x with 4 channels"),
        (X, {"groups": 3}, "groups that divide the channels"),
        (X, {"padding": -1}, "padding of at least 0"),
        (X, {"padding": 4}, "a result of at least 1 element"),
        (X, {"output_padding": 1}, "output padding below stride or dilation"),
        (X, {"stride": 2, "output_padding": -1}, "output padding of at least 0"),
    ],
)
def test_wrong_arguments_of_transposed_convolutions(x, kw, words):
    with pytest.raises(hx.ShapeError, match=words):
        hx.conv_transpose2d(hx.ones(x), hx.ones((4, 6, 3, 3)), **kw)


def test_precision_is_what_the_call_says_not_the_backward_pass():
    x, w = np.float32(1 + 2**-10), np.full((1, 1, 1), 3.0, np.float32)
    with hx.precision("bfloat16"):
        y, pull = hx.vjp(lambda w: hx.conv1d(hx.full((1, 1, 1), x), w), hx.tensor(w))
    assert y.item() == 3.0 and pull(hx.ones((1, 1, 1))).item() == 1.0
    assert hx.conv1d(hx.full((1, 1, 1), x), hx.tensor(w)).item() == 3.0 * x
    with pytest.raises(hx.DTypeError, match="compute='float32' or 'bfloat16'"):
        hx.conv(hx.ones((1, 1, 1)), hx.tensor(w), compute="float16")
