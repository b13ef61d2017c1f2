"""Linear layers, embeddings, and the cross-entropy of a linear layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from ..forms.contract import rounded
from .specs import Tensor, rows, serves

aten = torch.ops.aten
_CHUNK = 1 << 22  # logits that are held at once


def _native(device: Any, *avals: Any, **attrs: Any) -> Any:
    from .specs import floats

    if device.index == "cpu" and avals[0].dtype.name == "float16":
        return None  # its sums would be rounded on the way
    return floats(device, *avals)


_ACTIVATIONS: dict[str, Callable[..., Tensor]] = {
    "gelu": functional.gelu,
    "gelu_tanh": lambda z: functional.gelu(z, approximate="tanh"),
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "silu": functional.silu,
    "tanh": torch.tanh,
}
_BACK: dict[str, Callable[..., Tensor]] = {
    "gelu": lambda dy, z: aten.gelu_backward(dy, z),
    "gelu_tanh": lambda dy, z: aten.gelu_backward(dy, z, approximate="tanh"),
    "relu": lambda dy, y: aten.threshold_backward(dy, y, 0),
    "sigmoid": aten.sigmoid_backward,
    "silu": aten.silu_backward,
    "tanh": aten.tanh_backward,
}
_FROM_RESULT = ("relu", "sigmoid", "tanh")


def affine(x: Tensor, w: Tensor, b: Tensor | None, compute: str) -> Tensor:
    """x (..., in) by w (out, in), as (rows, out)."""
    a, m = rounded(rows(x), compute), rounded(w, compute).t()
    return torch.mm(a, m) if b is None else torch.addmm(b, a, m)


@serves("linear", "linear.fwd", supports=_native)
def _linear(
    dev: Any,
    x: Tensor,
    w: Tensor,
    *rest: Tensor,
    bias: bool,
    residual: bool,
    compute: str,
) -> Tensor:
    shape = (*x.shape[:-1], w.shape[0])
    y = affine(x, w, rest[0] if bias else None, compute).view(shape)
    return y.add_(rest[-1]) if residual else y


def _act(
    x: Tensor,
    w: Tensor,
    rest: Any,
    activation: str,
    bias: bool,
    residual: bool,
    compute: str,
) -> tuple[Tensor, Tensor]:
    shape = (*x.shape[:-1], w.shape[0])
    z = affine(x, w, rest[0] if bias else None, compute).view(shape)
    y = _ACTIVATIONS[activation](z)
    kept = y if activation in _FROM_RESULT else z
    return (y + rest[-1] if residual else y), kept


@serves("linear_act", supports=_native)
def _linear_act(dev: Any, x: Tensor, w: Tensor, *rest: Tensor, **attrs: Any) -> Tensor:
    return _act(x, w, rest, **attrs)[0]


@serves("linear_act.fwd", supports=_native)
def _linear_act_fwd(dev: Any, x: Tensor, w: Tensor, *rest: Tensor, **attrs: Any) -> Any:
    return _act(x, w, rest, **attrs)


def _pull(
    x: Tensor,
    w: Tensor,
    dz: Tensor,
    dy: Tensor,
    bias: bool,
    residual: bool,
    compute: str,
) -> tuple[Tensor, ...]:
    flat = rows(dz)
    g, a, m = rounded(flat, compute), rounded(rows(x), compute), rounded(w, compute)
    out = [torch.mm(g, m).view(x.shape), torch.mm(g.t(), a)]
    if bias:
        out.append(flat.sum(0))
    return (*out, dy) if residual else tuple(out)


@serves("linear.bwd", supports=_native)
def _linear_bwd(dev: Any, x: Tensor, w: Tensor, dy: Tensor, **attrs: Any) -> Any:
    return _pull(x, w, dy, dy, **attrs)


@serves("linear_act.bwd", supports=_native)
def _linear_act_bwd(
    dev: Any, x: Tensor, w: Tensor, *rest: Tensor, activation: str, **attrs: Any
) -> Any:
    kept, dy = rest[-2:]
    return _pull(x, w, _BACK[activation](dy, kept), dy, **attrs)


# ----------------------------------------------------------------------------- embedding
@serves("embedding", "embedding.fwd")
def _embedding(dev: Any, ids: Tensor, weight: Tensor, rows: int) -> Tensor:
    return torch.embedding(weight, ids.clamp(0, rows - 1))


@serves("embedding.bwd", widen=True)
def _embedding_bwd(dev: Any, ids: Tensor, dy: Tensor, rows: int) -> Tensor:
    """Rows outside the table go to one more, which is cut off."""
    inside = (ids >= 0) & (ids < rows)
    if ids.device.type == "cpu" and bool(inside.all()):
        return aten.embedding_dense_backward(dy, ids, rows, -1, False)
    ids = torch.where(inside, ids, rows)
    return aten.embedding_dense_backward(dy, ids, rows + 1, rows, False)[:rows]


# ------------------------------------------------------------------------- cross-entropy
def _losses(
    z: Tensor, labels: Tensor, ignore_index: int, label_smoothing: float
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Loss of each row, log-probabilities, classes, which rows count, which are wrong."""
    v, s = z.shape[1], label_smoothing
    keep = labels != ignore_index
    inside = (labels >= 0) & (labels < v)
    wrong = keep & ~inside
    safe = torch.where(inside, labels, 0).long().unsqueeze(1)
    logp = torch.log_softmax(z, 1)
    loss = logp.gather(1, safe).squeeze(1).mul_(s - 1.0)
    if s:
        loss = loss.sub_(logp.sum(1), alpha=s / v)
    loss = loss.masked_fill_(wrong, torch.nan).masked_fill_(~keep, 0.0)
    return loss, logp, safe, keep, wrong


