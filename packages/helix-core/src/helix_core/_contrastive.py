"""Losses between two batches of embeddings, in memory of one chunk of their products."""

from __future__ import annotations

from typing import Any

from . import _ops as ops
from ._composites.cross_entropy import linear_cross_entropy
from ._create import arange
from ._errors import DTypeError, HelixError, ShapeError
from ._grad import checkpoint
from ._shape import _in
from ._tensor import Tensor
from .activations import softplus


def _embeddings(name: str, a: Any, b: Any) -> tuple[Tensor, Tensor]:
    a, b = ops.lift(_in(a), _in(b))
    if a.ndim != 2 or a.shape != b.shape or 0 in a.shape:
        raise ShapeError(
            f"[{name}] expected two batches of embeddings (pair, feature), none empty; "
            f"got a {a.shape} and b {b.shape}"
        )
    if not a.dtype.inexact:
        raise DTypeError(f"[{name}] expected float embeddings; got {a.aval!r}")
    return a, b


def info_nce(a: Any, b: Any, scale: Any = 1.0 / 0.07) -> Tensor:
    """Symmetric contrastive loss: each embedding is to find its pair in the batch.

    Half the cross-entropy of ``scale * a @ b.T`` along its rows, half along its columns;
    row i belongs to column i. The products are made in chunks of rows, never whole.

    Parameters
    ----------
    a, b : Tensor (pair, feature)
        As a rule of unit length: ``a / hx.linalg.norm(a, axis=-1, keepdims=True)``.
    scale : float or Tensor ()
        One over the temperature. A learned one is kept as its logarithm, begins at
        ln(1 / 0.07) and stays below 100.

    Returns
    -------
    Tensor ()

    Notes
    -----
    van den Oord et al. (2018), arXiv:1807.03748; Radford et al. (2021),
    arXiv:2103.00020.

    Examples
    --------
    >>> import helix_core as hx
    >>> x = hx.eye(2)
    >>> round(info_nce(x, x, 1.0).item(), 4)  # ln(1 + e) - 1
    0.3133
    """
    a, b = _embeddings("info_nce", a, b)
    own = arange(a.shape[0], device=a.device)
    scaled = ops.cast(_in(scale), a.dtype)
    if scaled.ndim:
        raise ShapeError(f"[info_nce] expected one scale; got {scaled.shape}")
    rows = linear_cross_entropy(a * scaled, b, own)
    columns = linear_cross_entropy(b * scaled, a, own)
    return (rows + columns) * 0.5


def siglip(
    a: Any, b: Any, scale: Any = 10.0, bias: Any = -10.0, *, chunk: int = 1024
) -> Tensor:
    """Pairwise sigmoid loss: each of the n x n pairs is told whether it belongs together.

    ``-sum_ij log sigmoid(z_ij (scale a_i . b_j + bias)) / n`` with z 1 on the diagonal
    and -1 elsewhere.

    Parameters
    ----------
    a, b : Tensor (pair, feature)
        As a rule of unit length.
    scale, bias : float or Tensor ()
        Learned ones begin at 10 (kept as its logarithm) and -10.
    chunk : int
        Rows of the products that are in memory at a time, forwards and backwards.

    Returns
    -------
    Tensor ()

    Notes
    -----
    Zhai et al. (2023), arXiv:2303.15343.

    Examples
    --------
    >>> import helix_core as hx
    >>> round(siglip(hx.eye(2), hx.eye(2), 0.0, 0.0).item(), 4)  # 2 ln 2
    1.3863
    """
    a, b = _embeddings("siglip", a, b)
    if isinstance(chunk, bool) or not isinstance(chunk, int) or chunk < 1:
        raise HelixError(f"[siglip] expected chunk to be an int from 1; got {chunk!r}")
    s, t = (ops.cast(_in(x), a.dtype) for x in (scale, bias))
    if s.ndim or t.ndim:
        raise ShapeError(
            f"[siglip] expected one scale and one bias; got {s.shape} and {t.shape}"
        )
    n = a.shape[0]

    # softplus(-x) = softplus(x) - x: all pairs as strangers, then the diagonal turned
    def strangers(rows: Tensor, b: Tensor, s: Tensor, t: Tensor) -> Tensor:
        return ops.sum(softplus(ops.matmul(rows * s, ops.swapaxes(b, 0, 1)) + t))

    part = checkpoint(strangers) if n > chunk else strangers
    total = None
    for i in range(0, n, chunk):
        one = part(a[i : i + chunk], b, s, t)
        total = one if total is None else total + one
    own = ops.sum(a * b) * s + t * n
    return (total - own) / n
