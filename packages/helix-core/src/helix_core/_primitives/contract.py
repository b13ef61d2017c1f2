"""``dot_general``: every matrix product."""

from __future__ import annotations

from typing import Any

from .. import _ops as ops
from .._aval import Aval
from .._errors import DTypeError, ShapeError
from .._primitive import bind, primitive
from ._rules import need, same_dtype, shapes

# dims = ((contracted of a, contracted of b), (batch of a, batch of b));
# the result has the batch axes, then the rest of a, then the rest of b


def rest(ndim: int, *used: Any) -> tuple[int, ...]:
    gone = {i for axes in used for i in axes}
    return tuple(i for i in range(ndim) if i not in gone)


def _infer(a: Aval, b: Aval, dims: Any, compute: str = "float32") -> tuple[Aval, ...]:
    (ca, cb), (ba, bb) = dims
    dtype = same_dtype("dot_general", a, b)
    need("dot_general", a, "int", "uint", "float", "complex")
    if compute not in ("float32", "bfloat16"):
        raise DTypeError(
            f"[dot_general] expected compute='float32' or 'bfloat16'; got {compute!r}"
        )
    ok = len(ca) == len(cb) and len(ba) == len(bb)
    ok = ok and all(a.shape[i] == b.shape[j] for i, j in zip(ca, cb, strict=True))
    ok = ok and all(a.shape[i] == b.shape[j] for i, j in zip(ba, bb, strict=True))
    if not ok:
        raise ShapeError(
            f"[matmul] expected equal sizes on axes {ca} and {cb} (contracted) and "
            f"{ba} and {bb} (batch); got {shapes(a, b)}"
        )
    shape = [a.shape[i] for i in ba]
    shape += [a.shape[i] for i in rest(a.ndim, ca, ba)]
    shape += [b.shape[i] for i in rest(b.ndim, cb, bb)]
    return (Aval(tuple(shape), dtype),)


def _half(ct: Any, x: Any, y: Any, dims: Any, second: bool, compute: str) -> Any:
    """Gradient of x; ``second``: x is the right operand."""
    (cx, cy), (bx, by) = dims
    rx, ry, nb = rest(x.ndim, cx, bx), rest(y.ndim, cy, by), len(bx)
    lead = nb if second else nb + len(rx)
    over = tuple(range(lead, lead + len(ry)))
    batch = (tuple(range(nb)), tuple(by))
    # result axes: batch, the rest of x, then the contracted axes in y's order
    by_y = sorted(range(len(cy)), key=lambda i: cy[i])
    have = (*bx, *rx, *(cx[i] for i in by_y))
    # products whose operand order matches the wanted layout need no transpose:
    # for a weight used as x @ w.T, grad = ct.T @ x
    flipped = (*bx, *(cx[i] for i in by_y), *rx)
    if flipped == tuple(range(x.ndim)) and have != flipped:
        swapped = ((tuple(ry), over), (tuple(by), batch[0]))
        return bind(dot_general_p, y, ct, dims=swapped, compute=compute)
    g = bind(dot_general_p, ct, y, dims=((over, tuple(ry)), batch), compute=compute)
    perm = tuple(sorted(range(len(have)), key=have.__getitem__))
    return g if perm == tuple(range(len(perm))) else ops.permute_p(g, perm)


def _vjp(
    inputs: Any,
    outputs: Any,
    cts: Any,
    wanted: Any,
    dims: Any,
    compute: str = "float32",
) -> Any:
    (a, b), ct = inputs, cts[0]
    (ca, cb), (ba, bb) = dims
    return (
        _half(ct, a, b, dims, False, compute) if wanted[0] else None,
        _half(ct, b, a, ((cb, ca), (bb, ba)), True, compute) if wanted[1] else None,
    )


dot_general_p = primitive(
    "dot_general", "CONTRACT", _infer, _vjp, reads=((1,), (0,)), required=True
)
