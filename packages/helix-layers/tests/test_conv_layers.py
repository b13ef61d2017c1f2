"""Convolution layers, pools and norms: shapes, settings, states, what they refuse."""

import helix_core as hx
import helix_layers as hl
import numpy as np
import pytest
from helix_core import plugins

RNG = np.random.default_rng(0)


def draw(*shape):
    return hx.tensor(RNG.normal(size=shape).astype(np.float32))


def test_weights_are_uniform_within_the_fan_in():
    layer = hl.Conv2d(8, 16, 5, groups=2, generator=hx.Generator(1))
    w = np.asarray(layer.weight.value)
    assert w.shape == (16, 4, 5, 5)
    assert (
        0.095 < np.abs(w).max() <= 0.1
        and np.abs(np.asarray(layer.bias.value)).max() <= 0.1
    )
    again = hl.Conv2d(8, 16, 5, groups=2, generator=hx.Generator(1))
    np.testing.assert_array_equal(np.asarray(again.weight.value), w)
    assert not layer.bias.decay and layer.weight.decay
    assert (
        hl.Conv2d(1, 1, 1, bias=False, dtype="float64").weight.value.dtype == "float64"
    )


@pytest.mark.parametrize("n", [1, 2, 3])
def test_shapes(n):
    x = draw(2, 4, *(9, 8, 7)[:n])
    half = (5, 4, 4)[:n]
    assert getattr(hl, f"Conv{n}d")(4, 6, 3, 2, 1)(x).shape == (2, 6, *half)
    up = getattr(hl, f"ConvTranspose{n}d")(4, 6, 2, 2)(x)
    assert up.shape == (2, 6, *(18, 16, 14)[:n])
    assert getattr(hl, f"MaxPool{n}d")(3, 2, 1)(x).shape == (2, 4, *half)
    assert getattr(hl, f"AvgPool{n}d")(3, 2, 1)(x).shape == (2, 4, *half)
    for kind in ("Avg", "Max"):
        assert getattr(hl, f"Adaptive{kind}Pool{n}d")(2)(x).shape == (2, 4, *(2,) * n)
    assert getattr(hl, f"BatchNorm{n}d")(4)(x).shape == x.shape
    assert hl.GroupNorm(2, 4)(x).shape == hl.InstanceNorm(4)(x).shape == x.shape
    assert hl.Upsample(scale_factor=2)(x).shape == (2, 4, *(18, 16, 14)[:n])
    assert hl.Flatten()(x).shape == (2, 4 * np.prod(x.shape[2:]))


def test_borders_of_their_own_elements():
    x = hx.tensor([[[1.0, 2.0, 3.0]]])
    for mode, want in (
        ("zeros", [3.0, 6.0, 5.0]),
        ("reflect", [5.0, 6.0, 7.0]),
        ("replicate", [4.0, 6.0, 8.0]),
        ("circular", [6.0, 6.0, 6.0]),
    ):
        layer = hl.Conv1d(1, 1, 3, padding=1, bias=False, padding_mode=mode)
        layer.weight.value = hx.ones((1, 1, 3))
        assert layer(x).tolist() == [[want]]
        same = hl.Conv1d(1, 1, 3, padding="same", bias=False, padding_mode=mode)
        same.weight.value = hx.ones((1, 1, 3))
        assert same(x).tolist() == [[want]]


def test_running_statistics_follow_the_batches():
    norm = hl.BatchNorm1d(1, momentum=0.5, affine=False)
    norm(hx.tensor([[1.0], [3.0]]))  # mean 2, unbiased variance 2
    assert norm.running_mean.value.tolist() == [1.0]
    assert norm.running_var.value.tolist() == [1.5]
    norm(hx.tensor([[4.0], [8.0]]))  # mean 6, unbiased variance 8
    assert norm.running_mean.value.tolist() == [3.5]
    assert norm.running_var.value.tolist() == [4.75]
    assert norm.num_batches_tracked.value.item() == 2
    got = norm.eval()(hx.tensor([[3.5]])).item()
    assert got == 0.0
    assert norm.num_batches_tracked.value.item() == 2


def test_without_momentum_statistics_are_means_of_all_batches():
    norm = hl.BatchNorm1d(1, momentum=None)
    for a, b in ((1.0, 3.0), (4.0, 8.0), (0.0, 2.0)):
        norm(hx.tensor([[a], [b]]))
    np.testing.assert_allclose(norm.running_mean.value.tolist(), [3.0], rtol=1e-6)
    np.testing.assert_allclose(norm.running_var.value.tolist(), [4.0], rtol=1e-6)


def test_without_running_statistics_evaluation_uses_the_batch():
    norm = hl.BatchNorm2d(3, track_running_stats=False)
    x = draw(2, 3, 4, 4)
    np.testing.assert_array_equal(np.asarray(norm(x)), np.asarray(norm.eval()(x)))
    assert list(norm.state_dict()) == ["weight", "bias"]


