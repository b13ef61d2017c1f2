"""Initialisers: fresh weights of a shape, drawn from a generator.

Fans follow torch's convention: a weight is (out, in, *kernel), so ``fan_in`` is
``in * prod(kernel)`` and ``fan_out`` is ``out * prod(kernel)``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import _ops as ops
from ._create import tensor
from ._dtypes import as_dtype, float64
from ._errors import HelixError, ShapeError
from ._random import _AS241, _FAR, random_normal, random_uniform
from ._tensor import Tensor

__all__ = [
    "fans",
    "gain",
    "kaiming_normal",
    "kaiming_uniform",
    "normal",
    "orthogonal",
    "scaled_normal",
    "truncated_normal",
    "uniform",
    "xavier_normal",
    "xavier_uniform",
]

Shape = Sequence[int]
_CHUNK = 1 << 18


class InitError(HelixError, ValueError):
    """An initialiser's numbers do not fit."""


def fans(shape: Shape) -> tuple[int, int]:
    """``(fan_in, fan_out)`` of a weight of this shape.

    Raises
    ------
    ShapeError
        Below two axes: there are no fans.
    """
    if len(shape) < 2:
        raise ShapeError(
            f"[init] expected a shape of two axes or more; got {tuple(shape)}"
        )
    field = math.prod(shape[2:])
    return int(shape[1] * field), int(shape[0] * field)


def gain(nonlinearity: str, slope: float = 0.01) -> float:
    """The factor that keeps the variance of activations through a nonlinearity.

    Parameters
    ----------
    nonlinearity : {"linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu"}
    slope : float
        Negative slope of "leaky_relu".
    """
    table = {
        "linear": 1.0,
        "sigmoid": 1.0,
        "tanh": 5.0 / 3.0,
        "relu": math.sqrt(2.0),
        "leaky_relu": math.sqrt(2.0 / (1.0 + slope * slope)),
        "selu": 0.75,
    }
    if nonlinearity not in table:
        raise InitError(
            f"[init] expected a nonlinearity of {', '.join(table)}; got {nonlinearity!r}"
        )
    return table[nonlinearity]


def uniform(shape: Shape, low: float = 0.0, high: float = 1.0, **where: Any) -> Tensor:
    """Uniform in [low, high). ``where``: ``dtype``, ``device``, ``generator``."""
    if not low <= high:
        raise InitError(f"[uniform] expected low <= high; got {low} and {high}")
    return random_uniform(tuple(shape), low, high, **_given(where))


def normal(shape: Shape, mean: float = 0.0, std: float = 1.0, **where: Any) -> Tensor:
    """Normal with this mean and standard deviation."""
    _positive("std", std)
    return random_normal(tuple(shape), mean, std, **_given(where))


def truncated_normal(
    shape: Shape,
    mean: float = 0.0,
    std: float = 1.0,
    low: float = -2.0,
    high: float = 2.0,
    **where: Any,
) -> Tensor:
    """Normal, conditioned on lying in [low, high] (both as values, not in deviations).

    By the inverse of the distribution function, in float64 on the host, so that the same
    generator gives the same weights on every device.
    """
    _positive("std", std)
    if not low < high:
        raise InitError(f"[truncated_normal] expected low < high; got {low} and {high}")
    if std == 0 and not low <= mean <= high:
        raise InitError(
            f"[truncated_normal] expected mean in [low, high] with std 0; got {mean}"
        )
    dtype, device, rest = _split(where)
    u = random_uniform(tuple(shape), 0.0, 1.0, dtype="float64", device="numpy", **rest)
    flat = np.array(u).reshape(-1)
    if std == 0:
        flat[:] = mean
    else:
        a, b = (low - mean) / std, (high - mean) / std
        for i in range(0, flat.size, _CHUNK):
            part = flat[i : i + _CHUNK]
            part[:] = np.clip(mean + std * _between(part, a, b), low, high)
    return tensor(flat.reshape(tuple(shape)), dtype=dtype, device=device)


def xavier_uniform(shape: Shape, gain: float = 1.0, **where: Any) -> Tensor:
    """Uniform of variance ``2 gain^2 / (fan_in + fan_out)`` (Glorot and Bengio, 2010)."""
    bound = gain * math.sqrt(6.0 / max(1, sum(fans(shape))))
    return uniform(shape, -bound, bound, **where)


def xavier_normal(shape: Shape, gain: float = 1.0, **where: Any) -> Tensor:
    """Normal of variance ``2 gain^2 / (fan_in + fan_out)``."""
    return normal(shape, 0.0, gain * math.sqrt(2.0 / max(1, sum(fans(shape)))), **where)


