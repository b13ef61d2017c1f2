"""Residual networks (He et al., arXiv:1512.03385), with torchvision's names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import helix_core as hx
import numpy as np

from .._batch_norm import BatchNorm2d
from .._check import LayerError, positive
from .._config import Config
from .._conv import Conv2d
from .._linear import Linear


@dataclass(frozen=True, slots=True, kw_only=True)
class ResNetConfig(Config):
    """Sizes of a `ResNet`; the defaults are ResNet-18.

    Attributes
    ----------
    depths : tuple of int
        Blocks in each stage; every stage but the first halves height and width.
    widths : tuple of int
        Channels of each stage; a bottleneck block gives four times as many.
    block : {"basic", "bottleneck"}
        Two convolutions of 3 x 3, or 1 x 1, 3 x 3 and 1 x 1.
    stem : {"imagenet", "small"}
        7 x 7 with stride 2 and a pool, or, for small images, 3 x 3 alone.
    in_channels, num_classes : int
    """

    depths: tuple[int, ...] = (2, 2, 2, 2)
    widths: tuple[int, ...] = (64, 128, 256, 512)
    block: str = "basic"
    stem: str = "imagenet"
    in_channels: int = 3
    num_classes: int = 1000


def _conv(a: int, b: int, k: int, stride: int, where: dict[str, Any]) -> Conv2d:
    conv = Conv2d(a, b, k, stride, k // 2, bias=False, **where)
    w = conv.weight
    fresh = hx.init.kaiming_normal(w.value.shape, mode="fan_out", **where)
    w.value = fresh
    return conv


class _Residual(hx.Module):
    """act(branch(x) + shortcut(x)); the shortcut is a 1 x 1 convolution where shapes
    change."""

    expansion = 1
    downsample: list[Any] | None

    def _shortcut(self, a: int, b: int, stride: int, where: dict[str, Any]) -> None:
        self.downsample = None
        if stride != 1 or a != b:
            norm = BatchNorm2d(b, **where)
            self.downsample = [_conv(a, b, 1, stride, where), norm]

    def _skipped(self, x: Any) -> Any:
        if self.downsample is None:
            return x
        conv, norm = self.downsample
        return norm(conv(x))


class BasicBlock(_Residual):
    """Two 3 x 3 convolutions.

    Parameters
    ----------
    in_channels, channels : int
    stride : int
        Of the first.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int = 1,
        *,
        device: Any = None,
        dtype: Any = None,
        generator: Any = None,
    ) -> None:
        where = {"device": device, "dtype": dtype, "generator": generator}
        self.conv1 = _conv(in_channels, channels, 3, stride, where)
        self.bn1 = BatchNorm2d(channels, **where)
        self.conv2 = _conv(channels, channels, 3, 1, where)
        self.bn2 = BatchNorm2d(channels, **where)
        self._shortcut(in_channels, channels, stride, where)

    def forward(self, x: Any) -> hx.Tensor:
        """(batch, in_channels, height, width) to (batch, channels, height', width')."""
        y = self.bn1(self.conv1(x), "relu")
        return self.bn2.forward(self.conv2(y), "relu", self._skipped(x))


class Bottleneck(_Residual):
    """1 x 1, 3 x 3, 1 x 1, which gives four times the channels.

    Parameters
    ----------
    in_channels, channels : int
    stride : int
        Of the 3 x 3 convolution, as torchvision has it.
    """

    expansion = 4

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int = 1,
        *,
        device: Any = None,
        dtype: Any = None,
        generator: Any = None,
    ) -> None:
        where = {"device": device, "dtype": dtype, "generator": generator}
        out = channels * self.expansion
        self.conv1 = _conv(in_channels, channels, 1, 1, where)
        self.bn1 = BatchNorm2d(channels, **where)
        self.conv2 = _conv(channels, channels, 3, stride, where)
        self.bn2 = BatchNorm2d(channels, **where)
        self.conv3 = _conv(channels, out, 1, 1, where)
        self.bn3 = BatchNorm2d(out, **where)
        self._shortcut(in_channels, out, stride, where)

    def forward(self, x: Any) -> hx.Tensor:
        """(batch, in_channels, height, width) to (batch, 4 channels, height', width')."""
        y = self.bn1(self.conv1(x), "relu")
        y = self.bn2(self.conv2(y), "relu")
        return self.bn3.forward(self.conv3(y), "relu", self._skipped(x))


