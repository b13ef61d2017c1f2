"""Losses with the meanings and defaults of ``torch.nn.functional``."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import _ops as ops
from ._composite import composite
from ._composites.softmax import log_softmax
from ._contrastive import info_nce as info_nce
from ._contrastive import siglip as siglip
from ._ctc import ctc as ctc
from ._dtypes import float32
from ._errors import DTypeError, HelixError, ShapeError
from ._indexing import take, take_along_axis
from ._shape import _in
from ._tensor import Tensor
from .activations import softplus

__all__ = [
    "bce",
    "bce_with_logits",
    "cross_entropy",
    "ctc",
    "huber",
    "info_nce",
    "kl_div",
    "l1",
    "mse",
    "siglip",
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
        The mean over no targets is NaN, as torch's.

    Raises
    ------
    HelixError
        For a target that is no class. Where its value is not at hand (in a trace, on
        another device than the host) the loss is NaN instead.

    Examples
    --------
    >>> import helix_core as hx
    >>> round(cross_entropy(hx.tensor([[0.0, 0.0]]), hx.tensor([1])).item(), 4)
    0.6931
    """
    z, t = _in(logits), _in(target)
    if not z.dtype.inexact:
        raise DTypeError(f"[cross_entropy] expected float logits; got {z.aval!r}")
    if z.ndim == 0:
        raise ShapeError("[cross_entropy] expected logits with a class axis; got ()")
    if not 0.0 <= label_smoothing <= 1.0:
        raise HelixError(
            f"[cross_entropy] expected label_smoothing in [0, 1]; got {label_smoothing}"
        )
    single = z.ndim == 1
    if single:
        z, t = ops.reshape(z, 1, -1), ops.expand_dims(t, 0)
    z = ops.moveaxis(z, 1, -1)  # (n, ..., classes)
    w = None if weight is None else ops.cast(_in(weight), z.dtype)
    if w is not None and w.shape != z.shape[-1:]:
        raise ShapeError(
            f"[cross_entropy] expected weight {z.shape[-1:]}; got {w.shape}"
        )
    rows = _soft_rows if t.dtype.inexact else _hard_rows
    each, count = rows(z, t, w, ignore_index, label_smoothing)
    if reduction == "mean":
        return ops.sum(each) / count
    out = _reduce("cross_entropy", each, reduction)
    return ops.reshape(out, ()) if single and reduction == "none" else out


def _soft_rows(
    z: Tensor, t: Tensor, w: Tensor | None, ignore_index: int, smoothing: float
) -> tuple[Tensor, Any]:
    """Losses of rows with probabilities as targets, and what their mean divides by."""
    q = ops.moveaxis(t, 1, -1) if t.ndim == z.ndim else t
    if q.shape != z.shape:
        raise ShapeError(
            "[cross_entropy] expected probabilities shaped like the logits; got "
            f"{t.shape} for logits {z.shape} (classes last)"
        )
    if smoothing:
        q = q * (1.0 - smoothing) + smoothing / z.shape[-1]
    weighted = q if w is None else q * w
    each = -ops.sum(weighted * log_softmax(z), -1)
    return each, float(each.size) if each.size else math.nan  # weights or not


def _hard_rows(
    z: Tensor, t: Tensor, w: Tensor | None, ignore_index: int, smoothing: float
) -> tuple[Tensor, Any]:
    """Losses of rows with classes as targets, and what their mean divides by."""
    if t.dtype.category not in ("int", "uint"):
        raise DTypeError(f"[cross_entropy] expected integer targets; got {t.aval!r}")
    if t.shape != z.shape[:-1]:
        raise ShapeError(
            f"[cross_entropy] expected target {z.shape[:-1]}; got {t.shape} for logits "
            f"{z.shape} (classes last)"
        )
    if t.dtype.name != "int64":
        t = ops.cast(t, "int64" if t.dtype.name.startswith("uint") else "int32")
    classes = z.shape[-1]
    keep = ops.ne(t, ignore_index)
    safe = ops.where(keep, t, ops.zeros_like(t))
    zero = ops.zeros((), z.dtype, z.device)
    logp = log_softmax(z)
    picked = take_along_axis(logp, ops.expand_dims(safe, -1), -1)
    each = -ops.reshape(picked, t.shape)
    if not _checked(t, classes, ignore_index):
        inside = ops.logical_and(ops.ge(safe, 0), ops.lt(safe, classes))
        each = ops.where(inside, each, math.nan)
    scale = ops.cast(keep, z.dtype)
    if w is not None:
        own = take(w, safe, axis=0)
        each, scale = each * own, scale * own
    if smoothing:
        even = -ops.sum(logp if w is None else logp * w, -1)
        each = each * (1.0 - smoothing) + even * (smoothing / classes)
    return ops.where(keep, each, zero), ops.sum(scale)


