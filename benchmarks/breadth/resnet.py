"""A training step of ResNet-18: forward, cross-entropy, backward, SGD with momentum.

The loss and the norm of each weight's gradient are compared, not its elements: an input
of a ReLU that is within rounding of zero falls on either side, and in the last stage one
of them moves elements by several percent. torch's float32 gradients differ by as much
from its own float64 ones here. tests/parity compares every element, of smaller networks.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import numpy as np

from ..case import Arrays, Work
from ..sides import helix, normal, pytorch

CLASSES, LR, MOMENTUM = 10, 0.01, 0.9


def _batch(variant: str) -> tuple[np.ndarray, np.ndarray]:
    shape = tuple(map(int, re.findall(r"\d+", variant)[1:5]))  # after ResNet-18
    rng = np.random.default_rng(1)
    return normal(rng, *shape), rng.integers(0, CLASSES, shape[0])


@lru_cache(maxsize=1)
def _weights() -> dict[str, np.ndarray]:
    """By torchvision's names, drawn by our model's own initialisers."""
    hx = helix()
    from helix_layers import ResNet, ResNetConfig

    model = ResNet(ResNetConfig(num_classes=CLASSES), generator=hx.Generator(0))
    return model.to_torch()


def ours(variant: str) -> Work:
    hx = helix()
    from helix_layers import ResNet, ResNetConfig

    model = ResNet.from_torch(_weights(), ResNetConfig(num_classes=CLASSES))
    images, labels = _batch(variant)
    x, y = hx.tensor(images), hx.tensor(labels.astype(np.int32))
    opt = hx.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM)
    model.train()

    def step() -> float:
        loss = hx.losses.cross_entropy(model(x), y)
        loss.backward()
        value: float = loss.item()
        opt.step()  # clears the gradients
        return value

    def arrays(loss: Any) -> Arrays:
        """The gradients at the weights that the first step started from."""
        model.load_state_dict(_weights())
        hx.losses.cross_entropy(model(x), y).backward()
        norms = [np.linalg.norm(np.asarray(p.grad)) for p in model.parameters()]
        for p in model.parameters():
            p.grad = None
        return {"loss": np.asarray(loss), "norms": np.asarray(norms)}

    return Work(step, arrays)


def peer(variant: str) -> Work:
    torch = pytorch()
    F = torch.nn.functional
    model = _torch_resnet(torch.nn, F)
    model.load_state_dict({k: torch.tensor(v) for k, v in _weights().items()})
    images, labels = _batch(variant)
    x, y = torch.tensor(images), torch.tensor(labels)
    opt = torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM)
    model.train()

    def step() -> float:
        opt.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        opt.step()
        return float(loss.item())

    def arrays(loss: Any) -> Arrays:
        # the step leaves the gradients where it found them
        norms = [np.linalg.norm(p.grad.numpy()) for p in model.parameters()]
        return {"loss": np.asarray(loss), "norms": np.asarray(norms)}

    return Work(step, arrays)


def _torch_resnet(nn: Any, F: Any) -> Any:
    """ResNet-18 with torchvision's names."""

    class Block(nn.Module):
        def __init__(self, a: int, b: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(a, b, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(b)
            self.conv2 = nn.Conv2d(b, b, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(b)
            self.downsample = None
            if stride != 1 or a != b:
                shortcut = nn.Conv2d(a, b, 1, stride, bias=False)
                self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(b))

        def forward(self, x: Any) -> Any:
            y = F.relu(self.bn1(self.conv1(x)))
            y = self.bn2(self.conv2(y))
            return F.relu(y + (x if self.downsample is None else self.downsample(x)))

    class ResNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
            self.bn1 = nn.BatchNorm2d(64)
            wide = 64
            for i, width in enumerate((64, 128, 256, 512), 1):
                first = Block(wide, width, 1 if i == 1 else 2)
                stage = nn.Sequential(first, Block(width, width, 1))
                setattr(self, f"layer{i}", stage)
                wide = width
            self.fc = nn.Linear(wide, CLASSES)

        def forward(self, x: Any) -> Any:
            x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
            for i in range(1, 5):
                x = getattr(self, f"layer{i}")(x)
            return self.fc(x.mean((2, 3)))

    return ResNet()
