"""Products of vectors and matrices, and powers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import _ops as ops
from .._contract import outer as _outer
from .._create import eye
from .._errors import ShapeError
from .._primitive import bind
from .._primitives._rules import normal_axes, shapes
from .._primitives.linalg import column, matrix_exp_p
from .._tensor import Tensor
from ._check import matrix, numbers, whole
from ._solve import inv


def outer(x1: Any, x2: Any, /) -> Tensor:
    """Every product of two vectors, (n, m).

    Raises
    ------
    ShapeError
        For anything but vectors.
    """
    a, b = numbers("outer", x1), numbers("outer", x2)
    if a.ndim != 1 or b.ndim != 1:
        raise ShapeError(f"[outer] expected two vectors; got {shapes(a.aval, b.aval)}")
    return _outer(a, b)


def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Tensor:
    """Cross products along an axis of size 3; the other axes broadcast."""
    a, b = ops.lift(numbers("cross", x1), numbers("cross", x2))
    i = normal_axes("cross", (axis,), a.ndim)[0]
    j = normal_axes("cross", (axis,), b.ndim)[0]
    if a.shape[i] != 3 or b.shape[j] != 3:
        raise ShapeError(
            f"[cross] expected size 3 along axis {axis}; got {shapes(a.aval, b.aval)}"
        )
    a, b = ops.broadcast_arrays(ops.moveaxis(a, i, -1), ops.moveaxis(b, j, -1))
    last = a.ndim - 1
    a1, b1 = ops.roll(a, -1, last), ops.roll(b, -1, last)
    a2, b2 = ops.roll(a, -2, last), ops.roll(b, -2, last)
    return ops.moveaxis(a1 * b2 - a2 * b1, -1, axis)


def kron(x1: Any, x2: Any, /) -> Tensor:
    """Kronecker product: each element of x1 times all of x2, in place of it.

    Sizes multiply axis by axis; the tensor with fewer axes gets leading ones.
    """
    a, b = ops.lift(x1, x2)
    n = max(a.ndim, b.ndim)
    left, right = ((1,) * (n - t.ndim) + t.shape for t in (a, b))
    a = ops.reshape_p(a, tuple([k for s in left for k in (s, 1)]))
    b = ops.reshape_p(b, tuple([k for s in right for k in (1, s)]))
    out = tuple([s * r for s, r in zip(left, right, strict=True)])
    return ops.reshape_p(ops.mul(a, b), out)


def multi_dot(xs: Sequence[Any], /) -> Tensor:
    """The product of several matrices, in the order of fewest multiplications.

    Parameters
    ----------
    xs : sequence of Tensor
        Matrices; the first may be a row vector and the last a column vector.
    """
    ts = ops.lift(*xs)
    if len(ts) < 2:
        raise ShapeError(f"[multi_dot] expected at least two tensors; got {len(ts)}")
    first, last = ts[0].ndim == 1, ts[-1].ndim == 1
    if first:
        ts[0] = ops.expand_dims(ts[0], 0)
    if last:
        ts[-1] = ops.expand_dims(ts[-1], 1)
    sizes = [t.shape[0] for t in ts if t.ndim == 2] + [ts[-1].shape[-1]]
    fits = all(t.ndim == 2 for t in ts) and all(
        t.shape[1] == n for t, n in zip(ts, sizes[1:], strict=True)
    )
    if not fits:
        raise ShapeError(
            "[multi_dot] expected matrices whose sizes chain; got "
            f"{shapes(*[t.aval for t in ts])}"
        )
    y = _chained(ts, _splits(sizes), 0, len(ts) - 1)
    y = ops.squeeze(y, 0) if first else y
    return ops.squeeze(y, -1) if last else y


def _splits(p: list[int]) -> dict[tuple[int, int], int]:
    """Where to cut each range of factors. Cormen et al., "Algorithms", 15.2."""
    n = len(p) - 1
    cost = {(i, i): 0 for i in range(n)}
    cut: dict[tuple[int, int], int] = {}
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            cost[i, j], cut[i, j] = min(
                (cost[i, k] + cost[k + 1, j] + p[i] * p[k + 1] * p[j + 1], k)
                for k in range(i, j)
            )
    return cut


def _chained(ts: list[Tensor], cut: Any, i: int, j: int) -> Tensor:
    if i == j:
        return ts[i]
    k = cut[i, j]
    return ops.matmul(_chained(ts, cut, i, k), _chained(ts, cut, k + 1, j))


def matrix_power(x: Any, n: int, /) -> Tensor:
    """x multiplied by itself n times, by squaring; of the inverse for n < 0.

    Parameters
    ----------
    x : Tensor, (..., m, m)
        Numbers of any kind; float or complex for n < 0.
    n : int

    Raises
    ------
    LinAlgError
        For n < 0 and a singular matrix.
    """
    x, n = numbers("matrix_power", x), whole("matrix_power", "power", n)
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ShapeError(f"[matrix_power] expected square matrices; got {x.aval!r}")
    if n < 0:
        x, n = inv(x), -n
    if n == 0:
        one = eye(x.shape[-1], None, x.dtype, x.device)
        return ops.broadcast_p(one, x.shape)
    y = None
    while True:
        if n & 1:
            y = x if y is None else ops.matmul(y, x)
        n >>= 1
        if not n:
            assert y is not None
            return y
        x = ops.matmul(x, x)


def matrix_exp(x: Any, /) -> Tensor:
    """The exponential of square matrices, (..., n, n): sum of x^k / k!.

    By a Pade approximant of degree 13 with scaling and squaring, computed in 64 bits.
    Source: N. Higham, "The scaling and squaring method for the matrix exponential
    revisited", 2005.
    """
    y: Tensor = bind(matrix_exp_p, matrix("matrix_exp", x, square=True))
    return y


def householder_product(x: Any, tau: Any, /) -> Tensor:
    """The first n columns of H_1 ... H_k, where H_i = I - tau_i v_i v_i^H.

    Parameters
    ----------
    x : Tensor, (..., m, n), m >= n
        v_i is column i below the diagonal, 1 on it and 0 above: LAPACK's ``geqrf``.
    tau : Tensor, (..., k), k <= n

    Returns
    -------
    Tensor, (..., m, n)
        k products of a vector and a matrix.
    """
    x, tau = ops.lift(x, tau)
    m, n = matrix("householder_product", x).shape[-2:]
    k = tau.shape[-1] if tau.ndim else 0
    if tau.shape[:-1] != x.shape[:-2] or not m >= n >= k:
        raise ShapeError(
            "[householder_product] expected m >= n >= k and equal batch axes; got "
            f"{shapes(x.aval, tau.aval)}"
        )
    rows, cols, last = x.ndim - 2, x.ndim - 1, tau.ndim - 1
    one = eye(m, n, x.dtype, x.device)
    v, q = ops.tril(x, -1) + one, ops.broadcast_p(one, x.shape)
    for i in reversed(range(k)):
        vi = ops.narrow(v, cols, i, i + 1)
        scale = column(ops.narrow(tau, last, i, i + 1))
        q = q - ops.mul(scale, ops.mul(vi, ops.sum(ops.conj(vi) * q, rows, True)))
    return q
