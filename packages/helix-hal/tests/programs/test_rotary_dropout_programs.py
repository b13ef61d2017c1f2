from __future__ import annotations

import helix_core as hx
import numpy as np
import pytest
from helix_hal.programs.dropout import dropout
from helix_hal.programs.rotary import rotary, rotary_tables
from programs_device import close

DTYPES = ["float32", "float64", "bfloat16", "float16"]


def test_text(golden):
    golden(rotary("float32", False, False))
    golden(rotary_tables("float32", True))
    golden(dropout("float32", 0.25))


def tables(shape):
    angle = np.random.default_rng(0).uniform(-3, 3, shape)
    return np.cos(angle), np.sin(angle)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("pairs", [4, 2], ids=["all", "some"])
@pytest.mark.parametrize("lead", [(5,), (2, 5)], ids=["one table", "a table each"])
def test_rotary_is_the_default_body(either, lead, pairs, interleaved, dtype):
    x = np.random.default_rng(1).standard_normal((2, 5, 3, 8))
    fn = lambda x, c, s: hx.rotary(x, c, s, interleaved=interleaved)
    close(fn, [x, *tables((*lead, pairs))], either, dtype)


def test_rotary_is_a_product_of_complex_numbers(dev):
    x = np.random.default_rng(2).standard_normal((2, 7, 3, 6))
    cos, sin = tables((7, 3))
    z = (x[..., 0::2] + 1j * x[..., 1::2]) * (cos + 1j * sin)[None, :, None]
    got = hx.rotary(
        *(hx.tensor(a, device=dev) for a in (x, cos, sin)), interleaved=True
    )
    want = np.stack([z.real, z.imag], -1).reshape(x.shape)
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-12)


def test_rotary_of_views(dev):
    x = np.random.default_rng(3).standard_normal((2, 3, 7, 16)).astype(np.float32)
    cos, sin = (a.astype(np.float32) for a in tables((7, 4)))
    view = hx.tensor(x, device=dev)[..., ::2].transpose(0, 2, 1, 3)
    got = hx.rotary(view, *(hx.tensor(a, device=dev) for a in (cos, sin)))
    dense = hx.tensor(x[..., ::2].transpose(0, 2, 1, 3).copy(), device="numpy")
    want = hx.rotary(dense, *(hx.tensor(a, device="numpy") for a in (cos, sin)))
    np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-6, atol=1e-6)


def test_kernels_serve(dev):
    x = hx.ones((1, 2, 3, 4), device=dev)
    c = hx.ones((1, 2, 2), device=dev)
    for op in ("rotary", "rotary.fwd"):
        assert hx.which(op, dev, x, c, c).kernel != "default"
    key = hx.zeros((4,), "uint32", device=dev)
    for op in ("dropout", "dropout.fwd"):
        assert hx.which(op, dev, x, key).kernel != "default"
    assert hx.dropout(hx.zeros((0, 3), device=dev), 0.5).shape == (0, 3)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (1,), (3,), (4, 5), (2, 3, 129)])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.999])
def test_dropout_has_the_same_mask_everywhere(either, p, shape, dtype):
    x = np.random.default_rng(4).standard_normal(shape) + 5.0
    key = np.array([1, 2, 3, 4], np.uint32)

    def fn(x, key):
        from helix_core._composites.dropout import dropout_c

        return dropout_c(x, key, p=p)

    got = close(fn, [x, key], either, dtype)
    assert np.count_nonzero(got[0]) <= x.size
    np.testing.assert_array_equal(got[0] != 0, got[1] != 0)


def test_dropout_keeps_its_share_and_the_mean(dev):
    x = hx.ones((20_000,), device=dev)
    y = hx.dropout(x, 0.3, generator=hx.Generator(7)).numpy()
    kept = np.unique(y)
    np.testing.assert_allclose(kept, [0.0, 1 / 0.7], rtol=1e-6)
    assert abs(np.mean(y == 0) - 0.3) < 5 * np.sqrt(0.21 / 20_000)
