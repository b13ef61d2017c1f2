"""The rotary kernel beside multiplication by complex numbers of modulus one."""

import numpy as np
import pytest
from helix_hal.cpu.kernels.rotary import rotary, rotary_backward

TOLERANCE = {"f4": 1e-6, "f8": 1e-14}


def split(x, half, interleaved):
    if interleaved:
        return x[..., 0 : 2 * half : 2] + 1j * x[..., 1 : 2 * half : 2]
    return x[..., :half] + 1j * x[..., half : 2 * half]


def joined(z, x, interleaved):
    out, half = np.array(x, "f8"), z.shape[-1]
    if interleaved:
        out[..., 0 : 2 * half : 2], out[..., 1 : 2 * half : 2] = z.real, z.imag
    else:
        out[..., :half], out[..., half : 2 * half] = z.real, z.imag
    return out


def draw(dtype, batch, tables, half, d=10, seed=0):
    rng = np.random.default_rng(seed)
    x, dy = rng.standard_normal((2, batch, 7, 3, d)).astype(dtype)
    angle = rng.uniform(-9, 9, (tables, 7, half))
    return x, dy, np.cos(angle).astype(dtype), np.sin(angle).astype(dtype)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("batch,tables", [(1, 1), (2, 1), (2, 2)])
@pytest.mark.parametrize("half", [5, 3, 1])
def test_values_and_gradients(half, batch, tables, interleaved, dtype):
    x, dy, cos, sin = draw(dtype, batch, tables, half)
    turn = (cos.astype("f8") + 1j * sin)[:, :, None]
    z, dz = (split(a.astype("f8"), half, interleaved) for a in (x, dy))
    y = rotary(x, cos, sin, interleaved=interleaved, back=False)
    dx, dcos, dsin = rotary_backward(cos, sin, y, dy, interleaved=interleaved)
    # d Re(conj(dz) turn z) / d turn
    over = (0, 2) if tables == 1 and batch > 1 else (2,)
    tables_gradient = (dz * z.conj()).sum(over).reshape(cos.shape)
    pairs = [
        (y, joined(z * turn, x, interleaved)),
        (dx, joined(dz * turn.conj(), dy, interleaved)),
        (dcos, tables_gradient.real),
        (dsin, tables_gradient.imag),
    ]
    for got, want in pairs:
        assert got.dtype == dtype and got.shape == want.shape
        assert np.abs(got - want).max() <= 10 * TOLERANCE[dtype] * np.abs(want).max()


@pytest.mark.parametrize("interleaved", [False, True])
def test_slices_are_read_where_they_lie(interleaved):
    rng = np.random.default_rng(0)
    whole = rng.standard_normal((2, 7, 3, 4, 10)).astype("f4")
    _, _, cos, sin = draw("f4", 2, 1, 4)
    for x in (whole[:, :, 1], whole[:, :, 0, :, ::-1], whole[::-1, :, 2]):
        got = rotary(x, cos, sin, interleaved=interleaved, back=False)
        copy = np.ascontiguousarray(x)
        want = rotary(copy, cos, sin, interleaved=interleaved, back=False)
        np.testing.assert_array_equal(got, want)


def test_back_undoes():
    x, _, cos, sin = draw("f8", 2, 1, 5)
    y = rotary(x, cos, sin, interleaved=False, back=False)
    again = rotary(y, cos, sin, interleaved=False, back=True)
    np.testing.assert_allclose(again, x, atol=1e-14)


def test_a_pair_that_is_not_turned_but_erased_has_no_table_gradient():
    x, dy, cos, sin = draw("f4", 1, 1, 5)
    cos[0, 3], sin[0, 3] = 0, 0
    y = rotary(x, cos, sin, interleaved=False, back=False)
    _, dcos, dsin = rotary_backward(cos, sin, y, dy, interleaved=False)
    assert not dcos[0, 3].any() and not dsin[0, 3].any()
