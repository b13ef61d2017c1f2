"""Rows of a table by number."""

from __future__ import annotations

from typing import Any

from .. import _ops as ops
from .._composite import composite
from .._errors import DTypeError, ShapeError
from .._primitive import bind
from .._primitives.index import gather_p, scatter_p
from .._shape import _in
from .._tensor import Tensor


def _embedding(ids: Tensor, weight: Tensor, rows: int) -> Tensor:
    return bind(gather_p, weight, ids, axis=0)


def _bwd(inputs: Any, outputs: Any, residuals: Any, cts: Any, rows: int) -> Any:
    (ids,), ct = inputs, cts[0]
    zero = ops.zeros((rows, ct.shape[-1]), ct.dtype, ct.device)
    return None, bind(scatter_p, zero, ids, ct, axis=0, mode="add")


embedding_c = composite(
    "embedding",
    fwd=lambda ids, weight, rows: (_embedding(ids, weight, rows),),
    bwd=_bwd,
    reads_inputs=(0,),
    reads_outputs=False,
)(_embedding)


def embedding(ids: Any, weight: Any) -> Tensor:
    """``weight[ids]``: one row per number; numbers outside the table clamp.

    Parameters
    ----------
    ids : Tensor (...), int32 or int64
    weight : Tensor (rows, d)

    Returns
    -------
    Tensor (..., d)
    """
    ids, weight = _in(ids), _in(weight)
    if ids.dtype.category not in ("int", "uint"):
        raise DTypeError(f"[embedding] expected integer ids; got {ids.aval!r}")
    if weight.ndim != 2:
        raise ShapeError(f"[embedding] expected weight (rows, d); got {weight.shape}")
    if ids.dtype.itemsize < 4 or ids.dtype.category == "uint":
        ids = ops.cast(ids, "int32" if ids.dtype.itemsize < 4 else "int64")
    return embedding_c(ids, weight, rows=weight.shape[0])
