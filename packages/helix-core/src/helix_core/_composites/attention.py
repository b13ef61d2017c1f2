"""Softmax attention: every head and every mask in one composite."""

from __future__ import annotations

from typing import Any, NamedTuple

from .. import _ops as ops
from .._composite import composite
from .._errors import DTypeError, HelixError, ShapeError
from .._shape import _in, detach
from .._state import STATE
from .._tensor import Tensor

# inputs: q (b, tq, h, d), k (b, tk, g, d), v (b, tk, g, dv), then, where the attribute of
# the same name says so: bias (b|1, h|1, tq|1, tk|1), slopes (h,), lengths (b,) int32.
# output: y (b, tq, h, dv). residual: the log-sum-exp of each row of scores, (b, h, tq),
# +inf where a row sees no key, so that exp(score - lse) is its share in every case.
# Query head n reads key head n // (h // g).

OPTIONAL = ("bias", "slopes", "lengths")


class _Seen(NamedTuple):
    """What is visible, broadcastable to (b, h, tq, tk), and distances (tq, tk)."""

    mask: Tensor | None
    distance: Tensor | None


def _named(rest: tuple[Tensor, ...], flags: dict[str, Any]) -> dict[str, Any]:
    it = iter(rest)
    return {k: next(it) if flags[k] else None for k in OPTIONAL}


