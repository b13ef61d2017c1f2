"""Cross-entropy of a linear layer, without ever holding all its logits."""

from __future__ import annotations

from typing import Any

from .. import _ops as ops
from .._composite import composite
from .._errors import DTypeError, HelixError, ShapeError
from .._shape import _in
from .._tensor import Tensor

# inputs: x (n, d), weight (v, d), labels (n,), then bias (v,) where the attribute says
# so. Residuals of "sum" and "mean": the gradients themselves, scaled by the incoming one


def _logits(x: Tensor, w: Tensor, rest: tuple[Tensor, ...]) -> Tensor:
    z = ops.dot_general(x, w, (((1,), (1,)), ((), ())))
    return z + rest[0] if rest else z


def _each(
    z: Tensor, labels: Tensor, ignore_index: int, label_smoothing: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Loss per row (0 where ignored), log-probabilities, one-hot targets, kept rows."""
    v = z.shape[1]
    logp = z - ops.logsumexp(z, 1, True)
    keep = ops.ne(labels, ignore_index)
    target = ops.cast(
        ops.eq(
            ops.expand_dims(labels, 1),
            ops.reshape(ops.arange(v, dtype=labels.dtype, device=z.device), 1, v),
        ),
        z.dtype,
    )
    if label_smoothing:
        target = target * (1.0 - label_smoothing) + label_smoothing / v
    loss = -ops.sum(ops.where(ops.eq(target, 0), 0.0, target * logp), 1)
    return ops.where(keep, loss, 0.0), logp, target, keep


def _count(keep: Tensor, dtype: Any) -> Tensor:
    return ops.sum(ops.cast(keep, dtype))


def _lce(
    x: Tensor,
    w: Tensor,
    labels: Tensor,
    *rest: Tensor,
    ignore_index: int,
    label_smoothing: float,
    reduction: str,
) -> Tensor:
    z = _logits(x, w, rest)
    loss, _, _, keep = _each(z, labels, ignore_index, label_smoothing)
    if reduction == "none":
        return loss
    total = ops.sum(loss)
    return total / _count(keep, z.dtype) if reduction == "mean" else total


def _fwd(
    x: Tensor,
    w: Tensor,
    labels: Tensor,
    *rest: Tensor,
    ignore_index: int,
    label_smoothing: float,
    reduction: str,
) -> tuple[Tensor, ...]:
    z = _logits(x, w, rest)
    loss, logp, target, keep = _each(z, labels, ignore_index, label_smoothing)
    dz = ops.where(ops.expand_dims(keep, 1), ops.exp(logp) - target, 0.0)
    out = ops.sum(loss)
    if reduction == "mean":
        n = _count(keep, z.dtype)
        out, dz = out / n, dz / n
    dx = ops.dot_general(dz, w, (((1,), (0,)), ((), ())))
    dw = ops.dot_general(dz, x, (((0,), (0,)), ((), ())))
    return (out, dx, dw, ops.sum(dz, 0)) if rest else (out, dx, dw)


def _bwd(inputs: Any, outputs: Any, residuals: Any, cts: Any, **attrs: Any) -> Any:
    grads = [r * cts[0] for r in residuals]
    return (grads[0], grads[1], None, *grads[2:])


linear_cross_entropy_c = composite(
    "linear_cross_entropy", fwd=_fwd, bwd=_bwd, reads_outputs=False
)(_lce)
linear_cross_entropy_rows_c = composite("linear_cross_entropy_rows", opaque=True)(_lce)


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
    logits (n, v) never exist.

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
    Tensor (), or (n,) with "none". The mean over no rows is NaN, as torch's.
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
    op = linear_cross_entropy_rows_c if reduction == "none" else linear_cross_entropy_c
    return op(
        floats[0],
        floats[1],
        labels,
        *floats[2:],
        ignore_index=ignore_index,
        label_smoothing=float(label_smoothing),
        reduction=reduction,
    )
