"""U-Net (Ronneberger et al., arXiv:1505.04597): images to images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import helix_core as hx

from .._batch_norm import BatchNorm2d
from .._check import LayerError, positive
from .._config import Config
from .._conv import Conv2d, ConvTranspose2d


@dataclass(frozen=True, slots=True, kw_only=True)
class UNetConfig(Config):
    """Sizes of a `UNet`.

    Attributes
    ----------
    in_channels, out_channels : int
    widths : tuple of int
        Channels of each level; every level halves height and width.
    up : {"transpose", "bilinear"}
        How a level is enlarged: a transposed convolution, or interpolation and a 1 x 1
        convolution.
    """

    in_channels: int = 3
    out_channels: int = 1
    widths: tuple[int, ...] = (32, 64, 128)
    up: str = "transpose"


class DoubleConv(hx.Module):
    """Twice: 3 x 3 convolution, batch norm, ReLU."""

    def __init__(self, in_channels: int, channels: int, **where: Any) -> None:
        self.conv1 = Conv2d(in_channels, channels, 3, padding=1, bias=False, **where)
        self.bn1 = BatchNorm2d(channels, **where)
        self.conv2 = Conv2d(channels, channels, 3, padding=1, bias=False, **where)
        self.bn2 = BatchNorm2d(channels, **where)

    def forward(self, x: Any) -> hx.Tensor:
        """(batch, in_channels, height, width) to (batch, channels, height, width)."""
        x = self.bn1.forward(self.conv1(x), "relu")
        return self.bn2.forward(self.conv2(x), "relu")


class Up(hx.Module):
    """Enlarge, join with what skipped the lower levels, and convolve."""

    def __init__(self, in_channels: int, channels: int, up: str, **where: Any) -> None:
        self.up: ConvTranspose2d | Conv2d
        if up == "transpose":
            self.up = ConvTranspose2d(in_channels, channels, 2, 2, **where)
        else:
            self.up = Conv2d(in_channels, channels, 1, **where)
        self.conv = DoubleConv(2 * channels, channels, **where)

    def forward(self, x: Any, skip: Any) -> hx.Tensor:
        """x (batch, in_channels, h, w), skip (batch, channels, height, width)."""
        size = skip.shape[2:]
        if isinstance(self.up, Conv2d):
            x = hx.interpolate(self.up(x), size, mode="bilinear")
        else:
            x = self.up(x)
            if x.shape[2:] != size:  # an odd size lost its last row below
                grow = [(0, m - n) for m, n in zip(size, x.shape[2:], strict=True)]
                x = hx.pad(x, [(0, 0), (0, 0), *grow])
        return self.conv.forward(hx.concat([skip, x], 1))


class UNet(hx.Module):
    """Levels of double convolutions down and up again, with skips between them.

    Parameters
    ----------
    config : UNetConfig, optional
    device, dtype, generator
        Where the weights live, their dtype (float32), and what draws them.

    Examples
    --------
    >>> import helix_core as hx
    >>> UNet(UNetConfig(widths=(4, 8)))(hx.ones((1, 3, 9, 8))).shape
    (1, 1, 9, 8)
    """

    def __init__(
        self,
        config: UNetConfig | None = None,
        *,
        device: Any = None,
        dtype: Any = None,
        generator: Any = None,
    ) -> None:
        c = self.config = config or UNetConfig()
        if c.up not in ("transpose", "bilinear") or not c.widths:
            raise LayerError(
                f"[UNet] expected up 'transpose' or 'bilinear' and at least one width; "
                f"got {c.up!r} and {c.widths}"
            )
        for w in c.widths:
            positive("UNet", "widths", w)
        where = {"device": device, "dtype": dtype, "generator": generator}
        ins = (c.in_channels, *c.widths[:-1])
        self.down = [
            DoubleConv(a, b, **where) for a, b in zip(ins, c.widths, strict=True)
        ]
        pairs = list(zip(c.widths[1:], c.widths[:-1], strict=True))[::-1]
        self.up = [Up(a, b, c.up, **where) for a, b in pairs]
        self.head = Conv2d(c.widths[0], c.out_channels, 1, **where)

    def forward(self, x: Any) -> hx.Tensor:
        """(batch, in_channels, height, width) to (batch, out_channels, height, width).

        Raises
        ------
        ShapeError
            For an image that the levels would halve to nothing.
        """
        least = 2 ** (len(self.down) - 1)
        if (
            x.ndim != 4
            or x.shape[1] != self.config.in_channels
            or min(x.shape[2:]) < least
        ):
            raise hx.ShapeError(
                f"[UNet] expected x (batch, {self.config.in_channels}, height, width) of "
                f"at least {least} x {least}; got x.shape={x.shape}"
            )
        skips = []
        for i, level in enumerate(self.down):
            x = level(hx.max_pool2d(x, 2) if i else x)
            skips.append(x)
        x = skips.pop()
        for up, skip in zip(self.up, reversed(skips), strict=True):
            x = up(x, skip)
        return self.head.forward(x)


def build(config: dict[str, Any]) -> UNet:
    """The factory behind the model's registered name."""
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in config.items()}
    return UNet(UNetConfig.from_dict(values))
