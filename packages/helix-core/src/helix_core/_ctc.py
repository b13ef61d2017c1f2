"""Connectionist temporal classification."""

from __future__ import annotations

from typing import Any

from . import _ops as ops
from ._control import scan
from ._create import arange
from ._errors import DTypeError, HelixError, ShapeError
from ._indexing import take_along_axis
from ._shape import _in
from ._tensor import Tensor

NEVER = -1e30  # a log-probability that no sum of real ones reaches


def _lengths(name: str, given: Any, n: int, most: int, like: Tensor) -> Tensor:
    found = ops.cast(_in(given), like.dtype)
    if found.shape != (n,):
        raise ShapeError(f"[ctc] expected {name} ({n},); got {found.shape}")
    return ops.clip(found, 0, most)


def _either(*parts: Tensor) -> Tensor:
    """Log of the sum of exponentials, part by part."""
    top = parts[0]
    for p in parts[1:]:
        top = ops.maximum(top, p)
    total = ops.exp(parts[0] - top)
    for p in parts[1:]:
        total = total + ops.exp(p - top)
    return top + ops.log(total)


def _behind(alpha: Tensor, k: int) -> Tensor:
    """Every state's value ``k`` states before it."""
    size = alpha.shape[-1]
    return ops.pad(alpha, ((0, 0), (k, 0)), value=NEVER)[:, :size]


def ctc(
    log_probs: Any,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """Negative log-likelihood of a labelling, over all its alignments with the frames.

    Parameters
    ----------
    log_probs : Tensor (time, batch, class)
        Log-probabilities: ``hx.log_softmax(logits, -1)``.
    targets : Tensor (batch, label) of integers
        Padded behind ``target_lengths``; no label is ``blank``.
    input_lengths, target_lengths : Tensor (batch,) of integers
    blank : int
    reduction : {"mean", "sum", "none"}
        The mean divides each by its number of labels (at least 1), then by the batch.
    zero_infinity : bool
        0 where more frames would be needed than there are, instead of infinity. The
        gradient is 0 there in both cases.

    Returns
    -------
    Tensor (), or (batch,) with "none"

    Notes
    -----
    Graves et al. (2006), "Connectionist Temporal Classification". Defaults are those of
    ``torch.nn.functional.ctc_loss``.

    Examples
    --------
    >>> import helix_core as hx
    >>> p = hx.log(hx.full((2, 1, 2), 0.5))  # 3 of 4 paths give one label
    >>> round(ctc(p, hx.tensor([[1]]), hx.tensor([2]), hx.tensor([1])).item(), 4)
    0.2877
    """
    lp, labels = _in(log_probs), _in(targets)
    if lp.ndim != 3 or not lp.dtype.inexact or 0 in lp.shape:
        raise ShapeError(
            f"[ctc] expected float log_probs (time, batch, class); got {lp.aval!r}"
        )
    time, n, classes = lp.shape
    if labels.ndim != 2 or labels.shape[0] != n:
        raise ShapeError(f"[ctc] expected targets ({n}, label); got {labels.shape}")
    if labels.dtype.inexact or labels.dtype.name == "bool":
        raise DTypeError(f"[ctc] expected targets of integers; got {labels.aval!r}")
    if not 0 <= blank < classes:
        raise HelixError(f"[ctc] expected blank in [0, {classes}); got {blank}")
    if reduction not in ("mean", "sum", "none"):
        raise HelixError(
            f"[ctc] expected reduction 'mean', 'sum' or 'none'; got {reduction!r}"
        )
    count = labels.shape[1]
    frames = _lengths("input_lengths", input_lengths, n, time, labels)
    wanted = _lengths("target_lengths", target_lengths, n, count, labels)
    # blanks around every label: states 0 ... 2 label
    blanks = ops.full_like(labels, blank)
    pairs = ops.reshape(ops.stack([blanks, labels], -1), n, 2 * count)
    states = (
        ops.concat([pairs, ops.full_like(pairs[:, :1], blank)], 1)
        if count
        else (ops.broadcast_to(ops.cast(_in(blank), labels.dtype), (n, 1)))
    )
    size = 2 * count + 1
    at = arange(size, device=lp.device)
    # a label may follow another directly unless the two are one
    before = ops.pad(states, ((0, 0), (2, 0)), value=blank)[:, :size]
    skips = ops.logical_and((states != blank), (states != before))
    index = ops.broadcast_to(
        ops.expand_dims(ops.clip(states, 0, classes - 1), 0), (time, n, size)
    )
    emitted = take_along_axis(lp, index, 2)  # (time, batch, state)
    alpha = ops.where(at < 2, emitted[0], NEVER)

    def step(carry: Tensor, x: Any) -> tuple[Tensor, None]:
        t, here = x
        jump = ops.where(skips, _behind(carry, 2), NEVER)
        new = ops.maximum(_either(carry, _behind(carry, 1), jump) + here, NEVER)
        live = ops.expand_dims(t < frames, 1)
        return ops.where(live, new, carry), None

    if time > 1:
        steps = arange(1, time, device=lp.device)
        steps = ops.cast(steps, frames.dtype)
        alpha, _ = scan(step, alpha, (steps, emitted[1:]))
    end = ops.expand_dims(2 * wanted, 1)
    last = take_along_axis(alpha, end, 1)[:, 0]
    label = take_along_axis(alpha, ops.maximum(end - 1, 0), 1)[:, 0]
    label = ops.where((wanted == 0), NEVER, label)
    each = -_either(last, label)
    # no frames at all: certain for no labels, impossible for others
    none = frames == 0
    each = ops.where(none, ops.where((wanted == 0), 0.0, -NEVER), each)
    out_of_reach = each > -0.5 * NEVER
    each = ops.where(out_of_reach, 0.0 if zero_infinity else float("inf"), each)
    if reduction == "none":
        return each
    if reduction == "sum":
        return ops.sum(each)
    return ops.mean(each / ops.cast(ops.maximum(wanted, 1), each.dtype))
