"""Convolutions, pools, norms and resampling against torch: values and all gradients."""

import helix_core as hx
import helix_layers as hl
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

RNG = np.random.default_rng(0)
TOLERANCE = 1e-4  # of the largest reference value


def draw(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def close(got, want):
    want = want.detach().numpy()
    got = np.asarray(got)
    assert got.shape == want.shape
    if want.size:
        assert np.abs(got - want).max() <= TOLERANCE * max(np.abs(want).max(), 1e-6)


def compare(ours, theirs, *arrays, device="cpu"):
    y, pull = hx.vjp(ours, *[hx.tensor(a, device=device) for a in arrays])
    ts = [torch.tensor(a, requires_grad=True) for a in arrays]
    z = theirs(*ts)
    close(y, z)
    ct = draw(*y.shape)
    z.backward(torch.tensor(ct))
    grads = pull(hx.tensor(ct, device=device))
    grads = grads if isinstance(grads, tuple) else (grads,)
    for g, t in zip(grads, ts, strict=True):
        close(g, t.grad)


DEVICES = pytest.mark.parametrize("device", ["cpu", "numpy"])

# x, weight, stride, padding, dilation, groups
CONVS = {
    "1d": ((2, 5, 19), (7, 5, 3), 2, 1, 2, 1),
    "1d same, even": ((2, 4, 9), (6, 2, 4), 1, "same", 1, 2),
    "2d": ((3, 16, 12, 11), (40, 16, 3, 3), 1, 1, 1, 1),
    "2d strided": ((2, 5, 12, 11), (33, 5, 3, 2), (2, 3), (1, 0), 1, 1),
    "2d stem": ((2, 3, 20, 18), (32, 3, 7, 7), 2, 3, 1, 1),
    "2d 1x1": ((2, 24, 7, 5), (20, 24, 1, 1), 1, 0, 1, 1),
    "2d 1x1 strided": ((2, 24, 7, 6), (36, 24, 1, 1), 2, 0, 1, 1),
    "2d dilated": ((2, 13, 13, 9), (11, 13, 3, 3), 1, (2, 4), (2, 3), 1),
    "2d groups": ((2, 24, 8, 8), (12, 8, 3, 3), 1, 1, 1, 3),
    "2d depthwise": ((2, 20, 9, 8), (20, 1, 3, 3), 2, 1, 1, 20),
    "2d depthwise double": ((2, 6, 9, 8), (12, 1, 3, 3), 1, 1, 1, 6),
    "2d whole image": ((2, 17, 5, 6), (9, 17, 5, 6), 1, 0, 1, 1),
    "2d same": ((1, 4, 6, 7), (3, 4, 4, 3), 1, "same", (1, 2), 1),
    "2d large": ((2, 64, 16, 16), (64, 64, 3, 3), 1, 1, 1, 1),
    "3d": ((2, 4, 5, 6, 5), (6, 2, 2, 3, 3), (1, 2, 1), (0, 1, 1), 1, 2),
}


@DEVICES
@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("case", CONVS)
def test_convolutions(case, device):
    x, w, *settings = CONVS[case]
    name = f"conv{len(x) - 2}d"
    compare(
        lambda x, w, b: getattr(hx, name)(x, w, b, *settings),
        lambda x, w, b: getattr(F, name)(x, w, b, *settings),
        draw(*x),
        draw(*w),
        draw(w[0]),
        device=device,
    )


# x, weight, stride, padding, output padding, groups, dilation
TRANSPOSED = {
    "1d": ((2, 5, 9), (5, 4, 4), 3, 1, 2, 1, 1),
    "2d": ((2, 8, 5, 6), (8, 5, 2, 2), 2, 0, 0, 1, 1),
    "2d groups": ((2, 8, 5, 6), (8, 3, 3, 3), (2, 1), 1, (1, 0), 2, (1, 2)),
    "2d dilated": ((1, 6, 4, 4), (6, 20, 3, 3), 2, 2, 1, 1, 2),
    "3d": ((1, 4, 3, 4, 3), (4, 3, 2, 3, 2), 2, 1, 1, 1, 1),
}


@DEVICES
@pytest.mark.parametrize("case", TRANSPOSED)
def test_transposed_convolutions(case, device):
    x, w, *settings = TRANSPOSED[case]
    name = f"conv_transpose{len(x) - 2}d"
    compare(
        lambda x, w, b: getattr(hx, name)(x, w, b, *settings),
        lambda x, w, b: getattr(F, name)(x, w, b, *settings),
        draw(*x),
        draw(*w),
        draw(w[1] * settings[3]),
        device=device,
    )


def test_gradients_of_gradients_of_a_strided_convolution():
    x, w = draw(2, 16, 7, 7), draw(8, 16, 3, 3)

    def ours(x, w):
        f = lambda x, w: hx.sum(hx.conv2d(x, w, None, 2, 1) ** 3)
        return hx.sum(hx.grad(f)(x, w) ** 2)

    y, pull = hx.vjp(ours, hx.tensor(x), hx.tensor(w))
    tx, tw = torch.tensor(x, requires_grad=True), torch.tensor(w, requires_grad=True)
    z = (F.conv2d(tx, tw, None, 2, 1) ** 3).sum()
    (g,) = torch.autograd.grad(z, tx, create_graph=True)
    z = (g**2).sum()
    z.backward()
    close(y, z)
    for got, t in zip(pull(hx.ones(())), (tx, tw), strict=True):
        close(got, t.grad)


POOLS = [
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": 2},
    {"kernel_size": (3, 2), "stride": (2, 3), "ceil_mode": True},
    {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True},
    {"kernel_size": (9, 8)},
]


@DEVICES
@pytest.mark.parametrize("kw", [*POOLS, {"kernel_size": 3, "dilation": (2, 3)}])
@pytest.mark.parametrize("channels", [3, 20])
def test_max_pooling(kw, channels, device):
    ours, theirs = hl.MaxPool2d(**kw), nn.MaxPool2d(**kw)
    compare(ours, theirs, draw(2, channels, 9, 8), device=device)


@DEVICES
@pytest.mark.parametrize("kw", POOLS)
@pytest.mark.parametrize("pad", [True, False])
@pytest.mark.parametrize("divisor", [None, 5])
def test_average_pooling(kw, pad, divisor, device):
    theirs = nn.AvgPool2d(**kw, count_include_pad=pad, divisor_override=divisor)
    ours = hl.AvgPool2d(**kw, count_include_pad=pad, divisor=divisor)
    compare(ours, theirs, draw(2, 5, 9, 8), device=device)


@DEVICES
@pytest.mark.parametrize("n", [1, 3])
def test_pools_of_one_and_three_axes(n, device):
    x = draw(2, 4, *(7, 6, 8)[:n])
    for kind in ("Max", "Avg"):
        make = f"{kind}Pool{n}d"
        compare(
            getattr(hl, make)(3, 2, 1), getattr(nn, make)(3, 2, 1), x, device=device
        )
        make = f"Adaptive{make}"
        compare(getattr(hl, make)(3), getattr(nn, make)(3), x, device=device)


@DEVICES
@pytest.mark.parametrize("size", [1, (3, 4), (None, 2), (5, 7), (9, 8), (12, 3)])
@pytest.mark.parametrize("kind", ["Avg", "Max"])
def test_adaptive_pooling(kind, size, device):
    make = f"Adaptive{kind}Pool2d"
    x = draw(2, 5, 9, 8)
    compare(getattr(hl, make)(size), getattr(nn, make)(size), x, device=device)


def test_equal_maxima_and_nan_as_torch_has_them():
    x = np.zeros((1, 1, 4, 4), np.float32)
    x[0, 0, 2, 3] = np.nan
    y, pull = hx.vjp(lambda x: hx.max_pool2d(x, 3, 1), hx.tensor(x))
    t = torch.tensor(x, requires_grad=True)
    z = F.max_pool2d(t, 3, 1)
    z.backward(torch.ones_like(z))
    np.testing.assert_array_equal(np.asarray(y), z.detach().numpy())
    np.testing.assert_array_equal(np.asarray(pull(hx.ones(y.shape))), t.grad.numpy())


@DEVICES
@pytest.mark.parametrize("shape", [(8, 5), (4, 5, 6), (3, 20, 5, 4), (2, 3, 4, 3, 2)])
@pytest.mark.parametrize("momentum", [0.1, None])
def test_batch_norm_trains_and_evaluates_as_torch(shape, momentum, device):
    n = {2: 1, 3: 1, 4: 2, 5: 3}[len(shape)]
    ours = getattr(hl, f"BatchNorm{n}d")(shape[1], momentum=momentum, device=device)
    theirs = getattr(nn, f"BatchNorm{n}d")(shape[1], momentum=momentum)
    state = {"weight": draw(shape[1]), "bias": draw(shape[1])}
    ours.load_state_dict(state, strict=False)
    theirs.load_state_dict({k: torch.tensor(v) for k, v in state.items()}, strict=False)
    for _ in range(3):
        compare(ours, theirs, 3 * draw(*shape) + 1, device=device)
    want = theirs.state_dict()
    assert list(ours.state_dict()) == list(want)
    for name, value in ours.state_dict().items():
        close(value, want[name].to(torch.float32))
    compare(ours.eval(), theirs.eval(), draw(*shape), device=device)


@DEVICES
@pytest.mark.parametrize("channels", [8, 21, 64])
def test_batch_norm_with_what_follows_it(channels, device):
    def theirs(x, w, b, r):
        return F.relu(F.batch_norm(x, None, None, w, b, True) + r)

    def ours(x, w, b, r):
        return hx.batch_norm(x, w, b, activation="relu", residual=r)[0]

    x = draw(3, channels, 5, 4)
    compare(
        ours, theirs, x, draw(channels), draw(channels), draw(*x.shape), device=device
    )


@DEVICES
def test_gradients_reach_the_batch_statistics(device):
    x, w = draw(3, 20, 5, 4), draw(2, 20)

    def ours(x):
        _, mean, var = hx.batch_norm(x)
        return mean * hx.tensor(w[0], device=device) + var * hx.tensor(
            w[1], device=device
        )

    def theirs(x):
        mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
        return mean * torch.tensor(w[0]) + var * torch.tensor(w[1])

    compare(ours, theirs, x, device=device)


def test_empty_batches_and_single_values_as_torch():
    ours, theirs = hl.BatchNorm2d(3), nn.BatchNorm2d(3)
    empty = np.zeros((0, 3, 4, 4), np.float32)
    assert ours(hx.tensor(empty)).shape == tuple(theirs(torch.tensor(empty)).shape)
    for name, value in theirs.state_dict().items():
        np.testing.assert_array_equal(
            np.asarray(ours.state_dict()[name]), value.numpy()
        )
    one = np.zeros((1, 3, 1, 1), np.float32)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        theirs(torch.tensor(one))
    with pytest.raises(hx.ShapeError, match="more than one value per channel"):
        ours(hx.tensor(one))
    for layer, peer in (
        (hl.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)),
        (hl.ConvTranspose2d(3, 4, 3), nn.ConvTranspose2d(3, 4, 3)),
        (hl.GroupNorm(3, 3), nn.GroupNorm(3, 3)),
        (hl.MaxPool2d(2), nn.MaxPool2d(2)),
        (hl.AvgPool2d(2), nn.AvgPool2d(2)),
        (hl.AdaptiveAvgPool2d(1), nn.AdaptiveAvgPool2d(1)),
        (hl.Upsample(scale_factor=2), nn.Upsample(scale_factor=2)),
    ):
        assert layer(hx.tensor(empty)).shape == tuple(peer(torch.tensor(empty)).shape)


