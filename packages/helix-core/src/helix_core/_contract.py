"""Products: ``matmul``, ``einsum``, ``tensordot``, ``outer`` over ``dot_general``."""

from __future__ import annotations

from typing import Any

from . import _ops as ops
from ._aval import Aval
from ._errors import ShapeError
from ._precision import checked
from ._primitive import bind
from ._primitives._rules import broadcast_shapes, normal_axes
from ._primitives.contract import dot_general_p
from ._reduce import reduce_sum_p
from ._shape import broadcast_p, permute_p, reshape_p
from ._state import STATE
from ._tensor import Tensor


def dot_general(a: Any, b: Any, dims: Any, compute: str | None = None) -> Tensor:
    """The general product.

    Parameters
    ----------
    a, b : Tensor
    dims : ((axes of a, axes of b), (batch axes of a, batch axes of b))
        Contracted and batch axes.
    compute : {"float32", "bfloat16"}, optional
        With "bfloat16" operands of float32 are rounded to it and products accumulate
        in float32: mixed precision. Default: what `precision` says.

    Returns
    -------
    Tensor
        Batch axes, then the rest of a, then the rest of b.
    """
    a, b = ops.lift(a, b)
    (ca, cb), (ba, bb) = dims
    dims = (
        (
            normal_axes("dot_general", ca, a.ndim),
            normal_axes("dot_general", cb, b.ndim),
        ),
        (
            normal_axes("dot_general", ba, a.ndim),
            normal_axes("dot_general", bb, b.ndim),
        ),
    )
    compute = checked("dot_general", compute)
    return bind(dot_general_p, a, b, dims=dims, compute=compute)


def matmul(a: Any, b: Any) -> Tensor:
    """Matrix product over the last two axes, with NumPy's rules for vectors and batches.

    >>> import helix_core as hx
    >>> matmul(hx.ones((2, 3)), hx.ones((3,))).tolist()
    [3.0, 3.0]
    """
    a, b = ops.lift(a, b)
    n, m = a.ndim, b.ndim
    compute = STATE.get().compute
    if n == 0 or m == 0:
        raise ShapeError(
            f"[matmul] expected at least one axis each; got {a.aval!r}, {b.aval!r}. "
            "Hint: * multiplies by a scalar"
        )
    if m <= 2 or n == 1:  # no batch axes to align
        cb = m - 2 if m > 1 else 0
        flat = (((n - 1,), (cb,)), ((), ()))
        return bind(dot_general_p, a, b, dims=flat, compute=compute)
    lead = broadcast_shapes(
        "matmul", Aval(a.shape[:-2], a.dtype), Aval(b.shape[:-2], b.dtype)
    )
    if n == 2 and m > 2:
        a = broadcast_p(a, (*lead, *a.shape))
    else:
        a = broadcast_p(a, (*lead, *a.shape[-2:]))
    b = broadcast_p(b, (*lead, *b.shape[-2:]))
    k = len(lead)
    batch = tuple(range(k))
    dims = (((k + 1,), (k,)), (batch, batch))
    return bind(dot_general_p, a, b, dims=dims, compute=compute)


def tensordot(a: Any, b: Any, axes: Any = 2) -> Tensor:
    """Sum of products over the last ``axes`` of a and first of b, or over axis pairs."""
    a, b = ops.lift(a, b)
    if isinstance(axes, int):
        if axes > min(a.ndim, b.ndim):
            raise ShapeError(
                f"[tensordot] expected at most {min(a.ndim, b.ndim)} axes; got {axes}"
            )
        axes = (tuple(range(a.ndim - axes, a.ndim)), tuple(range(axes)))
    ca, cb = ((x,) if isinstance(x, int) else tuple(x) for x in axes)
    return dot_general(a, b, ((ca, cb), ((), ())))


def outer(a: Any, b: Any) -> Tensor:
    """Every product of two vectors, (n, m)."""
    a, b = ops.lift(a, b)
    return ops.mul_p(reshape_p(a, (a.aval.size, 1)), reshape_p(b, (1, b.aval.size)))


def einsum(subscripts: str, *operands: Any) -> Tensor:
    """Einstein summation, as NumPy's, contracting two operands at a time.

    Parameters
    ----------
    subscripts : str
        ``"bij,bjk->bik"``; repeated letters take diagonals, ``...`` stands for batch
        axes, and without ``->`` the letters that occur once are kept, in order.

    Examples
    --------
    >>> import helix_core as hx
    >>> einsum("ij,kj->ik", hx.ones((2, 3)), hx.ones((4, 3))).shape
    (2, 4)
    """
    ts = ops.lift(*operands)
    terms, out = _parse(subscripts, ts)
    pairs = [_diagonal(t, term) for t, term in zip(ts, terms, strict=True)]
    while len(pairs) > 1:
        (a, la), (b, lb) = pairs.pop(0), pairs.pop(0)
        later = set(out).union(*[set(term) for _, term in pairs]) if pairs else set(out)
        pairs.insert(0, _contract(a, la, b, lb, later))
    t, letters = pairs[0]
    gone = tuple(i for i, c in enumerate(letters) if c not in out)
    if gone:
        t = reduce_sum_p(t, gone)
        letters = [c for c in letters if c in out]
    order = tuple(letters.index(c) for c in out)
    return t if order == tuple(range(len(order))) else permute_p(t, order)


