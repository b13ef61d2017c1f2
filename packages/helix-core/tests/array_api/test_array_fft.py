"""The fft extension against the oracle's, and the Hermitian transforms."""

import helix_core as hx
import numpy as np
import pytest
from helix_core import array_api as xp
from hypothesis import given
from hypothesis import strategies as st
from standard_draws import arrays, quick, xps
from standard_oracle import COMPLEX, REAL_FLOAT, check

SHAPES = xps.array_shapes(min_dims=1, max_dims=3, min_side=2, max_side=5)
NORMS = ("backward", "ortho", "forward")


def tolerance(x):
    return {"ulps": 64, "atol": 64 * 64 * 8 * np.finfo(x.dtype).eps}


@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"])
def test_transforms_of_one_axis_agree(name):
    @quick
    @given(
        arrays(REAL_FLOAT if name in ("rfft", "ihfft") else COMPLEX, SHAPES), st.data()
    )
    def run(x, data):
        kw = {
            "n": data.draw(st.one_of(st.none(), st.integers(2, 7))),
            "axis": data.draw(st.integers(-x.ndim, x.ndim - 1)),
            "norm": data.draw(st.sampled_from(NORMS)),
        }
        check(f"fft.{name}", x, **kw, **tolerance(x))

    run()


@pytest.mark.parametrize("name", ["fftn", "ifftn", "rfftn", "irfftn"])
def test_transforms_of_several_axes_agree(name):
    @quick
    @given(arrays(REAL_FLOAT if name == "rfftn" else COMPLEX, SHAPES), st.data())
    def run(x, data):
        axes = data.draw(st.permutations(range(x.ndim)))[
            : data.draw(st.integers(1, x.ndim))
        ]
        kw = {"norm": data.draw(st.sampled_from(NORMS))}
        if data.draw(st.booleans()):
            kw["axes"] = tuple(axes)
            if data.draw(st.booleans()):
                kw["s"] = tuple(data.draw(st.integers(2, 6)) for _ in axes)
        check(f"fft.{name}", x, **kw, **tolerance(x))

    run()


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_frequencies_and_shifts_agree(n):
    for name in ("fft.fftfreq", "fft.rfftfreq"):
        check(name, n)
        check(name, n, d=0.25)
        check(name, n, dtype=np.dtype("float64"))
    x = np.arange(3.0 * n).reshape(3, n)
    for name in ("fft.fftshift", "fft.ifftshift"):
        check(name, x)
        check(name, x, axes=1)
        check(name, x, axes=(0, 1))


def test_hermitian_transforms_invert_each_other_and_have_gradients():
    x = hx.tensor(np.array([1.0, -2.0, 3.0, 0.5, 4.0]))
    np.testing.assert_allclose(hx.fft.hfft(hx.fft.ihfft(x), 5).numpy(), x.numpy())
    g = hx.grad(lambda t: (hx.fft.hfft(hx.fft.ihfft(t), 5) ** 2).sum())(x)
    np.testing.assert_allclose(g.numpy(), 2 * x.numpy())


@pytest.mark.parametrize(
    ("name", "dtype"), [("fft", "int32"), ("rfft", "complex64"), ("fftshift", "bool")]
)
def test_unsupported_dtypes_are_named(name, dtype):
    with pytest.raises(hx.DTypeError, match=rf"\[{name}\] expected .*{dtype}\[4\]"):
        getattr(xp.fft, name)(xp.ones((4,), dtype=getattr(xp, dtype)))
