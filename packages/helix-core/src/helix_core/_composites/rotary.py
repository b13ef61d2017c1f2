"""Rotary position embedding: pairs of features turn with their position."""

from __future__ import annotations

from typing import Any

from .. import _ops as ops
from .._composite import composite
from .._errors import ShapeError
from .._shape import _in
from .._tensor import Tensor

# inputs: x (b, t, h, d), cos and sin (b|1, t, r/2), r <= d. output: y like x.
# The backward rule reads y and not x: attention keeps y anyway, and x follows from it.


def _pairs(x: Tensor, r: int, interleaved: bool) -> tuple[Tensor, Tensor]:
    """First and second members, (b, t, h, r/2)."""
    if interleaved:
        return x[..., 0:r:2], x[..., 1:r:2]
    return ops.narrow(x, 3, 0, r // 2), ops.narrow(x, 3, r // 2, r)


def _joined(a: Tensor, b: Tensor, x: Tensor, r: int, interleaved: bool) -> Tensor:
    """The pairs in their places, and what was not turned after them."""
    parts = [a, b]
    if interleaved:
        parts = [ops.reshape(ops.stack(parts, 4), *x.shape[:3], r)]
    if r < x.shape[3]:
        parts.append(ops.narrow(x, 3, r, x.shape[3]))
    return ops.concat(parts, 3)


def _rotary(x: Tensor, cos: Tensor, sin: Tensor, interleaved: bool) -> Tensor:
    r = 2 * cos.shape[2]
    c, s = ops.expand_dims(cos, 2), ops.expand_dims(sin, 2)  # (b|1, t, 1, r/2)
    a, b = _pairs(x, r, interleaved)
    return _joined(a * c - b * s, b * c + a * s, x, r, interleaved)


def _bwd(
    inputs: Any, outputs: Any, residuals: Any, cts: Any, interleaved: bool
) -> tuple[Tensor, ...]:
    (cos, sin), (y,), (dy,) = inputs, outputs, cts
    r = 2 * cos.shape[2]
    a, b = _pairs(y, r, interleaved)
    da, db = _pairs(dy, r, interleaved)
    over = (0, 2) if cos.shape[0] != y.shape[0] else (2,)
    along = ops.sum(da * a + db * b, over)
    turned = ops.sum(db * a - da * b, over)
    if len(over) == 2:
        along, turned = ops.expand_dims(along, 0), ops.expand_dims(turned, 0)
    size = cos * cos + sin * sin
    size = ops.where(ops.eq(size, 0), 1.0, size)
    dcos = (cos * along - sin * turned) / size
    dsin = (cos * turned + sin * along) / size
    return _rotary(dy, cos, ops.negative(sin), interleaved), dcos, dsin


rotary_c = composite(
    "rotary",
    fwd=lambda x, cos, sin, interleaved: (_rotary(x, cos, sin, interleaved),),
    bwd=_bwd,
    reads_inputs=(1, 2),
)(_rotary)


def rotary(x: Any, cos: Any, sin: Any, *, interleaved: bool = False) -> Tensor:
    """(a, b) -> (a cos - b sin, b cos + a sin) for every pair of features.

    Parameters
    ----------
    x : Tensor (batch, time, heads, d_head)
    cos, sin : Tensor (time, d_rot / 2) or (batch, time, d_rot / 2)
        Of the angle of each position and pair; ``d_rot <= d_head``, and the features
        from ``d_rot`` on stay as they are.
    interleaved : bool
        Pairs are neighbours (GPT-J) instead of feature i and i + d_rot / 2 (Llama).

    Returns
    -------
    Tensor (batch, time, heads, d_head)

    Raises
    ------
    ShapeError
        Where the tables do not fit x.

    Notes
    -----
    The tables' gradient is defined where cos and sin are not both zero.

    References
    ----------
    Su et al., "RoFormer", arXiv:2104.09864.

    Examples
    --------
    >>> import helix_core as hx
    >>> x = hx.tensor([[[[1.0, 2.0]]]])
    >>> rotary(x, hx.zeros((1, 1)), hx.ones((1, 1))).tolist()
    [[[[-2.0, 1.0]]]]
    """
    x, cos, sin = (_in(t) for t in (x, cos, sin))
    got = f"got x.shape={x.shape}, cos.shape={cos.shape}, sin.shape={sin.shape}"
    if x.ndim != 4:
        raise ShapeError(f"[rotary] expected x (batch, time, heads, d_head); {got}")
    b, t, _, d = x.shape
    tables = cos.shape[:-1] in ((t,), (b, t)) and cos.shape == sin.shape
    if not tables or 2 * cos.shape[-1] > d:
        raise ShapeError(
            "[rotary] expected cos and sin of shape (time, d_rot / 2) or (batch, time, "
            f"d_rot / 2) with d_rot <= d_head; {got}"
        )
    if cos.shape[-1] == 0:
        return x
    if cos.ndim == 2:
        cos, sin = ops.expand_dims(cos, 0), ops.expand_dims(sin, 0)
    return rotary_c(*ops.lift(x, cos, sin, inexact=True), interleaved=bool(interleaved))
