"""Losses with the meanings and defaults of ``torch.nn.functional``."""

from __future__ import annotations

import math
from typing import Any

from . import _ops as ops
from ._composites.softmax import log_softmax
from ._dtypes import float32
from ._errors import DTypeError, HelixError, ShapeError
from ._indexing import take
from ._shape import _in
from ._tensor import Tensor
from .activations import softplus

__all__ = [
    "bce",
    "bce_with_logits",
    "cross_entropy",
    "huber",
    "kl_div",
    "l1",
    "mse",
    "smooth_l1",
]


def _reduce(name: str, each: Tensor, reduction: str) -> Tensor:
    if reduction == "mean":
        return ops.mean(each)
    if reduction == "sum":
        return ops.sum(each)
    if reduction != "none":
        raise HelixError(
            f"[{name}] expected reduction 'mean', 'sum' or 'none'; got {reduction!r}"
        )
    return each


def _pair(name: str, x: Any, y: Any) -> tuple[Tensor, Tensor]:
    x, y = ops.lift(_in(x), _in(y))
    if x.shape != y.shape:
        raise ShapeError(
            f"[{name}] expected input and target of one shape; got {x.shape} and "
            f"{y.shape} on {x.device.name!r}. Hint: hx.broadcast_to, if that is meant"
        )
    if not x.dtype.inexact:
        x, y = ops.cast(x, float32), ops.cast(y, float32)
    return x, y


def mse(input: Any, target: Any, reduction: str = "mean") -> Tensor:
    """Squared difference.

    Parameters
    ----------
    input, target : Tensor of one shape
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> import helix_core as hx
    >>> mse(hx.tensor([1.0, 3.0]), hx.tensor([0.0, 0.0])).item()
    5.0
    """
    x, y = _pair("mse", input, target)
    return _reduce("mse", ops.square(x - y), reduction)


def l1(input: Any, target: Any, reduction: str = "mean") -> Tensor:
    """Absolute difference."""
    x, y = _pair("l1", input, target)
    return _reduce("l1", ops.abs(x - y), reduction)


def huber(
    input: Any, target: Any, delta: float = 1.0, reduction: str = "mean"
) -> Tensor:
    """Half the squared difference up to ``delta``, then linear with that slope."""
    if delta <= 0:
        raise HelixError(f"[huber] expected delta > 0; got {delta}")
    x, y = _pair("huber", input, target)
    d = ops.abs(x - y)
    near = ops.minimum(d, delta)
    return _reduce("huber", 0.5 * near * near + delta * (d - near), reduction)


def smooth_l1(
    input: Any, target: Any, beta: float = 1.0, reduction: str = "mean"
) -> Tensor:
    """`huber` over ``beta``; `l1` where beta is 0."""
    if beta < 0:
        raise HelixError(f"[smooth_l1] expected beta >= 0; got {beta}")
    if beta == 0:
        return l1(input, target, reduction)
    return huber(input, target, beta, reduction) / beta