def _slope(
    logp: Tensor, safe: Tensor, scale: Tensor, keep: Tensor, wrong: Tensor, s: float
) -> Tensor:
    """Of the rows' losses by the logits, times ``scale``; over ``logp``."""
    dz = logp.exp_()
    if s:
        dz.sub_(s / dz.shape[1])
    dz.scatter_add_(1, safe, torch.full_like(safe, s - 1.0, dtype=dz.dtype))
    dz.mul_(scale.unsqueeze(1))
    if not bool(keep.all()):
        dz.masked_fill_(~keep.unsqueeze(1), 0.0)
    return dz.masked_fill_(wrong.unsqueeze(1), torch.nan) if bool(wrong.any()) else dz


@serves("linear_cross_entropy", widen=True)
def _lce(
    dev: Any,
    x: Tensor,
    w: Tensor,
    labels: Tensor,
    *rest: Tensor,
    reduction: str,
    compute: str,
    **attrs: Any,
) -> Tensor:
    b = rest[0] if rest else None
    step, total = max(1, _CHUNK // w.shape[0]), x.new_zeros(())
    count = (labels != attrs["ignore_index"]).sum()
    for i in range(0, len(x), step):
        z = affine(x[i : i + step], w, b, compute)
        total = total + _losses(z, labels[i : i + step], **attrs)[0].sum()
    return total / count if reduction == "mean" else total


@serves("linear_cross_entropy.fwd", widen=True)
def _lce_fwd(
    dev: Any,
    x: Tensor,
    w: Tensor,
    labels: Tensor,
    *rest: Tensor,
    reduction: str,
    compute: str,
    **attrs: Any,
) -> Any:
    """The loss, and gradients of x, w and the bias for a cotangent of one."""
    b, m = (rest[0] if rest else None), rounded(w, compute)
    step, total = max(1, _CHUNK // w.shape[0]), x.new_zeros(())
    dx = torch.empty_like(x, memory_format=torch.contiguous_format)
    dw = db = None
    share = torch.ones_like(total)
    if reduction == "mean":
        share = 1.0 / (labels != attrs["ignore_index"]).sum().to(x.dtype)
    for i in range(0, len(x), step):
        part = x[i : i + step]
        z = affine(part, w, b, compute)
        loss, logp, safe, keep, wrong = _losses(z, labels[i : i + step], **attrs)
        total = total + loss.sum()
        scale = share.expand(len(part))
        dz = _slope(logp, safe, scale, keep, wrong, attrs["label_smoothing"])
        g, a = rounded(dz, compute), rounded(part, compute)
        torch.mm(g, m, out=dx[i : i + step])
        dw = torch.mm(g.t(), a) if dw is None else dw.addmm_(g.t(), a)
        if b is not None:
            db = dz.sum(0) if db is None else db.add_(dz.sum(0))
    total = total * share
    return (total, dx, dw) if b is None else (total, dx, dw, db)


@serves("linear_cross_entropy.bwd", widen=True)
def _lce_bwd(dev: Any, *flat: Tensor, **attrs: Any) -> Any:
    """The inputs, the gradients for a cotangent of one, and the cotangent."""
    *rest, ct = flat
    n = 3 if len(rest) == 7 else 2
    return tuple([g * ct for g in rest[-n:]])