def _parse(subscripts: str, ts: list[Tensor]) -> tuple[list[list[str]], list[str]]:
    def fail(why: str) -> None:
        got = ", ".join(repr(t.aval) for t in ts)
        raise ShapeError(f"[einsum] expected {why}; got {subscripts!r} for {got}")

    text = subscripts.replace(" ", "")
    left, arrow, right = text.partition("->")
    parts = left.split(",")
    if len(parts) != len(ts):
        fail(f"{len(ts)} terms")
    most = 0
    for part, t in zip(parts, ts, strict=True):
        if "..." in part:
            most = max(most, t.ndim - len(part.replace("...", "")))
    dots = [f"{i}" for i in range(most)]  # digits name the batch axes

    def expand(part: str, n: int | None) -> list[str]:
        if "..." not in part:
            return list(part)
        head, _, tail = part.partition("...")
        k = most if n is None else n - len(head) - len(tail)
        if k < 0:
            fail("fewer letters than axes")
        return [*head, *dots[most - k :], *tail]

    terms = [expand(p, t.ndim) for p, t in zip(parts, ts, strict=True)]
    sizes: dict[str, int] = {}
    for term, t in zip(terms, ts, strict=True):
        if len(term) != t.ndim or any(not (c.isalpha() or c.isdigit()) for c in term):
            fail("one letter per axis")
        for c, n in zip(term, t.shape, strict=True):
            if sizes.setdefault(c, n) != n and 1 not in (sizes[c], n):
                fail(f"one size for {c!r}")
            sizes[c] = max(sizes[c], n)
    if arrow:
        out = expand(right, None)
    else:
        flat = [c for term in terms for c in term]
        out = dots + sorted(c for c in set(flat) if c.isalpha() and flat.count(c) == 1)
    if len(set(out)) != len(out) or any(c not in sizes for c in out):
        fail("each result letter once, and in the operands")
    return terms, out


def _diagonal(t: Tensor, term: list[str]) -> tuple[Tensor, list[str]]:
    """Repeated letters: multiply by the identity's pattern and sum one copy away."""
    while len(set(term)) != len(term):
        c = next(c for c in term if term.count(c) > 1)
        i = term.index(c)
        j = term.index(c, i + 1)
        n = t.shape[i]
        row = [1] * t.ndim
        row[i] = n
        col = [1] * t.ndim
        col[j] = n
        place = ops.arange(n, device=t.device)
        same = ops.eq(reshape_p(place, tuple(row)), reshape_p(place, tuple(col)))
        t = reduce_sum_p(ops.where(same, t, ops.zeros((), t.dtype, t.device)), (j,))
        term = term[:j] + term[j + 1 :]
    return t, term


def _contract(
    a: Tensor, la: list[str], b: Tensor, lb: list[str], later: set[str]
) -> tuple[Tensor, list[str]]:
    for t, mine, other in ((0, la, lb), (1, lb, la)):
        x = (a, b)[t]
        alone = tuple(
            i for i, c in enumerate(mine) if c not in later and c not in other
        )
        if alone:
            x = reduce_sum_p(x, alone)
            kept = [c for i, c in enumerate(mine) if i not in alone]
            if t == 0:
                a, la = x, kept
            else:
                b, lb = x, kept
    shared = [c for c in la if c in lb]
    size = {c: max(a.shape[la.index(c)], b.shape[lb.index(c)]) for c in shared}
    a = broadcast_p(a, tuple(size.get(c, n) for c, n in zip(la, a.shape, strict=True)))
    b = broadcast_p(b, tuple(size.get(c, n) for c, n in zip(lb, b.shape, strict=True)))
    batch = [c for c in shared if c in later]
    over = [c for c in shared if c not in later]
    dims = (
        (tuple(la.index(c) for c in over), tuple(lb.index(c) for c in over)),
        (tuple(la.index(c) for c in batch), tuple(lb.index(c) for c in batch)),
    )
    out = (
        batch + [c for c in la if c not in shared] + [c for c in lb if c not in shared]
    )
    compute = STATE.get().compute
    return bind(dot_general_p, a, b, dims=dims, compute=compute), out