def cross_entropy(
    logits: Any,
    target: Any,
    weight: Any = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Tensor:
    """Negative log-likelihood of softmax(logits).

    Parameters
    ----------
    logits : Tensor (n, classes, ...) or (classes,)
    target : Tensor (n, ...) of integers, or probabilities shaped like ``logits``
    weight : Tensor (classes,), optional
        Per class; the mean divides by the weights of the targets.
    ignore_index : int
        Targets that count neither in the sum nor in the mean.
    label_smoothing : float in [0, 1]
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    Tensor (), or (n, ...) with "none"
    """
    z, t = _in(logits), _in(target)
    if not z.dtype.inexact:
        raise DTypeError(f"[cross_entropy] expected float logits; got {z.aval!r}")
    if z.ndim == 0:
        raise ShapeError("[cross_entropy] expected logits with a class axis; got ()")
    single = z.ndim == 1
    if single:
        z = ops.reshape(z, 1, -1)
        t = ops.expand_dims(t, 0)
    z = ops.moveaxis(z, 1, -1)  # (n, ..., classes)
    classes = z.shape[-1]
    logp = log_softmax(z)
    w = None if weight is None else ops.cast(_in(weight), z.dtype)
    if w is not None and w.shape != (classes,):
        raise ShapeError(f"[cross_entropy] expected weight ({classes},); got {w.shape}")
    if t.dtype.inexact:
        q = ops.moveaxis(t, 1, -1)
        if q.shape != z.shape:
            raise ShapeError(
                f"[cross_entropy] expected probabilities shaped like the logits; got "
                f"{t.shape} for {_in(logits).shape}"
            )
        if label_smoothing:
            q = q * (1.0 - label_smoothing) + label_smoothing / classes
        each = -ops.sum(q * logp * w if w is not None else q * logp, -1)
        if reduction == "mean":  # torch divides by the rows here, weights or not
            return ops.sum(each) / float(max(1, each.size))
        out = _reduce("cross_entropy", each, reduction)
        return ops.reshape(out, ()) if single and reduction == "none" else out
    if t.shape != z.shape[:-1]:
        raise ShapeError(
            f"[cross_entropy] expected target {z.shape[:-1]}; got {t.shape} for logits "
            f"{_in(logits).shape}"
        )
    keep = ops.ne(t, ignore_index)
    safe = ops.where(keep, t, ops.zeros_like(t))
    hot = ops.eq(
        ops.expand_dims(safe, -1), ops.arange(classes, dtype=t.dtype, device=z.device)
    )
    zero = ops.zeros((), z.dtype, z.device)
    scale = ops.cast(keep, z.dtype)
    if w is not None:
        scale = scale * take(w, safe, axis=0)
    picked = ops.sum(ops.where(hot, logp, zero), -1)
    each = ops.where(keep, -picked, zero) * (scale if w is not None else 1.0)
    if label_smoothing:
        flat = -ops.sum(logp * w if w is not None else logp, -1)
        flat = ops.where(keep, flat, zero)
        each = each * (1.0 - label_smoothing) + flat * (label_smoothing / classes)
    if reduction == "mean":
        return ops.sum(each) / ops.sum(scale)
    out = _reduce("cross_entropy", each, reduction)
    return ops.reshape(out, ()) if single and reduction == "none" else out


def bce(input: Any, target: Any, weight: Any = None, reduction: str = "mean") -> Tensor:
    """Binary cross-entropy of probabilities; logarithms are cut at -100, as torch's."""
    p, t = _pair("bce", input, target)

    def log(x: Tensor) -> Tensor:
        safe = ops.where(ops.gt(x, math.exp(-100.0)), x, 1.0)
        return ops.where(ops.gt(x, math.exp(-100.0)), ops.log(safe), -100.0)

    each = -(t * log(p) + (1.0 - t) * log(1.0 - p))
    return _reduce("bce", each if weight is None else each * weight, reduction)


def bce_with_logits(
    input: Any,
    target: Any,
    weight: Any = None,
    pos_weight: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """Binary cross-entropy of sigmoid(input), without overflow.

    ``pos_weight`` multiplies the loss of positive targets.
    """
    z, t = _pair("bce_with_logits", input, target)
    if pos_weight is None:
        each = softplus(z) - t * z
    else:
        each = (1.0 - t) * z + (1.0 + (pos_weight - 1.0) * t) * softplus(-z)
    return _reduce(
        "bce_with_logits", each if weight is None else each * weight, reduction
    )


def kl_div(
    input: Any, target: Any, log_target: bool = False, reduction: str = "mean"
) -> Tensor:
    """target (log target - input); ``input`` holds log-probabilities.

    ``reduction="batchmean"`` divides the sum by the first axis: the true divergence.
    """
    x, t = _pair("kl_div", input, target)
    if log_target:
        each = ops.exp(t) * (t - x)
    else:
        positive = ops.gt(t, 0)
        log_t = ops.log(ops.where(positive, t, 1.0))
        each = ops.where(positive, t * log_t, 0.0) - t * x
    if reduction == "batchmean":
        return ops.sum(each) / float(max(1, x.shape[0]))
    return _reduce("kl_div", each, reduction)
