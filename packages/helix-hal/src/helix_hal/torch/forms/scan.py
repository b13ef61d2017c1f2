"""``linear_scan`` in torch: chunks side by side, then what passes between them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from .common import Tensor, accumulated, narrow

_SHORT = 64  # steps that are taken one by one
_CHUNK = 32


def _linear_scan(a: Tensor, b: Tensor, h0: Tensor, axis: int, reverse: bool) -> Tensor:
    dtype, wide = b.dtype, accumulated(b)
    a, b, h0 = (t.to(wide) for t in (a, b, h0))
    at, bt = a.movedim(axis, 0), b.movedim(axis, 0)
    if reverse:
        at, bt = at.flip(0), bt.flip(0)
    h = scan(at, bt, h0)
    h = h.flip(0) if reverse else h
    return narrow(h.movedim(0, axis).contiguous(), dtype)


def scan(a: Tensor, b: Tensor, h0: Tensor) -> Tensor:
    """h_t = a_t h_{t-1} + b_t along the first axis."""
    n = b.shape[0]
    if n <= _SHORT:
        h = torch.empty_like(b, memory_format=torch.contiguous_format)
        state = h0
        for t in range(n):
            state = torch.addcmul(b[t], a[t], state, out=h[t])
        return h
    return _chunked(a, b, h0)


def _chunked(a: Tensor, b: Tensor, h0: Tensor) -> Tensor:
    """Every chunk from a zero state, all at once; then the states between chunks.

    O(n) work in about 2 log_32(n) passes of 32 steps.
    """
    n, chunks = b.shape[0], -(-b.shape[0] // _CHUNK)
    left = chunks * _CHUNK - n
    if left:
        rest = (left, *b.shape[1:])
        a = torch.cat([a, a.new_ones(rest)])
        b = torch.cat([b, b.new_zeros(rest)])
    shape = (chunks, _CHUNK, *b.shape[1:])
    a, b = a.reshape(shape), b.reshape(shape)
    h, decay = torch.empty_like(b), torch.empty_like(a)
    h[:, 0], decay[:, 0] = b[:, 0], a[:, 0]
    for t in range(1, _CHUNK):
        torch.addcmul(b[:, t], a[:, t], h[:, t - 1], out=h[:, t])
        torch.mul(decay[:, t - 1], a[:, t], out=decay[:, t])
    ends = scan(decay[:, -1], h[:, -1], h0)
    before = torch.cat([h0.unsqueeze(0), ends[:-1]]).unsqueeze(1)
    h = h.addcmul_(decay, before)
    return h.reshape(chunks * _CHUNK, *b.shape[2:])[:n]


FORMS: dict[str, Callable[..., Any]] = {"linear_scan": _linear_scan}