def _checked(t: Tensor, classes: int, ignore_index: int) -> bool:
    """Check targets whose values are at hand; False where they are not."""
    if type(t.buffer) is not np.ndarray:
        return False
    a = t.buffer
    bad = a[((a < 0) | (a >= classes)) & (a != ignore_index)]
    if bad.size:
        raise HelixError(
            f"[cross_entropy] expected targets in [0, {classes}) or "
            f"ignore_index={ignore_index}; got {int(bad[0])}"
        )
    return True


def _log(x: Tensor) -> Tensor:
    """The logarithm, cut at -100 as torch's bce does."""
    inside = ops.gt(x, math.exp(-100.0))
    return ops.where(inside, ops.log(ops.where(inside, x, 1.0)), -100.0)


def _bce(p: Tensor, t: Tensor) -> Tensor:
    return (t - 1.0) * _log(1.0 - p) - t * _log(p)


def _bce_slopes(
    inputs: Any, outputs: Any, residuals: Any, cts: Any
) -> tuple[Tensor, Tensor]:
    p, t = inputs
    spread = ops.maximum(p * (1.0 - p), 1e-12)  # torch's
    return cts[0] * (p - t) / spread, cts[0] * (_log(1.0 - p) - _log(p))


_bce_c = composite(
    "bce", fwd=lambda p, t: (_bce(p, t),), bwd=_bce_slopes, reads_outputs=False
)(_bce)


def bce(input: Any, target: Any, weight: Any = None, reduction: str = "mean") -> Tensor:
    """Binary cross-entropy of probabilities.

    Logarithms are cut at -100 and slopes at 1e12, as torch's.

    Parameters
    ----------
    input, target : Tensor of one shape
        Probabilities in [0, 1]. `bce_with_logits` is exact where they are nearly 0 or 1.
    weight : Tensor or float, optional
        Multiplies each element's loss.
    reduction : {"mean", "sum", "none"}
    """
    p, t = _pair("bce", input, target)
    if type(p.buffer) is np.ndarray and ((p.buffer < 0) | (p.buffer > 1)).any():
        raise HelixError(
            "[bce] expected probabilities in [0, 1]; got input between "
            f"{p.buffer.min()} and {p.buffer.max()}. Hint: bce_with_logits takes logits"
        )
    each = _bce_c(p, t)
    return _reduce("bce", each if weight is None else each * _in(weight), reduction)


def bce_with_logits(
    input: Any,
    target: Any,
    weight: Any = None,
    pos_weight: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """Binary cross-entropy of sigmoid(input), without overflow.

    Parameters
    ----------
    input, target : Tensor of one shape
        Logits, and probabilities in [0, 1].
    weight : Tensor or float, optional
        Multiplies each element's loss.
    pos_weight : Tensor or float, optional
        Multiplies the loss of positive targets; broadcasts, so (classes,) is one each.
    reduction : {"mean", "sum", "none"}
    """
    z, t = _pair("bce_with_logits", input, target)
    # softplus of what is negative keeps the digits of small losses
    small = softplus(-ops.abs(z))
    if pos_weight is None:
        each = ops.maximum(z, 0.0) - t * z + small
    else:
        positive = (_in(pos_weight) - 1.0) * t + 1.0
        each = (1.0 - t) * z + positive * (small + ops.maximum(-z, 0.0))
    return _reduce(
        "bce_with_logits", each if weight is None else each * _in(weight), reduction
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