@DEVICES
@pytest.mark.parametrize(
    "shape, groups",
    [((2, 6, 5, 4), 3), ((2, 32, 7), 4), ((3, 20, 4, 4), 20), ((4, 8), 2)],
)
def test_group_norm(shape, groups, device):
    compare(
        lambda x, w, b: hx.group_norm(x, groups, w, b),
        lambda x, w, b: F.group_norm(x, groups, w, b),
        2 * draw(*shape) + 1,
        draw(shape[1]),
        draw(shape[1]),
        device=device,
    )


def test_instance_norm():
    x = draw(2, 5, 6, 7)
    compare(hl.InstanceNorm(5), nn.InstanceNorm2d(5), x)
    theirs, ours = nn.InstanceNorm1d(5, affine=True), hl.InstanceNorm(5, affine=True)
    compare(ours, theirs, draw(2, 5, 6))
    for f, e in (
        (nn.InstanceNorm2d(5), ValueError),
        (hl.InstanceNorm(5), hx.ShapeError),
    ):
        tensor = torch.tensor if e is ValueError else hx.tensor
        with pytest.raises(e, match="more than"):
            f(tensor(draw(2, 5, 1, 1)))


SCALES = [{"size": (7, 13)}, {"scale_factor": 2.0}, {"scale_factor": (0.7, 1.3)}]