# ------------------------------------------------------------------- grouped products
def _grouped(q: Tensor, k: Tensor) -> Tensor:
    """(b, tq, h, d) with its query heads beside their key head: (b, tq, g, h/g, d)."""
    b, t, h, d = q.shape
    g = k.shape[2]
    return ops.reshape(q, b, t, g, h // g, d)


def _scores(q: Tensor, k: Tensor, compute: str) -> Tensor:
    """q (b, tq, h, d) with k (b, tk, g, d): (b, h, tq, tk)."""
    (b, t, h, _), s = q.shape, k.shape[1]
    dims = (((4,), (3,)), ((0, 2), (0, 2)))
    x = ops.dot_general(_grouped(q, k), k, dims, compute)  # (b, g, tq, h/g, tk)
    return ops.reshape(ops.swapaxes(x, 2, 3), b, h, t, s)


def _mix(p: Tensor, v: Tensor, compute: str) -> Tensor:
    """Weights p (b, h, tq, tk) of rows v (b, tk, g, d): (b, tq, h, d)."""
    (b, h, t, s), (g, d) = p.shape, v.shape[2:]
    p = ops.reshape(p, b, g, h // g, t, s)
    x = ops.dot_general(p, v, (((4,), (1,)), ((0, 1), (0, 2))), compute)
    return ops.reshape(ops.permute_dims(x, (0, 3, 1, 2, 4)), b, t, h, d)


def _fold(p: Tensor, y: Tensor, k: Tensor, compute: str) -> Tensor:
    """The transpose of `_mix`: p with y (b, tq, h, d), summed to k's heads."""
    (b, h, t, s), g = p.shape, k.shape[2]
    p = ops.reshape(p, b, g, h // g, t, s)
    x = ops.dot_general(
        p, _grouped(y, k), (((2, 3), (3, 1)), ((0, 1), (0, 2))), compute
    )
    return ops.swapaxes(x, 1, 2)


# -------------------------------------------------------------------------- visibility
def _seen(q: Tensor, k: Tensor, o: dict[str, Any], causal: bool, window: Any) -> _Seen:
    t, s = q.shape[1], k.shape[1]
    rows = ops.reshape(ops.arange(s - t, s, device=q.device), t, 1)
    columns = ops.reshape(ops.arange(s, device=q.device), 1, s)
    back = rows - columns
    distance = ops.abs(back)
    mask = ops.ge(back, 0) if causal else None
    if window is not None:
        mask = _both(mask, ops.lt(distance, window))
    if o["lengths"] is not None:
        lengths = ops.reshape(o["lengths"], -1, 1, 1, 1)
        mask = _both(mask, ops.lt(columns, lengths))
    if mask is not None:
        mask = ops.reshape(mask, *(1,) * (4 - mask.ndim), *mask.shape)
    far = distance if o["slopes"] is not None else None
    return _Seen(mask, None if far is None else ops.cast(far, q.dtype))


def _both(a: Tensor | None, b: Tensor) -> Tensor:
    return b if a is None else ops.logical_and(a, b)


def _used(x: Tensor, mask: Tensor | None, axis: int) -> Tensor:
    """Rows of x (b, t, ...) that nothing sees, or that see nothing, as zeros.

    0 times what they hold would be NaN where that is NaN or infinite.
    """
    if mask is None:
        return x
    some = ops.any(mask, axis)[:, 0]  # (b, t)
    return ops.where(ops.reshape(some, *some.shape, 1, 1), x, ops.zeros_like(x))


# ------------------------------------------------------------------------------- rules
def _biased(
    q: Tensor, k: Tensor, o: Any, seen: _Seen, scale: float, compute: str
) -> Tensor:
    """Scores with everything that is added to them, -inf where hidden."""
    z = _scores(q, k, compute) * scale
    if o["bias"] is not None:
        z = z + o["bias"]
    if seen.distance is not None:
        z = z - ops.reshape(o["slopes"], -1, 1, 1) * seen.distance
    return z if seen.mask is None else ops.where(seen.mask, z, float("-inf"))


def _fwd(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *rest: Tensor,
    causal: bool,
    window: int | None,
    scale: float,
    compute: str,
    **flags: bool,
) -> tuple[Tensor, Tensor]:
    (b, t, h, _), dv = q.shape, v.shape[3]
    if 0 in (b, t, h, k.shape[1]):  # no row of scores has a maximum
        empty = ops.zeros((b, t, h, dv), q.dtype, q.device)
        return empty, ops.full((b, h, t), float("inf"), q.dtype, q.device)
    o = _named(rest, flags)
    seen = _seen(q, k, o, causal, window)
    z = _biased(q, k, o, seen, scale, compute)
    top = detach(ops.max(z, -1, True))
    top = ops.where(ops.eq(top, float("-inf")), 0.0, top)
    e = ops.exp(z - top)
    total = ops.sum(e, -1, True)
    none = ops.eq(total, 0)
    total = ops.where(none, 1.0, total)
    y = _mix(e / total, _used(v, seen.mask, 2), compute)
    lse = ops.where(none, float("inf"), ops.log(total) + top)
    return y, ops.squeeze(lse, 3)


def _attention(*xs: Tensor, **attrs: Any) -> Tensor:
    return _fwd(*xs, **attrs)[0]


def _bwd(
    inputs: Any,
    outputs: Any,
    residuals: Any,
    cts: Any,
    causal: bool,
    window: int | None,
    scale: float,
    compute: str,
    **flags: bool,
) -> tuple[Tensor | None, ...]:
    q, k, v, *rest = inputs
    (y,), (lse,), (dy,) = outputs, residuals, cts
    o = _named(tuple(rest), flags)
    seen = _seen(q, k, o, causal, window)
    mask = seen.mask
    z = _biased(q, k, o, seen, scale, compute)
    p = ops.exp(z - ops.expand_dims(lse, 3))
    q, dy = (_used(x, mask, 3) for x in (q, dy))
    k, v = (_used(x, mask, 2) for x in (k, v))
    mean = ops.swapaxes(ops.sum(dy * y, 3, True), 1, 2)  # of dp over p: (b, h, tq, 1)
    ds = p * (_scores(dy, v, compute) - mean)
    if mask is not None:
        ds = ops.where(mask, ds, 0.0)
    dq = _mix(ds, k, compute) * scale
    dk = _fold(ds, q, k, compute) * scale
    grads: list[Tensor | None] = [dq, dk, _fold(p, dy, k, compute)]
    if o["bias"] is not None:
        over = [i for i, n in enumerate(o["bias"].shape) if n != ds.shape[i]]
        grads.append(ops.sum(ds, tuple(over), True) if over else ds)
    if o["slopes"] is not None:
        grads.append(ops.negative(ops.sum(ds * seen.distance, (0, 2, 3))))
    if o["lengths"] is not None:
        grads.append(None)
    return tuple(grads)


attention_c = composite("attention", fwd=_fwd, bwd=_bwd)(_attention)


def attention(
    q: Any,
    k: Any,
    v: Any,
    *,
    causal: bool = False,
    window: int | None = None,
    scale: float | None = None,
    bias: Any = None,
    slopes: Any = None,
    lengths: Any = None,
) -> Tensor:
    """``softmax(scale q k^T + bias - slopes |i - j|) v``, for every head.

    Parameters
    ----------
    q : Tensor (batch, time_q, heads, d_head)
    k : Tensor (batch, time_k, kv_heads, d_head)
    v : Tensor (batch, time_k, kv_heads, d_head_v)
        ``kv_heads`` divides ``heads``: query head h reads key head
        ``h // (heads // kv_heads)``. One is multi-query attention.
    causal : bool
        Query i stands at position ``time_k - time_q + i``, so that the last query sees
        the last key, and sees no key after its own position.
    window : int, optional
        Only keys at a distance below ``window`` are seen: itself alone with 1.
    scale : float, optional
        ``d_head ** -0.5`` by default.
    bias : Tensor, optional
        Added to the scores; broadcasts to (batch, heads, time_q, time_k). It may hold
        -inf, and has a gradient.
    slopes : Tensor (heads,), optional
        ALiBi: ``slopes |i - j|`` is subtracted from the score of positions i and j.
    lengths : Tensor (batch,) of integers, optional
        Keys at or after it are hidden.

    Returns
    -------
    Tensor (batch, time_q, heads, d_head_v)
        Zero in rows that see no key.

    Raises
    ------
    ShapeError, DTypeError
        Where sizes do not fit, heads do not divide, or ``lengths`` are no integers.

    Notes
    -----
    Keys that no query sees, and queries that see no key, have zero gradients and leave
    no trace, whatever they hold. Kernels need memory for the inputs and the result alone;
    the default body holds (batch, heads, time_q, time_k).

    References
    ----------
    Vaswani et al., arXiv:1706.03762; Dao, arXiv:2307.08691; grouped queries: Ainslie et
    al., arXiv:2305.13245; ALiBi: Press et al., arXiv:2108.12409.

    Examples
    --------
    >>> import helix_core as hx
    >>> x = hx.ones((1, 4, 2, 8))
    >>> attention(x, x, x, causal=True).shape
    (1, 4, 2, 8)
    """
    q, k, v = (_in(x) for x in (q, k, v))
    _check(q, k, v, window)
    floats = [q, k, v]
    if bias is not None:
        floats.append(_bias(_in(bias), q, k))
    if slopes is not None:
        floats.append(_vector("slopes", _in(slopes), "heads", q.shape[2]))
    args = ops.lift(*floats, inexact=True)
    if lengths is not None:
        lengths = _vector("lengths", _in(lengths), "batch", q.shape[0])
        if lengths.dtype.category not in ("int", "uint"):
            raise DTypeError(
                f"[attention] expected integer lengths; got {lengths.aval!r}"
            )
        args.append(ops.cast(lengths, "int32"))
    return attention_c(
        *args,
        causal=bool(causal),
        window=window,
        scale=q.shape[3] ** -0.5 if scale is None else float(scale),
        compute=STATE.get().compute,
        bias=bias is not None,
        slopes=slopes is not None,
        lengths=lengths is not None,
    )


def _check(q: Tensor, k: Tensor, v: Tensor, window: Any) -> None:
    if q.ndim != 4 or k.ndim != 4 or v.ndim != 4:
        _expected("q, k and v (batch, time, heads, d_head)", q, k, v)
    (b, _, heads, d), (_, _, kv_heads, d_k) = q.shape, k.shape
    if k.shape[:3] != v.shape[:3] or b != k.shape[0]:
        _expected("one batch size, and k and v of equal time and heads", q, k, v)
    if d != d_k or not d:
        _expected("q and k of one d_head >= 1", q, k, v)
    if not kv_heads or heads % kv_heads:
        _expected(f"key heads whose number divides {heads} query heads", q, k, v)
    if window is not None and (type(window) is not int or window < 1):
        raise HelixError(
            f"[attention] expected window None or a whole number >= 1; got {window!r}"
        )


def _expected(what: str, q: Tensor, k: Tensor, v: Tensor) -> None:
    raise ShapeError(
        f"[attention] expected {what}; got q.shape={q.shape}, k.shape={k.shape}, "
        f"v.shape={v.shape} on {q.device.name!r}"
    )


def _bias(bias: Tensor, q: Tensor, k: Tensor) -> Tensor:
    """With four axes."""
    (b, t, h, _), s = q.shape, k.shape[1]
    shape = (1,) * (4 - bias.ndim) + bias.shape
    if any(n not in (1, m) for n, m in zip(shape, (b, h, t, s), strict=False)) or (
        len(shape) != 4
    ):
        raise ShapeError(
            f"[attention] expected a bias that broadcasts to (batch, heads, time_q, "
            f"time_k)={(b, h, t, s)}; got {bias.shape}"
        )
    return ops.reshape(bias, shape)


def _vector(name: str, x: Tensor, axis: str, n: int) -> Tensor:
    if x.shape != (n,):
        raise ShapeError(f"[attention] expected {name} ({axis},)=({n},); got {x.shape}")
    return x
