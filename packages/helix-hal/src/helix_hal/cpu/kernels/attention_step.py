"""One query to a cache in two parts, each read where it lies."""

from __future__ import annotations

import numpy as np

from helix_hal.cpu.kernels.attention import attention_forward
from helix_hal.cpu.kernels.attention_blocks import Array, Call
from helix_hal.cpu.kernels.attention_decode import MOST, attention_decode

__all__ = ["attention_step"]


def attention_step(
    q: Array,
    keys: Array,
    values: Array,
    last_keys: Array,
    last_values: Array,
    slopes: Array | None,
    half: bool,
) -> Array:
    """Attention to both parts as if they were one.

    Each part gives its result and the log-sum-exp of its scores, from which its share of
    the whole follows: nothing of the cache is copied.

    Parameters
    ----------
    q : ndarray, shape (batch, 1, heads, d), float32
    keys, values : ndarray, shape (batch, time, kv_heads, d)
    last_keys, last_values : ndarray, shape (batch, few, kv_heads, d), few >= 1
    slopes : ndarray, shape (heads,), or None
        ALiBi.
    half : bool
        Operands of every product are rounded to bfloat16.

    Returns
    -------
    ndarray, shape (batch, 1, heads, d)
    """
    call = Call(causal=True, scale=q.shape[3] ** -0.5, slopes=slopes, half=half)
    few = q.shape[2] // last_keys.shape[2] <= MOST
    part = attention_decode if few else attention_forward
    y, near = part(q, last_keys, last_values, call)
    if not keys.shape[1]:
        return y
    other, far = part(q, keys, values, call)
    if slopes is not None:  # these keys are farther than they look
        far = far - slopes[None, :, None] * np.float32(last_keys.shape[1])
    with np.errstate(over="ignore"):
        share = 1 / (1 + np.exp(near - far))  # (batch, heads, 1)
    out: Array = y + np.swapaxes(share, 1, 2)[..., None] * (other - y)
    return out