@pytest.mark.parametrize("kw", SCALES)
@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear", "bicubic"])
def test_resampling(mode, align, kw):
    if mode.startswith("nearest"):
        if align:
            with pytest.raises(hx.ShapeError, match="align_corners=False"):
                hx.interpolate(hx.ones((1, 1, 2, 2)), 2, mode=mode, align_corners=True)
            return
        theirs = nn.Upsample(**kw, mode=mode)
    else:
        theirs = nn.Upsample(**kw, mode=mode, align_corners=align)
    compare(hl.Upsample(**kw, mode=mode, align_corners=align), theirs, draw(2, 3, 5, 6))


@pytest.mark.parametrize("align", [False, True])
def test_resampling_of_one_and_three_axes(align):
    for shape, mode in (((2, 3, 7), "linear"), ((1, 2, 3, 4, 5), "trilinear")):
        kw = {"scale_factor": 1.7, "mode": mode, "align_corners": align}
        compare(hl.Upsample(**kw), nn.Upsample(**kw), draw(*shape))
    compare(hl.Upsample(5), nn.Upsample(5), draw(1, 2, 3, 4, 6))


def test_channels_and_space():
    compare(hl.PixelShuffle(3), nn.PixelShuffle(3), draw(2, 18, 3, 4))
    compare(hl.PixelUnshuffle(2), nn.PixelUnshuffle(2), draw(2, 3, 4, 6))


