"""ResNet and U-Net against the same networks in plain torch, with torchvision's names."""

import helix_core as hx
import helix_layers as hl
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

TOLERANCE = 1e-4  # of the largest reference value


class Block(nn.Module):
    """torchvision's BasicBlock, or its Bottleneck."""

    def __init__(self, a, b, stride, bottleneck):
        super().__init__()
        out = 4 * b if bottleneck else b
        if bottleneck:
            sizes = [(a, b, 1, 1), (b, b, 3, stride), (b, out, 1, 1)]
        else:
            sizes = [(a, b, 3, stride), (b, b, 3, 1)]
        self.count = len(sizes)
        for i, (m, n, k, s) in enumerate(sizes, 1):
            setattr(self, f"conv{i}", nn.Conv2d(m, n, k, s, k // 2, bias=False))
            setattr(self, f"bn{i}", nn.BatchNorm2d(n))
        self.downsample = None
        if stride != 1 or a != out:
            self.downsample = nn.Sequential(
                nn.Conv2d(a, out, 1, stride, bias=False), nn.BatchNorm2d(out)
            )

    def forward(self, x):
        y = x
        for i in range(1, self.count + 1):
            y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
            y = F.relu(y) if i < self.count else y
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class TorchResNet(nn.Module):
    def __init__(self, depths, widths, block, stem, num_classes):
        super().__init__()
        bottleneck, wide = block == "bottleneck", widths[0]
        self.small = stem == "small"
        k, s = (3, 1) if self.small else (7, 2)
        self.conv1 = nn.Conv2d(3, wide, k, s, k // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(wide)
        self.stages = len(depths)
        for i, (depth, width) in enumerate(zip(depths, widths, strict=True)):
            stage = []
            for j in range(depth):
                stage.append(Block(wide, width, 2 if i and not j else 1, bottleneck))
                wide = width * (4 if bottleneck else 1)
            setattr(self, f"layer{i + 1}", nn.Sequential(*stage))
        self.fc = nn.Linear(wide, num_classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = x if self.small else F.max_pool2d(x, 3, 2, 1)
        for i in range(self.stages):
            x = getattr(self, f"layer{i + 1}")(x)
        return self.fc(x.mean((2, 3)))


def close(got, want, name=""):
    want = want.detach().numpy()
    got = np.asarray(got)
    assert got.shape == want.shape, name
    assert np.abs(got - want).max() <= TOLERANCE * max(np.abs(want).max(), 1e-6), name


CONFIGS = {
    "basic": {"depths": (2, 1), "widths": (16, 24), "block": "basic", "stem": "small"},
    "imagenet": {
        "depths": (1, 1, 1),
        "widths": (12, 16, 32),
        "block": "basic",
        "stem": "imagenet",
    },
    "bottleneck": {
        "depths": (1, 2),
        "widths": (8, 12),
        "block": "bottleneck",
        "stem": "small",
    },
}


def arrays(model):
    return {k: v.numpy() for k, v in model.state_dict().items()}


@pytest.mark.parametrize("device", ["cpu", "numpy"])
@pytest.mark.parametrize("case", CONFIGS)
def test_resnet(case, device):
    torch.manual_seed(0)
    theirs = TorchResNet(**CONFIGS[case], num_classes=5)
    config = hl.ResNetConfig(**CONFIGS[case], num_classes=5)
    ours = hl.ResNet.from_torch(arrays(theirs), config, device=device)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, 3, 24, 20)).astype(np.float32)
    labels = np.array([0, 4, 2, 2])
    t = torch.tensor(x, requires_grad=True)
    z = theirs(t)
    F.cross_entropy(z, torch.tensor(labels)).backward()
    hx.losses.cross_entropy(
        ours(hx.tensor(x, device=device)),
        hx.tensor(labels.astype(np.int32), device=device),
    ).backward()
    names = dict(theirs.named_parameters())
    for name, p in ours.named_parameters():
        close(p.grad, names[name].grad, name)
    for name, cell in ours.state_dict().items():
        close(hx.cast(cell, "float32"), theirs.state_dict()[name].float(), name)
    close(ours.eval()(hx.tensor(x, device=device)), theirs.eval()(t))
    again = TorchResNet(**CONFIGS[case], num_classes=5)
    again.load_state_dict({k: torch.tensor(v) for k, v in ours.to_torch().items()})
    close(ours(hx.tensor(x, device=device)), again.eval()(t))


def test_resnet18_has_torchvisions_names_and_sizes():
    state = hl.ResNet().to_torch()
    assert len(state) == 122
    assert (
        sum(v.size for k, v in state.items() if "running" not in k) - 20 == 11_689_512
    )
    assert state["layer2.0.downsample.0.weight"].shape == (128, 64, 1, 1)
    assert state["layer4.1.bn2.num_batches_tracked"].dtype == np.int64


def test_every_key_that_does_not_fit_is_named():
    config = hl.ResNetConfig(**CONFIGS["basic"], num_classes=5)
    state = hl.ResNet(config).to_torch()
    del state["layer1.0.conv1.weight"], state["fc.bias"]
    state["head.weight"] = np.zeros(2, np.float32)
    state["bn1.weight"] = np.zeros(3, np.float32)
    with pytest.raises(hx.StateDictError) as e:
        hl.ResNet.from_torch(state, config)
    for name in ("layer1.0.conv1.weight", "fc.bias", "head.weight", "bn1.weight"):
        assert name in str(e.value)


class TorchUNet(nn.Module):
    def __init__(self, widths, up):
        super().__init__()

        def double(a, b):
            m = nn.Module()
            m.conv1 = nn.Conv2d(a, b, 3, padding=1, bias=False)
            m.bn1 = nn.BatchNorm2d(b)
            m.conv2 = nn.Conv2d(b, b, 3, padding=1, bias=False)
            m.bn2 = nn.BatchNorm2d(b)
            return m

        self.kind = up
        self.down = nn.ModuleList(
            double(a, b) for a, b in zip((3, *widths[:-1]), widths, strict=True)
        )
        self.up = nn.ModuleList()
        for a, b in list(zip(widths[1:], widths[:-1], strict=True))[::-1]:
            m = nn.Module()
            m.up = (
                nn.ConvTranspose2d(a, b, 2, 2)
                if up == "transpose"
                else nn.Conv2d(a, b, 1)
            )
            m.conv = double(2 * b, b)
            self.up.append(m)
        self.head = nn.Conv2d(widths[0], 2, 1)

    def forward(self, x):
        def double(m, x):
            return F.relu(m.bn2(m.conv2(F.relu(m.bn1(m.conv1(x))))))

        skips = []
        for i, m in enumerate(self.down):
            x = double(m, F.max_pool2d(x, 2) if i else x)
            skips.append(x)
        x = skips.pop()
        for m in self.up:
            skip, x = skips.pop(), m.up(x)
            if self.kind == "bilinear":
                x = F.interpolate(x, skip.shape[2:], mode="bilinear")
            dy, dx = (skip.shape[i] - x.shape[i] for i in (2, 3))
            x = double(m.conv, torch.cat([skip, F.pad(x, (0, dx, 0, dy))], 1))
        return self.head(x)


@pytest.mark.parametrize("up", ["transpose", "bilinear"])
def test_unet(up):
    torch.manual_seed(0)
    theirs = TorchUNet((8, 12, 16), up)
    ours = hl.UNet(hl.UNetConfig(out_channels=2, widths=(8, 12, 16), up=up))
    ours.load_state_dict(arrays(theirs))
    x = np.random.default_rng(0).normal(size=(2, 3, 14, 17)).astype(np.float32)
    t = torch.tensor(x, requires_grad=True)
    z = theirs(t)
    (z**2).mean().backward()
    close(ours(hx.tensor(x)), z)
    ours.load_state_dict(arrays(theirs))
    hx.mean(ours(hx.tensor(x)) ** 2).backward()
    names = dict(theirs.named_parameters())
    for name, p in ours.named_parameters():
        close(p.grad, names[name].grad, name)