def kaiming_uniform(
    shape: Shape, gain: float = math.sqrt(2.0), mode: str = "fan_in", **where: Any
) -> Tensor:
    """Uniform of variance ``gain^2 / fan`` (arXiv:1502.01852).

    ``gain=1 / sqrt(3)`` is torch's default of a linear layer.
    """
    bound = gain * math.sqrt(3.0 / _fan(shape, mode))
    return uniform(shape, -bound, bound, **where)


def kaiming_normal(
    shape: Shape, gain: float = math.sqrt(2.0), mode: str = "fan_in", **where: Any
) -> Tensor:
    """Normal of variance ``gain^2 / fan``."""
    return normal(shape, 0.0, gain / math.sqrt(_fan(shape, mode)), **where)


def scaled_normal(shape: Shape, std: float, depth: int, **where: Any) -> Tensor:
    """Normal of deviation ``std / sqrt(2 depth)``: the last linear layer of a residual
    branch, of which a model ``depth`` deep adds two a layer (GPT-2)."""
    if depth < 1:
        raise InitError(f"[scaled_normal] expected depth >= 1; got {depth}")
    return normal(shape, 0.0, std / math.sqrt(2.0 * depth), **where)


def orthogonal(shape: Shape, gain: float = 1.0, **where: Any) -> Tensor:
    """A matrix (out, rest) with orthonormal rows or columns, times ``gain``
    (arXiv:1312.6120); axes after the first are flattened."""
    if len(shape) < 2:
        raise ShapeError(
            f"[orthogonal] expected a shape of two axes or more; got {tuple(shape)}"
        )
    rows, cols = int(shape[0]), math.prod(shape[1:])
    if rows * cols == 0:
        return ops.zeros(
            tuple(shape), **{k: where[k] for k in where if k != "generator"}
        )
    dtype, device, rest = _split(where)
    tall = (max(rows, cols), min(rows, cols))
    a = np.asarray(random_normal(tall, dtype="float64", device="numpy", **rest))
    q, r = np.linalg.qr(a)
    q = q * np.where(np.diag(r) < 0, -1.0, 1.0)  # uniform over the orthogonal group
    q = q if rows >= cols else q.T
    return tensor(gain * q.reshape(shape), dtype=dtype, device=device)


def _fan(shape: Shape, mode: str) -> int:
    if mode not in ("fan_in", "fan_out"):
        raise InitError(f"[init] expected mode 'fan_in' or 'fan_out'; got {mode!r}")
    return max(1, fans(shape)[mode == "fan_out"])


def _positive(name: str, value: float) -> None:
    if not value >= 0:
        raise InitError(f"[init] expected {name} >= 0; got {value}")


def _given(where: dict[str, Any]) -> dict[str, Any]:
    """Without what is None: layers pass their own defaults on."""
    return {k: v for k, v in where.items() if v is not None}


def _split(where: dict[str, Any]) -> tuple[Any, Any, dict[str, Any]]:
    rest = _given(where)
    dtype = as_dtype(rest.pop("dtype", "float32"))
    return dtype, rest.pop("device", None), rest


def _between(u: np.ndarray, a: float, b: float) -> np.ndarray:
    """The quantile of the standard normal cut to [a, b], at shares u of its mass."""
    if a > 0:  # the tail below zero keeps its digits
        return -_between(u, -b, -a)
    low = 0.5 * math.erfc(-a / math.sqrt(2.0))
    high = 0.5 * math.erfc(-b / math.sqrt(2.0))
    return np.clip(_quantile(low + u * (high - low)), a, b)


def _quantile(p: np.ndarray) -> np.ndarray:
    """Inverse of the normal distribution function, to 1e-15 (algorithm AS 241)."""
    top, bottom, tail, under = _AS241[float64]
    q = p - 0.5
    r = np.sqrt(-np.log(np.maximum(np.minimum(p, 1.0 - p), np.nextafter(0.0, 1.0))))
    mid = 0.180625 - q * q
    near = q * np.polyval(top, mid) / np.polyval(bottom, mid)
    far = np.polyval(tail, r - 1.6) / np.polyval(under, r - 1.6)
    beyond = np.polyval(_FAR[0], r - 5.0) / np.polyval(_FAR[1], r - 5.0)
    end = np.copysign(np.where(r > 5.0, beyond, far), q)
    return np.where(np.abs(q) <= 0.425, near, end)