_BLOCKS: dict[str, type[BasicBlock] | type[Bottleneck]] = {
    "basic": BasicBlock,
    "bottleneck": Bottleneck,
}


class ResNet(hx.Module):
    """Stem, stages of residual blocks, global mean, linear classifier.

    Parameters
    ----------
    config : ResNetConfig, optional
        Default ResNet-18.
    device, dtype, generator
        Where the weights live, their dtype (float32), and what draws them.

    Examples
    --------
    >>> import helix_core as hx
    >>> config = ResNetConfig(widths=(8, 16), depths=(1, 1), stem="small", num_classes=10)
    >>> ResNet(config)(hx.ones((2, 3, 16, 16))).shape
    (2, 10)
    """

    def __init__(
        self,
        config: ResNetConfig | None = None,
        *,
        device: Any = None,
        dtype: Any = None,
        generator: Any = None,
    ) -> None:
        c = self.config = config or ResNetConfig()
        if c.block not in _BLOCKS or c.stem not in ("imagenet", "small"):
            raise LayerError(
                f"[ResNet] expected block 'basic' or 'bottleneck' and stem 'imagenet' or "
                f"'small'; got {c.block!r} and {c.stem!r}"
            )
        if len(c.depths) != len(c.widths) or not c.depths:
            raise LayerError(
                f"[ResNet] expected as many depths as widths; got {c.depths} and "
                f"{c.widths}"
            )
        for d in c.depths:
            positive("ResNet", "depths", d)
        where = {"device": device, "dtype": dtype, "generator": generator}
        wide = c.widths[0]
        k, stride = (7, 2) if c.stem == "imagenet" else (3, 1)
        self.conv1 = _conv(c.in_channels, wide, k, stride, where)
        self.bn1 = BatchNorm2d(wide, **where)
        block = _BLOCKS[c.block]
        for i, (depth, width) in enumerate(zip(c.depths, c.widths, strict=True)):
            stage = []
            for j in range(depth):
                first = 2 if i and not j else 1
                stage.append(block(wide, width, first, **where))
                wide = width * block.expansion
            setattr(self, f"layer{i + 1}", stage)
        self.fc = Linear(wide, c.num_classes, **where)

    def features(self, x: Any) -> hx.Tensor:
        """(batch, in_channels, height, width) to (batch, channel, height', width')."""
        if x.ndim != 4 or x.shape[1] != self.config.in_channels:
            raise hx.ShapeError(
                f"[ResNet] expected x (batch, {self.config.in_channels}, height, width); "
                f"got x.shape={x.shape}"
            )
        x = self.bn1(self.conv1(x), "relu")
        if self.config.stem == "imagenet":
            x = hx.max_pool2d(x, 3, 2, 1)
        for i in range(len(self.config.depths)):
            for block in getattr(self, f"layer{i + 1}"):
                x = block(x)
        return x  # type: ignore[no-any-return]

    def forward(self, x: Any) -> hx.Tensor:
        """(batch, in_channels, height, width) to logits (batch, num_classes)."""
        y = hx.adaptive_avg_pool2d(self.features(x), 1)
        return self.fc.forward(hx.reshape(y, y.shape[:2]))

    @classmethod
    def from_torch(
        cls,
        arrays: Mapping[str, Any],
        config: ResNetConfig | None = None,
        *,
        device: Any = None,
    ) -> Self:
        """A network with the weights of torchvision's ``state_dict``.

        Parameters
        ----------
        arrays : mapping of str to array
        config : ResNetConfig, optional
            Default ResNet-18.

        Raises
        ------
        StateDictError
            Naming all that is missing, unexpected, or of another shape.
        """
        model = cls(config, device=device)
        model.load_state_dict(arrays)
        return model

    def to_torch(self) -> dict[str, np.ndarray]:
        """The arrays of torchvision's ``state_dict``."""
        out = {k: np.array(v) for k, v in self.state_dict().items()}
        return {
            k: v.astype(np.int64) if k.endswith("num_batches_tracked") else v
            for k, v in out.items()
        }


def build(config: dict[str, Any]) -> ResNet:
    """The factory behind the model's registered name."""
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in config.items()}
    return ResNet(ResNetConfig.from_dict(values))