def test_a_compiled_step_updates_the_statistics():
    norm, twin = hl.BatchNorm2d(3), hl.BatchNorm2d(3)
    step = hx.compile(lambda x: norm(x, "relu"))
    for _ in range(2):
        x = draw(2, 3, 4, 4)
        np.testing.assert_allclose(
            np.asarray(step(x)), np.asarray(twin(x, "relu")), atol=1e-6
        )
    for name, value in twin.state_dict().items():
        np.testing.assert_allclose(
            np.asarray(norm.state_dict()[name]), np.asarray(value), rtol=1e-6
        )


def test_gradients_do_not_reach_the_statistics():
    norm = hl.BatchNorm2d(2)
    hx.sum(norm(draw(3, 2, 2, 2)) ** 3).backward()
    assert norm.weight.grad is not None and norm.running_mean.value.node is None


def test_layers_by_name():
    assert plugins.load("layers", "conv2d")(3, 4, 3)(draw(1, 3, 5, 5)).shape == (
        1,
        4,
        3,
        3,
    )
    assert plugins.load("layers", "batch_norm2d") is hl.BatchNorm2d


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: hl.Conv2d(0, 4, 3), "in_channels to be an int >= 1"),
        (lambda: hl.Conv2d(4, 4, 0), "kernel_size to be an int >= 1"),
        (lambda: hl.Conv2d(4, 4, (3, 3, 3)), "or 2 of them"),
        (lambda: hl.Conv2d(4, 4, 3, padding=-1), "padding to be an int >= 0"),
        (lambda: hl.Conv2d(4, 4, 3, padding="full"), "'valid', 'same' or widths"),
        (lambda: hl.Conv2d(4, 4, 3, 2, "same"), "stride 1 with padding='same'"),
        (lambda: hl.Conv2d(4, 6, 3, groups=4), "groups that divide"),
        (lambda: hl.Conv2d(4, 4, 3, padding_mode="mirror"), "padding_mode of zeros"),
        (lambda: hl.ConvTranspose2d(4, 4, 3, 1, 0, 1), "output_padding below stride"),
        (lambda: hl.ConvTranspose2d(4, 4, 3, padding="same"), "padding to be an int"),
        (lambda: hl.BatchNorm2d(0), "features to be an int >= 1"),
        (lambda: hl.GroupNorm(3, 4), "groups that divide the channels"),
        (lambda: hl.AvgPool1d(2, divisor=3), "no divisor"),
        (lambda: hl.Flatten(2, 1)(draw(1, 2, 3)), "start no later than end"),
        (lambda: hl.PixelShuffle(0), "factor to be an int >= 1"),
    ],
)
def test_wrong_settings(make, words):
    with pytest.raises(hl.LayerError, match=words):
        make()


@pytest.mark.parametrize(
    "layer, shape, words",
    [
        (hl.Conv2d(4, 4, 3), (1, 3, 5, 5), "x with 4 channels"),
        (hl.Conv2d(4, 4, 3), (1, 4, 2, 5), "a kernel no larger than the padded input"),
        (
            hl.Conv1d(4, 4, 3, padding=1, padding_mode="reflect"),
            (1, 4, 1),
            "widths of at most 0",
        ),
        (hl.ConvTranspose2d(4, 4, 3), (1, 3, 5, 5), "x with 4 channels"),
        (hl.BatchNorm2d(4), (2, 3, 5, 5), r"x \(batch, 4, \*spatial\)"),
        (hl.BatchNorm2d(4), (2, 4, 5), "of 4 axes"),
        (hl.BatchNorm1d(4), (1, 4), "more than one value per channel"),
        (hl.GroupNorm(2, 4), (2, 3, 5), r"x \(batch, 4, \*spatial\)"),
        (hl.InstanceNorm(4), (2, 3, 5), r"x \(batch, 4, \*spatial\)"),
        (hl.InstanceNorm(4), (2, 4, 1), "more than one spatial element"),
        (hl.MaxPool2d(3), (1, 1, 2, 2), "a window no larger than the padded input"),
    ],
)
def test_wrong_inputs(layer, shape, words):
    with pytest.raises(hx.ShapeError, match=words):
        layer(draw(*shape))


@pytest.mark.parametrize("batch", [0, 1])
def test_batches_of_none_and_one(batch):
    x = draw(batch, 3, 8, 8)
    for layer in (
        hl.Conv2d(3, 4, 3),
        hl.ConvTranspose2d(3, 4, 3),
        hl.BatchNorm2d(3),
        hl.GroupNorm(3, 3),
        hl.MaxPool2d(2),
        hl.AdaptiveAvgPool2d(1),
        hl.Upsample(4, mode="bilinear"),
    ):
        y, pull = hx.vjp(layer, x)
        assert y.shape[0] == batch and pull(y).shape == x.shape
