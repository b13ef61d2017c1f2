"""Matrix products in torch; sums of 16-bit floats accumulate in float32."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import torch

from .common import Tensor, narrow, wide


def rounded(x: Tensor, compute: str) -> Tensor:
    """float32 as bfloat16 holds it, where ``compute`` says so."""
    if compute != "bfloat16" or x.dtype != torch.float32:
        return x
    return x.to(torch.bfloat16).to(torch.float32)


def _dot(x: Tensor, y: Tensor, dims: Any, compute: str = "float32") -> Tensor:
    dtype = x.dtype
    if dtype.is_floating_point or dtype.is_complex:
        a, b = rounded(wide(x), compute), rounded(wide(y), compute)
        if dtype == torch.float16 and x.device.type == "cpu":
            a, b = a.float(), b.float()
        return narrow(_product(a, b, dims), dtype)
    # integers wrap: int64 holds their low bits
    return _wrapped(x.to(torch.int64), y.to(torch.int64), dims).to(dtype)


def _wrapped(x: Tensor, y: Tensor, dims: Any) -> Tensor:
    if x.device.type == "cpu":
        return _product(x, y, dims)
    a, b, shape = _batched(x, y, dims)  # no products of integers there
    return (a.unsqueeze(-1) * b.unsqueeze(-3)).sum(-2).reshape(shape)


def _product(x: Tensor, y: Tensor, dims: Any) -> Tensor:
    (cx, cy), (bx, _) = dims
    if not bx and len(cx) == 1:
        k = x.shape[cx[0]]
        last = cx[0] == x.ndim - 1
        if (
            y.ndim == 2 and last and x.ndim >= 2
        ):  # rows by a matrix, as it lies or turned
            w = y if cy[0] == 0 else y.t()
            if x.ndim == 2:
                return torch.mm(x, w)
            out = torch.mm(x.reshape(prod(x.shape[:-1]), k), w)
            return out.view(*x.shape[:-1], w.shape[1])
        if x.ndim == 2 and y.ndim == 2:
            return torch.mm(x.t(), y if cy[0] == 0 else y.t())
    a, b, shape = _batched(x, y, dims)
    return torch.matmul(a, b).reshape(shape)


def _batched(x: Tensor, y: Tensor, dims: Any) -> tuple[Tensor, Tensor, list[int]]:
    """(batch, m, k) and (batch, k, n), and the shape of the result."""
    (cx, cy), (bx, by) = dims
    rx = [i for i in range(x.ndim) if i not in cx and i not in bx]
    ry = [i for i in range(y.ndim) if i not in cy and i not in by]
    batch = [x.shape[i] for i in bx]
    m, n = [x.shape[i] for i in rx], [y.shape[i] for i in ry]
    k = prod(x.shape[i] for i in cx)
    a = _matrix(x, (*bx, *rx, *cx), (*bx, *cx, *rx), batch, prod(m), k)
    b = _matrix(y, (*by, *cy, *ry), (*by, *ry, *cy), batch, k, prod(n))
    return a, b, [*batch, *m, *n]


def _matrix(x: Tensor, order: Any, other: Any, batch: Any, m: int, n: int) -> Tensor:
    """(batch, m, n), as a turned view where that avoids a copy."""
    size = prod(batch)
    direct = x.permute(order)
    if not direct.is_contiguous():
        turned = x.permute(other)
        if turned.is_contiguous():
            flipped = turned.reshape(size, n, m).transpose(1, 2)
            return flipped if batch else flipped[0]
    return direct.reshape(size, m, n) if batch else direct.reshape(m, n)


FORMS: dict[str, Callable[..., Any]] = {"dot_general": _dot}
