"""Layers that enlarge images."""

from __future__ import annotations

from typing import Any

import helix_core as hx

from ._check import positive


class Upsample(hx.Module):
    """Resample the spatial axes; see `helix_core.interpolate`.

    Parameters
    ----------
    size : int or tuple, optional
    scale_factor : float or tuple, optional
        Instead of the size.
    mode : str
        "nearest", "nearest-exact", "linear", "bilinear", "bicubic" or "trilinear".
    align_corners : bool

    Examples
    --------
    >>> import helix_core as hx
    >>> Upsample(scale_factor=2)(hx.ones((1, 3, 4, 4))).shape
    (1, 3, 8, 8)
    """

    def __init__(
        self,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool = False,
    ) -> None:
        self.size, self.scale_factor = size, scale_factor
        self.mode, self.align_corners = mode, align_corners

    def forward(self, x: Any) -> hx.Tensor:
        """(batch, channel, *spatial) to (batch, channel, *size)."""
        return hx.interpolate(
            x, self.size, self.scale_factor, self.mode, self.align_corners
        )


class PixelShuffle(hx.Module):
    """(..., channel factor^2, height, width) to (..., channel, height factor, width
    factor) (arXiv:1609.05158)."""

    def __init__(self, factor: int) -> None:
        self.factor = positive("PixelShuffle", "factor", factor)

    def forward(self, x: Any) -> hx.Tensor:
        return hx.pixel_shuffle(x, self.factor)


class PixelUnshuffle(hx.Module):
    """The inverse of `PixelShuffle`."""

    def __init__(self, factor: int) -> None:
        self.factor = positive("PixelUnshuffle", "factor", factor)

    def forward(self, x: Any) -> hx.Tensor:
        return hx.pixel_unshuffle(x, self.factor)
