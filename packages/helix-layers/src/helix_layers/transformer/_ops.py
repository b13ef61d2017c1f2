"""Composites of attention layers: one projection as heads, and one step with a cache."""

from __future__ import annotations

from typing import Any

import helix_core as hx

# split_heads: x (b, t, (h + 2 g) d), the heads of queries, keys and values in a row.
# outputs: q (b, t, h, d), k and v (b, t, g, d), views of x. Their gradients are joined in
# one pass, where those of three slices would be three padded arrays and two sums.


def _split(x: Any, heads: int, kv_heads: int) -> tuple[Any, ...]:
    b, t, n = x.shape
    d = n // (heads + 2 * kv_heads)
    parts = hx.split(x, [heads * d, kv_heads * d, kv_heads * d], 2)
    return tuple([hx.reshape(p, (b, t, p.shape[2] // d, d)) for p in parts])


def _split_bwd(
    inputs: Any, outputs: Any, residuals: Any, cts: Any, heads: int, kv_heads: int
) -> tuple[Any, ...]:
    flat = [hx.reshape(c, (*c.shape[:2], c.shape[2] * c.shape[3])) for c in cts]
    return (hx.concat(flat, 2),)


split_heads = hx.composite(
    "split_heads", fwd=_split, bwd=_split_bwd, reads_inputs=(), reads_outputs=False
)(_split)

# attention_step: q (b, 1, h, d), all keys but the last few and their values (b, n, g, d),
# the last few (b, m, g, d), then the slopes (h,) where there are some.
# output: y (b, 1, h, d), every key seen. Kernels read both parts where they lie.


def _step_infer(
    q: hx.Aval, keys: hx.Aval, values: hx.Aval, *rest: hx.Aval, **attrs: Any
) -> hx.Aval:
    return hx.Aval((*q.shape[:3], values.shape[3]), q.dtype)


# the cache grows from step to step: no shape comes twice
@hx.composite("attention_step", infer=_step_infer)
def attention_step(
    q: Any,
    keys: Any,
    values: Any,
    last_keys: Any,
    last_values: Any,
    *slopes: Any,
    compute: str = "float32",
) -> Any:
    k = hx.concat([keys, last_keys], 1)
    v = hx.concat([values, last_values], 1)
    with hx.precision(compute):
        return hx.attention(q, k, v, slopes=slopes[0] if slopes else None)
