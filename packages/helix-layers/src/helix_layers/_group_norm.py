"""Group norm (arXiv:1803.08494) and instance norm (arXiv:1607.08022)."""

from __future__ import annotations

from typing import Any

import helix_core as hx

from ._check import LayerError, positive


class GroupNorm(hx.Module):
    """(x - mean) / sqrt(var + eps) * weight + bias, over groups of channels.

    Parameters
    ----------
    groups : int
        Divides the channels.
    channels : int
    eps : float
    affine : bool
        Whether there are weight and bias.

    Attributes
    ----------
    weight, bias : Parameter (channels,) or None
        Ones and zeros; no weight decay.

    Examples
    --------
    >>> import helix_core as hx
    >>> GroupNorm(2, 8)(hx.ones((1, 8, 4, 4))).shape
    (1, 8, 4, 4)
    """

    def __init__(
        self,
        groups: int,
        channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        device: Any = None,
        dtype: Any = None,
        generator: Any = None,
    ) -> None:
        name = type(self).__name__
        self.groups = positive(name, "groups", groups)
        self.channels = positive(name, "channels", channels)
        if channels % groups:
            raise LayerError(
                f"[{name}] expected groups that divide the channels; got {groups} groups "
                f"and {channels} channels"
            )
        self.eps = float(eps)
        self.weight: hx.Parameter | None = None
        self.bias: hx.Parameter | None = None
        if affine:
            where = {"device": device, "dtype": dtype or hx.float32}
            self.weight = hx.Parameter(
                hx.ones((channels,), **where), "weight", decay=False
            )
            self.bias = hx.Parameter(
                hx.zeros((channels,), **where), "bias", decay=False
            )

    def forward(self, x: Any) -> hx.Tensor:
        """(batch, channels, *spatial) to the same."""
        if x.ndim < 2 or x.shape[1] != self.channels:
            raise hx.ShapeError(
                f"[{type(self).__name__}] expected x (batch, {self.channels}, *spatial); "
                f"got x.shape={x.shape} on {x.device.name!r}"
            )
        return hx.group_norm(x, self.groups, self.weight, self.bias, self.eps)


class InstanceNorm(GroupNorm):
    """Every channel of every example by itself, over any number of spatial axes.

    Parameters
    ----------
    channels : int
    eps : float
    affine : bool
        Default False, as torch's.
    """

    def __init__(
        self,
        channels: int,
        eps: float = 1e-5,
        affine: bool = False,
        *,
        device: Any = None,
        dtype: Any = None,
        generator: Any = None,
    ) -> None:
        super().__init__(
            channels,
            channels,
            eps,
            affine,
            device=device,
            dtype=dtype,
            generator=generator,
        )

    def forward(self, x: Any) -> hx.Tensor:
        """(batch, channels, *spatial) to the same; more than one spatial element."""
        if x.ndim >= 2 and x.shape[1] == self.channels:
            return hx.instance_norm(x, self.weight, self.bias, self.eps)
        return super().forward(x)
