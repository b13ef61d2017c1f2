"""Fourier transforms against numpy.fft; gradients; the decomposition."""

import helix_core as hx
import numpy as np
import pytest
from gradcheck import check_grads
from helix_core._primitives.fft import _decompose

RNG = np.random.default_rng(0)
REAL = RNG.normal(size=(2, 3, 8))
COMPLEX = REAL + 1j * RNG.normal(size=REAL.shape)
NORMS = [None, "backward", "ortho", "forward"]


def same(got, want, tol=1e-12):
    got = np.asarray(got)
    assert got.shape == want.shape and got.dtype == want.dtype
    np.testing.assert_allclose(got, want, rtol=tol, atol=tol * np.abs(want).max())


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("n", [None, 1, 2, 5, 11])
@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft"])
def test_one_axis_is_numpys(name, n, axis, norm):
    x = REAL if name == "rfft" else COMPLEX
    if name == "irfft" and n is None and axis == 0:
        n = 3
    got = getattr(hx.fft, name)(hx.tensor(x), n, axis, norm)
    same(got, getattr(np.fft, name)(x, n, axis, norm))


@pytest.mark.parametrize("s", [None, (4, 3), (2, 9)])
@pytest.mark.parametrize("axes", [(-2, -1), (0, 2), (2, 0)])
@pytest.mark.parametrize("norm", [None, "ortho"])
@pytest.mark.parametrize("name", ["fftn", "ifftn", "rfftn", "irfftn", "fft2", "rfft2"])
def test_several_axes_are_numpys(name, axes, s, norm):
    x = REAL if name.startswith("rfft") else COMPLEX
    got = getattr(hx.fft, name)(hx.tensor(x), s, axes, norm)
    same(got, getattr(np.fft, name)(x, s, axes, norm))


def test_all_axes_by_default():
    same(hx.fft.fftn(hx.tensor(COMPLEX)), np.fft.fftn(COMPLEX))
    same(hx.fft.irfftn(hx.fft.rfftn(hx.tensor(REAL)), REAL.shape), REAL)


@pytest.mark.parametrize(
    "dtype, out",
    [
        ("float32", "complex64"),
        ("float64", "complex128"),
        ("int8", "complex64"),
        ("float16", "complex64"),
        ("bfloat16", "complex64"),
        ("bool", "complex64"),
    ],
)
def test_precision_is_kept(dtype, out):
    x = hx.tensor([0, 1, 1]).astype(dtype)
    assert hx.fft.fft(x).dtype == out and hx.fft.rfft(x).dtype == out
    back = hx.fft.irfft(hx.fft.rfft(x), 3)
    assert back.dtype == ("float64" if out == "complex128" else "float32")


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8])
def test_gradients_of_every_length(n):
    x, z = REAL[0, :, :n], COMPLEX[0, :, :n]
    check_grads(lambda z: hx.fft.fft(z) ** 2, z, order=2)
    check_grads(lambda z: hx.fft.ifft(z) ** 2, z, order=2)
    check_grads(lambda x: hx.fft.rfft(x) ** 2, x, order=2)
    check_grads(lambda z: hx.fft.irfft(z, 2 * n - 1) ** 2, z, order=2)
    if n > 1:
        check_grads(lambda z: hx.fft.irfft(z, 2 * n - 2) ** 2, z, order=2)


def test_gradients_of_several_axes_and_norms():
    check_grads(
        lambda x: hx.fft.rfftn(x, axes=(0, 2, 1), norm="ortho") ** 2, REAL, order=2
    )
    check_grads(lambda z: hx.fft.irfftn(z, (3, 6), (0, 1)) ** 2, COMPLEX, order=2)
    check_grads(lambda z: hx.fft.fft2(z, (5, 4), norm="forward") ** 2, COMPLEX)


def test_gradient_of_a_real_loss():
    g = hx.grad(lambda x: (hx.abs(hx.fft.rfft(x)) ** 2).sum())(
        hx.tensor([1.0, 2.0, 4.0])
    )
    # |X_0|^2 + |X_1|^2 = s^2 + (3 sum of squares - s^2) / 2
    np.testing.assert_allclose(np.asarray(g), [10.0, 13.0, 19.0], rtol=1e-6)


@pytest.mark.parametrize("n", [1, 2, 7, 64, 65, 96, 128, 131, 134, 360, 1021, 4096])
def test_decomposition_is_the_same(n):
    x = np.random.default_rng(n).normal(size=(2, n))
    z = x + 1j * x[::-1]
    sizes, axes = (2, n), (0, 1)
    same(_decompose(hx.tensor(z), "fft", axes, sizes), np.fft.fft2(z), 1e-11)
    same(_decompose(hx.tensor(z), "ifft", axes, sizes), np.fft.ifft2(z), 1e-11)
    half = np.fft.rfft2(x)
    same(_decompose(hx.tensor(x), "rfft", axes, sizes), half, 1e-11)
    messy = half + 1j  # imaginary parts that a real signal has not are ignored
    want = np.fft.irfft2(messy, sizes)
    same(_decompose(hx.tensor(messy), "irfft", axes, sizes), want, 1e-11)


def test_decomposition_in_single_precision():
    z = (COMPLEX.reshape(1, 48) + 0j).astype(np.complex64)
    got = _decompose(hx.tensor(z), "fft", (1,), (48,))
    same(got, np.fft.fft(z), 1e-5)


@pytest.mark.parametrize("n", [1, 4, 5])
def test_frequencies_and_shifts_are_numpys(n):
    same(hx.fft.fftfreq(n, 0.5, "float64"), np.fft.fftfreq(n, 0.5))
    same(hx.fft.rfftfreq(n, 0.5, "float64"), np.fft.rfftfreq(n, 0.5))
    x = np.arange(6.0 * n).reshape(6, n)
    for axes in (None, 1, (0, 1)):
        same(hx.fft.fftshift(hx.tensor(x), axes), np.fft.fftshift(x, axes))
        same(hx.fft.ifftshift(hx.tensor(x), axes), np.fft.ifftshift(x, axes))


@pytest.mark.parametrize(
    "call, error, words",
    [
        (
            lambda: hx.fft.rfft(hx.tensor([1j])),
            hx.DTypeError,
            r"\[rfft\] expected a real",
        ),
        (
            lambda: hx.fft.fft(hx.tensor([1.0]), norm="x"),
            hx.ShapeError,
            "expected norm",
        ),
        (lambda: hx.fft.fft(hx.tensor([1.0]), 0), hx.ShapeError, "one size >= 1"),
        (lambda: hx.fft.fft(hx.zeros((0,))), hx.ShapeError, "one size >= 1"),
        (lambda: hx.fft.fft(hx.tensor(1.0)), hx.ShapeError, "expected an axis"),
        (lambda: hx.fft.fft2(hx.zeros((3, 3)), (2,)), hx.ShapeError, "one size"),
    ],
)
def test_wrong_arguments(call, error, words):
    with pytest.raises(error, match=words):
        call()
