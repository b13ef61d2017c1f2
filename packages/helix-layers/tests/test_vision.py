"""ResNet and U-Net: shapes, names, learning, what they refuse."""

import helix_core as hx
import helix_layers as hl
import numpy as np
import pytest
from helix_core import plugins

SMALL = {"depths": (1, 1), "widths": (8, 16), "stem": "small", "num_classes": 4}


def images(batch, size=16):
    rng = np.random.default_rng(0)
    return hx.tensor(rng.normal(size=(batch, 3, size, size)).astype(np.float32))


@pytest.mark.parametrize("stem", ["small", "imagenet"])
@pytest.mark.parametrize("block", ["basic", "bottleneck"])
def test_resnet_shapes(block, stem):
    config = hl.ResNetConfig(**{**SMALL, "stem": stem, "block": block})
    model = hl.ResNet(config)
    places = 8 if stem == "small" else 2
    wide = 16 if block == "basic" else 64
    assert model.features(images(2)).shape == (2, wide, places, places)
    assert model(images(2)).shape == (2, 4)
    assert hl.ResNetConfig.from_dict(config.to_dict()) == config


def test_the_default_is_resnet18():
    model = hl.ResNet()
    sizes = [p.value.size for p in model.parameters()]
    assert (len(sizes), sum(sizes)) == (62, 11_689_512)  # torchvision's
    assert model(images(1, 64)).shape == (1, 1000)


def test_resnet_learns():
    model = hl.ResNet(hl.ResNetConfig(**SMALL), generator=hx.Generator(0))
    optimizer = hx.optim.AdamW(model, 1e-2)
    x, y = images(8), hx.tensor(np.arange(8, dtype=np.int32) % 4)
    losses = []
    for _ in range(20):
        loss = hx.losses.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]


def test_a_batch_of_one_is_refused_in_training_where_one_pixel_is_left():
    model = hl.ResNet(hl.ResNetConfig(**SMALL))
    with pytest.raises(hx.ShapeError, match="more than one value per channel"):
        model(images(1, 2))
    assert model.eval()(images(1, 2)).shape == (1, 4)


def test_states_go_out_and_come_back():
    config = hl.ResNetConfig(**SMALL)
    model = hl.ResNet(config)
    model(images(4))
    twin = hl.ResNet.from_torch(model.to_torch(), config)
    x = images(2)
    np.testing.assert_array_equal(
        np.asarray(model.eval()(x)), np.asarray(twin.eval()(x))
    )
    state = model.to_torch()
    state["more"] = state.pop("fc.weight")
    with pytest.raises(
        hx.StateDictError, match=r"missing: fc.weight \| unexpected: more"
    ):
        hl.ResNet.from_torch(state, config)


@pytest.mark.parametrize("up", ["transpose", "bilinear"])
@pytest.mark.parametrize("size", [8, 11])
def test_unet_keeps_sizes(up, size):
    model = hl.UNet(hl.UNetConfig(widths=(4, 6, 8), out_channels=2, up=up))
    assert model(images(2, size)).shape == (2, 2, size, size)


def test_unet_learns():
    model = hl.UNet(hl.UNetConfig(widths=(4, 8)), generator=hx.Generator(0))
    optimizer = hx.optim.AdamW(model, 1e-2)
    x = images(2, 8)
    losses = []
    for _ in range(20):
        loss = hx.mean((model(x) - hx.mean(x, 1, True)) ** 2)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_models_by_name():
    build = plugins.load("models", "resnet")
    config = {"depths": [1], "widths": [4], "stem": "small", "num_classes": 3}
    assert build(config)(images(2)).shape == (2, 3)
    assert plugins.load("models", "unet")({"widths": [4]})(images(1)).shape == (
        1,
        1,
        16,
        16,
    )
    with pytest.raises(hl.LayerError, match="expected settings of"):
        build({"depth": 3})


@pytest.mark.parametrize(
    "make, words",
    [
        (
            lambda: hl.ResNet(hl.ResNetConfig(depths=(1,), widths=(4, 8))),
            "as many depths",
        ),
        (lambda: hl.ResNet(hl.ResNetConfig(block="wide")), "block 'basic'"),
        (lambda: hl.ResNet(hl.ResNetConfig(depths=(0,), widths=(4,))), "depths to be"),
        (lambda: hl.UNet(hl.UNetConfig(widths=())), "at least one width"),
        (lambda: hl.UNet(hl.UNetConfig(up="nearest")), "up 'transpose'"),
    ],
)
def test_wrong_settings(make, words):
    with pytest.raises(hl.LayerError, match=words):
        make()


def test_wrong_images():
    with pytest.raises(hx.ShapeError, match=r"x \(batch, 3, height, width\)"):
        hl.ResNet(hl.ResNetConfig(**SMALL))(hx.ones((2, 4, 8, 8)))
    with pytest.raises(hx.ShapeError, match="at least 4 x 4"):
        hl.UNet(hl.UNetConfig(widths=(4, 4, 4)))(images(1, 3))
