"""Batch normalisation with running statistics (arXiv:1502.03167)."""

from __future__ import annotations

from typing import Any

import helix_core as hx

from ._check import positive


class _BatchNorm(hx.Module):
    axes: tuple[int, ...] = ()  # how many x may have

    def __init__(
        self,
        features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        device: Any = None,
        dtype: Any = None,
        generator: Any = None,
    ) -> None:
        name = type(self).__name__
        self.features = positive(name, "features", features)
        self.eps, self.momentum = float(eps), momentum
        where = {"device": device, "dtype": dtype or hx.float32}
        self.weight: hx.Parameter | None = None
        self.bias: hx.Parameter | None = None
        if affine:
            self.weight = hx.Parameter(
                hx.ones((features,), **where), "weight", decay=False
            )
            self.bias = hx.Parameter(
                hx.zeros((features,), **where), "bias", decay=False
            )
        self.track_running_stats = bool(track_running_stats)
        if track_running_stats:
            self.running_mean = hx.Cell(hx.zeros((features,), **where), "running_mean")
            self.running_var = hx.Cell(hx.ones((features,), **where), "running_var")
            count = hx.zeros((), dtype=hx.int32, device=device)
            self.num_batches_tracked = hx.Cell(count, "num_batches_tracked")

    def forward(
        self, x: Any, activation: str | None = None, residual: Any = None
    ) -> hx.Tensor:
        """act(norm(x) + residual), in one pass where the device has a kernel for it.

        Parameters
        ----------
        x : Tensor (batch, features, *spatial)
        activation : {None, "relu"}
        residual : Tensor of x's shape, optional
        """
        if x.ndim not in self.axes or x.shape[1] != self.features:
            raise hx.ShapeError(
                f"[{type(self).__name__}] expected x (batch, {self.features}, *spatial) "
                f"of {' or '.join(map(str, self.axes))} axes; got x.shape={x.shape} on "
                f"{x.device.name!r}"
            )
        if not self.training and self.track_running_stats:
            mean, var = self.running_mean.value, self.running_var.value
            return hx.batch_norm_inference(
                x, mean, var, self.weight, self.bias, self.eps, activation, residual
            )
        y, mean, var = hx.batch_norm(
            x, self.weight, self.bias, self.eps, activation, residual
        )
        if self.training and self.track_running_stats:
            self._track(mean.detach(), var.detach(), x.size // self.features)
        return y

    def _track(self, mean: Any, var: Any, count: int) -> None:
        seen = self.num_batches_tracked.value + 1
        self.num_batches_tracked.value = seen
        if not count:  # an empty batch says nothing
            return
        rate: Any = self.momentum
        if rate is None:  # the mean of all batches
            rate = 1.0 / hx.cast(seen, mean.dtype)
        for cell, new in (
            (self.running_mean, mean),
            (self.running_var, var * (count / max(1, count - 1))),
        ):
            old = cell.value
            cell.value = old + (hx.cast(new, old.dtype) - old) * rate


class BatchNorm1d(_BatchNorm):
    """`BatchNorm2d` of x (batch, features) or (batch, features, time)."""

    axes = (2, 3)


class BatchNorm2d(_BatchNorm):
    """(x - mean) / sqrt(var + eps) * weight + bias, channel by channel.

    In training mean and variance are the batch's, and running averages follow them; in
    evaluation the running averages serve.

    Parameters
    ----------
    features : int
        Channels.
    eps : float
    momentum : float or None
        Weight of the new batch in the running averages; None averages all batches.
    affine : bool
        Whether there are weight and bias.
    track_running_stats : bool
        False uses the batch's statistics in evaluation too.

    Attributes
    ----------
    weight, bias : Parameter (features,) or None
        Ones and zeros; no weight decay.
    running_mean, running_var : Cell (features,)
        The variance without bias, divided by n - 1.
    num_batches_tracked : Cell ()

    Raises
    ------
    ShapeError
        In training with one value per channel: its variance is 0.

    Examples
    --------
    >>> import helix_core as hx
    >>> BatchNorm2d(3)(hx.ones((2, 3, 4, 4)), activation="relu").shape
    (2, 3, 4, 4)
    """

    axes = (4,)


class BatchNorm3d(_BatchNorm):
    """`BatchNorm2d` of x (batch, features, depth, height, width)."""

    axes = (5,)
