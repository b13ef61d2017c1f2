"""A cache in two parts against the equations over the whole, in float64."""

import numpy as np
import pytest
from helix_hal.cpu.kernels.attention_step import attention_step

RNG = np.random.default_rng(0)


def draw(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def whole(q, k, v, slopes):
    h, g, n = q.shape[2], k.shape[2], k.shape[1]
    q, k, v = (a.astype(np.float64) for a in (q, k, v))
    k, v = np.repeat(k, h // g, 2), np.repeat(v, h // g, 2)
    z = np.einsum("bihd,bjhd->bhij", q, k) / np.sqrt(q.shape[3])
    z -= slopes[:, None, None] * (n - 1 - np.arange(n))
    p = np.exp(z - z.max(-1, keepdims=True))
    return np.einsum("bhij,bjhd->bihd", p / p.sum(-1, keepdims=True), v)


@pytest.mark.parametrize(
    ("heads", "kv_heads", "many", "few"),
    [(4, 4, 50, 7), (6, 2, 600, 33), (12, 1, 40, 1), (3, 1, 0, 5), (2, 2, 1, 1)],
)
@pytest.mark.parametrize("sloped", [False, True])
def test_two_parts_are_one(heads, kv_heads, many, few, sloped):
    q = draw(2, 1, heads, 24)
    k, v = draw(2, many + few, kv_heads, 24), draw(2, many + few, kv_heads, 24)
    slopes = 2.0 ** -np.arange(1, heads + 1, dtype=np.float32)
    want = whole(q, k, v, slopes if sloped else np.zeros(heads))
    parts = k[:, :many], v[:, :many], k[:, many:], v[:, many:]
    y = attention_step(q, *parts, slopes if sloped else None, False)
    np.testing.assert_allclose(y, want, atol=2e-5)


def test_a_part_that_has_no_share_does_not_overflow():
    q, v = np.ones((1, 1, 1, 4), np.float32), draw(1, 2, 1, 4)
    k = np.stack([np.full(4, -500, np.float32), np.full(4, 500, np.float32)])
    k = k[None, :, None]
    for far, near in ((0, 1), (1, 0)):
        parts = [a[:, i : i + 1] for i in (far, near) for a in (k, v)]
        with np.errstate(all="raise", under="ignore"):
            y = attention_step(q, *parts, None, False)
        np.testing.assert_allclose(y[0, 0, 0], v[0, 1, 0], rtol=1e-6)