def copied(ours, theirs):
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    return ours, theirs


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("padding", [2, "same", "valid"])
def test_layers_take_torchs_weights_and_borders(mode, padding):
    kw = {"padding": padding, "padding_mode": mode, "groups": 2}
    ours, theirs = copied(hl.Conv2d(4, 6, (3, 4), **kw), nn.Conv2d(4, 6, (3, 4), **kw))
    compare(ours, theirs, draw(2, 4, 6, 7))
    compare(ours, theirs, draw(4, 6, 7))  # one image


@pytest.mark.parametrize("n", [1, 2, 3])
def test_layers_of_every_rank_start_as_torchs(n):
    x = draw(2, 4, *(6, 5, 4)[:n])
    for make in (f"Conv{n}d", f"ConvTranspose{n}d"):
        ours = getattr(hl, make)(4, 6, 3, 2, 1, generator=hx.Generator(0))
        theirs = getattr(nn, make)(4, 6, 3, 2, 1)
        for name, p in ours.named_parameters():
            limit = theirs.state_dict()[name].abs().max().item()
            assert abs(np.abs(np.asarray(p.value)).max() / limit - 1) < 0.5
        compare(*copied(ours, theirs), x)


def test_mixed_precision_rounds_operands_only():
    x, w = draw(2, 16, 6, 6), draw(8, 16, 3, 3)
    halves = [torch.tensor(a).bfloat16().float().requires_grad_() for a in (x, w)]
    z = F.conv2d(*halves, padding=1)
    with hx.precision("bfloat16"):
        y, pull = hx.vjp(
            lambda x, w: hx.conv2d(x, w, padding=1), *map(hx.tensor, (x, w))
        )
    close(y, z)
    ct = torch.tensor(draw(*y.shape)).bfloat16().float()
    z.backward(ct)
    for g, t in zip(pull(hx.tensor(ct.numpy())), halves, strict=True):
        close(g, t.grad)
