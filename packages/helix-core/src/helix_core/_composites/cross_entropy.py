"""Cross-entropy of a linear layer, without ever holding all its logits."""

from __future__ import annotations

from typing import Any, NamedTuple

from .. import _ops as ops
from .._composite import composite
from .._errors import DTypeError, HelixError, ShapeError
from .._precision import checked
from .._shape import _in
from .._tensor import Tensor

# inputs: x (n, d), weight (v, d), labels (n,), then bias (v,) where there is one.
# Residuals of "sum" and "mean": the gradients themselves, scaled by the incoming one;
# of "none": the log-sum-exp of each row, from which the logits' chunks are made again


def _logits(x: Tensor, w: Tensor, rest: tuple[Tensor, ...], compute: str) -> Tensor:
    z = ops.dot_general(x, w, (((1,), (1,)), ((), ())), compute)
    return z + rest[0] if rest else z


class _Rows(NamedTuple):
    """Each row's loss (0 where ignored), and what its gradient is made of."""

    loss: Tensor
    lse: Tensor
    dz: Tensor
    keep: Tensor


def _rows(
    z: Tensor, labels: Tensor, ignore_index: int, label_smoothing: float
) -> _Rows:
    """A label that is neither a class nor ignored gives NaN."""
    v = z.shape[1]
    lse = ops.logsumexp(z, 1, True)
    logp = z - lse
    keep = ops.ne(labels, ignore_index)
    classes = ops.reshape(ops.arange(v, dtype=labels.dtype, device=z.device), 1, v)
    target = ops.cast(ops.eq(ops.expand_dims(labels, 1), classes), z.dtype)
    if label_smoothing:
        target = target * (1.0 - label_smoothing) + label_smoothing / v
    inside = ops.logical_and(ops.ge(labels, 0), ops.lt(labels, v))
    known = ops.logical_or(inside, ops.logical_not(keep))
    target = ops.where(ops.expand_dims(known, 1), target, float("nan"))
    loss = -ops.sum(ops.where(ops.eq(target, 0), 0.0, target * logp), 1)
    dz = ops.where(ops.expand_dims(keep, 1), ops.exp(logp) - target, 0.0)
    return _Rows(ops.where(keep, loss, 0.0), ops.squeeze(lse, 1), dz, keep)


def _pull(
    dz: Tensor, x: Tensor, w: Tensor, bias: bool, compute: str
) -> tuple[Tensor, ...]:
    """Gradients of x, w and, where there is one, the bias."""
    dx = ops.dot_general(dz, w, (((1,), (0,)), ((), ())), compute)
    dw = ops.dot_general(dz, x, (((0,), (0,)), ((), ())), compute)
    return (dx, dw, ops.sum(dz, 0)) if bias else (dx, dw)


def _count(keep: Tensor, dtype: Any) -> Tensor:
    return ops.sum(ops.cast(keep, dtype))


def _lce(
    x: Tensor,
    w: Tensor,
    labels: Tensor,
    *rest: Tensor,
    reduction: str,
    compute: str,
    **attrs: Any,
) -> Tensor:
    z = _logits(x, w, rest, compute)
    r = _rows(z, labels, **attrs)
    total = ops.sum(r.loss)
    return total / _count(r.keep, z.dtype) if reduction == "mean" else total


def _fwd(
    x: Tensor,
    w: Tensor,
    labels: Tensor,
    *rest: Tensor,
    reduction: str,
    compute: str,
    **attrs: Any,
) -> tuple[Tensor, ...]:
    z = _logits(x, w, rest, compute)
    r = _rows(z, labels, **attrs)
    out, dz = ops.sum(r.loss), r.dz
    if reduction == "mean":
        n = _count(r.keep, z.dtype)
        out, dz = out / n, dz / n
    return (out, *_pull(dz, x, w, bool(rest), compute))


def _bwd(inputs: Any, outputs: Any, residuals: Any, cts: Any, **attrs: Any) -> Any:
    grads = [r * cts[0] for r in residuals]
    return (grads[0], grads[1], None, *grads[2:])


linear_cross_entropy_c = composite(
    "linear_cross_entropy", fwd=_fwd, bwd=_bwd, reads_outputs=False
)(_lce)


def _rows_fwd(
    x: Tensor, w: Tensor, labels: Tensor, *rest: Tensor, compute: str, **attrs: Any
) -> tuple[Tensor, Tensor]:
    r = _rows(_logits(x, w, rest, compute), labels, **attrs)
    return r.loss, r.lse


def _rows_bwd(
    inputs: Any, outputs: Any, residuals: Any, cts: Any, compute: str, **attrs: Any
) -> Any:
    x, w, labels, *rest = inputs
    r = _rows(_logits(x, w, tuple(rest), compute), labels, **attrs)
    grads = _pull(r.dz * ops.expand_dims(cts[0], 1), x, w, bool(rest), compute)
    return (grads[0], grads[1], None, *grads[2:])


linear_cross_entropy_rows_c = composite(
    "linear_cross_entropy_rows", fwd=_rows_fwd, bwd=_rows_bwd, reads_outputs=False
)(lambda *xs, **attrs: _rows_fwd(*xs, **attrs)[0])


def linear_cross_entropy(
    x: Any,
    weight: Any,
    labels: Any,
    bias: Any = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Tensor:
    """Cross-entropy of ``x @ weight.T + bias`` against labels, in chunks of rows.

    Kernels compute the gradients in the forward pass, chunk by chunk, so that the full
    logits (n, v) never exist. Products obey `precision`.

    Parameters
    ----------
    x : Tensor (n, d)
    weight : Tensor (v, d)
    labels : Tensor (n,), int32 or int64
        Rows labelled ``ignore_index`` count neither in the loss nor in the mean.
    bias : Tensor (v,), optional
    label_smoothing : float in [0, 1]
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    Tensor (), or (n,) with "none". The mean over no rows is NaN, as torch's; so is the
    loss of a label that is neither a class nor ``ignore_index``.
    """
    x, weight, labels = _in(x), _in(weight), _in(labels)
    if labels.dtype.category not in ("int", "uint"):
        raise DTypeError(
            f"[linear_cross_entropy] expected integer labels; got {labels.aval!r}"
        )
    ok = x.ndim == 2 and weight.ndim == 2 and x.shape[1] == weight.shape[1]
    if not ok or labels.shape != x.shape[:1]:
        raise ShapeError(
            "[linear_cross_entropy] expected x (n, d), weight (v, d), labels (n,); got "
            f"{x.shape}, {weight.shape}, {labels.shape}"
        )
    if reduction not in ("mean", "sum", "none"):
        raise HelixError(
            "[linear_cross_entropy] expected reduction 'mean', 'sum' or 'none'; got "
            f"{reduction!r}"
        )
    floats = ops.lift(x, weight, *([] if bias is None else [bias]))
    if labels.dtype.name not in ("int32", "int64"):
        labels = ops.cast(labels, "int32")
    args = (floats[0], floats[1], labels, *floats[2:])
    attrs = {
        "ignore_index": ignore_index,
        "label_smoothing": float(label_smoothing),
        "compute": checked("linear_cross_entropy", None),
    }
    loss: Tensor
    if reduction == "none":
        loss = linear_cross_entropy_rows_c(*args, **attrs)
    else:
        loss = linear_cross_entropy_c(*args, **attrs, reduction=reduction)
    return loss
