"""Elementary functions: default bodies, kernels, special points, half precision."""

import math

import helix_core as hx
import ml_dtypes
import numpy as np
import pytest
from helix_core._composite import COMPOSITES
from helix_core.reference.elementary import FUNCTIONS

RNG = np.random.default_rng(0)
REAL = np.array(
    [
        *(0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, 3.0, -30.0, 30.0),
        *(np.inf, -np.inf, np.nan, 1e-8, -1e-8, 1e-30, 88.0, -89.3, 710.0),
        *(1e8, -1e8, 1e19, -1e19, 1e30, 1.0000001, 0.9999999),
        *RNG.normal(size=100),
        *RNG.uniform(-1, 1, 50),
    ]
)
COMPLEX = 3 * (RNG.normal(size=300) + 1j * RNG.normal(size=300))
DTYPES = ("float32", "float64", "float16", ml_dtypes.bfloat16)


def ulps(got, want):
    """The largest distance in units of the last place; infinite where kinds differ."""
    kind = np.complex128 if want.dtype.kind == "c" else np.float64
    eps = float(ml_dtypes.finfo(want.real.dtype).eps)
    g, w = got.astype(kind), want.astype(kind)
    with np.errstate(all="ignore"):
        off = np.abs(g - w) / np.maximum(np.abs(w), 1e-300) / eps
    off[(g == w) | (np.isnan(g) & np.isnan(w))] = 0
    return np.nan_to_num(off, nan=np.inf).max()


def operands(name, dtype):
    x = (COMPLEX if np.dtype(dtype).kind == "c" else REAL).astype(dtype)
    if FUNCTIONS[name].nin == 1:
        return (x,)
    return tuple(np.ascontiguousarray(a) for a in np.broadcast_arrays(x[:, None], x))


@pytest.fixture(autouse=True)
def silent():
    with np.errstate(all="ignore"):
        yield


@pytest.mark.parametrize("name", FUNCTIONS)
def test_bodies_and_kernels_are_numpys_functions(name):
    kinds = DTYPES if FUNCTIONS[name].nin == 2 else (*DTYPES, "complex64", "complex128")
    for dtype in kinds:
        xs = operands(name, dtype)
        want = np.asarray(FUNCTIONS[name](*xs)).astype(dtype)
        ts = [hx.tensor(x) for x in xs]
        body, got = COMPOSITES[name].default(*ts), getattr(hx, name)(*ts)
        assert body.dtype == got.dtype == want.dtype
        assert ulps(body.numpy(), want) < 4, dtype
        assert ulps(got.numpy(), want) == 0, dtype
        if want.dtype.kind == "f" and name != "nextafter":  # NumPy drops a -0 there
            known = ~np.isnan(want)
            signs = np.signbit(body.numpy()) == np.signbit(want)
            assert signs[known].all(), dtype


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_kernel_serves_each(name, device):
    choice = hx.which(name, device, *[hx.ones(2)] * FUNCTIONS[name].nin)
    assert choice.kernel != "default"


def test_integers_become_float32():
    assert hx.sinh(hx.tensor([1, 2])).dtype == hx.float32
    assert hx.hypot(hx.tensor([3]), 4).tolist() == [5.0]
    assert hx.exp2(hx.tensor([3])).tolist() == [8.0]
    assert hx.signbit(hx.tensor([-1, 0])).tolist() == [True, False]
    assert hx.log2(hx.tensor([8.0, 0.125])).tolist() == [3.0, -3.0]


@pytest.mark.parametrize("name", ["hypot", "copysign", "nextafter"])
def test_complex_operands_are_refused(name):
    z = hx.tensor([1j])
    with pytest.raises(hx.DTypeError, match=rf"\[{name}\] expected float; got complex"):
        getattr(hx, name)(z, z)
    with pytest.raises(hx.DTypeError, match=r"\[signbit\]"):
        hx.signbit(z)
    with pytest.raises(hx.DTypeError, match=r"\[positive\]"):
        hx.positive(hx.tensor([True]))


def test_gradients_at_corners_are_numbers():
    def at(f, *xs):
        _, pull = hx.vjp(f, *[hx.tensor(x) for x in xs])
        grads = pull(hx.ones(1))
        return [g.item() for g in (grads if isinstance(grads, tuple) else (grads,))]

    assert at(hx.hypot, [0.0], [0.0]) == [0.0, 0.0]
    assert at(hx.hypot, [3.0], [-4.0]) == pytest.approx([0.6, -0.8])
    assert at(hx.copysign, [-2.0], [3.0]) == [-1.0, 0.0]
    assert at(hx.copysign, [0.0], [-0.0]) == [0.0, 0.0]
    assert at(hx.logaddexp, [1.0], [1.0]) == [0.5, 0.5]
    assert at(hx.logaddexp, [-math.inf], [0.0]) == [0.0, 1.0]
    assert at(hx.asinh, [1e25]) == pytest.approx([1e-25])
    assert at(hx.atan, [math.inf]) == [0.0]


@pytest.mark.parametrize("name", ["acosh", "asin", "acos", "atanh", "atan", "asinh"])
def test_complex_derivatives_are_those_of_the_principal_branch(name):
    z = np.array([-1 + 0.7j, -2 - 0.5j, 0.3 + 1j, 1.5 - 2j])
    f, h = FUNCTIONS[name], 1e-6
    _, pull = hx.vjp(getattr(hx, name), hx.tensor(z))
    got = pull(hx.ones(4, dtype="complex128"))
    got = got[0] if isinstance(got, tuple) else got
    np.testing.assert_allclose(got.numpy(), (f(z + h) - f(z - h)) / (2 * h), rtol=1e-7)


@pytest.mark.parametrize("name", ["tanh", "expm1", "log1p"])
def test_complex_decompositions_hold_far_from_zero(name):
    z = np.concatenate([COMPLEX, [40 + 1j, -40 - 3j, 1j, -2j]])
    if name != "log1p":  # NumPy's loses digits there
        z = np.concatenate([z, 1e-9 * z])
    want = getattr(np, name)(z)
    got = hx.PRIMITIVES[name].decompose(hx.tensor(z)).numpy()
    np.testing.assert_allclose(got, want, rtol=2e-13)


def test_logaddexp_is_numpys_at_every_special_pair():
    x = np.array([0.0, -3.0, 1e-5, 700.0, -700.0, np.inf, -np.inf, np.nan])
    a, b = (np.ascontiguousarray(v) for v in np.broadcast_arrays(x[:, None], x))
    got = hx.logaddexp(hx.tensor(a), hx.tensor(b)).numpy()
    np.testing.assert_allclose(got, np.logaddexp(a, b), rtol=1e-14)


@pytest.mark.filterwarnings("ignore:.*a kernel for 'cpu' exists but refused")
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_functions_stay_in_their_dtype(dtype):
    x = hx.tensor([0.25, 0.5, 0.75], dtype=dtype)
    wide = x.astype("float32")
    names = (
        "abs acos asin asinh atan atanh ceil cos cosh erf exp exp2 expm1 floor log log10 "
        "log1p log2 negative reciprocal round rsqrt sigmoid sign sin sinh sqrt square tan "
        "tanh trunc gelu silu softplus relu softmax mean sum prod max min std var cumsum "
        "cumprod logsumexp sort"
    ).split()
    for name in names:
        got, want = getattr(hx, name)(x), getattr(hx, name)(wide)
        assert got.dtype == dtype, name
        np.testing.assert_allclose(
            got.astype("float32").numpy(), want.numpy(), rtol=0.02, atol=1e-3
        )
    for name in "add subtract multiply divide power maximum minimum mod atan2".split():
        got, want = getattr(hx, name)(x, x + 1), getattr(hx, name)(wide, wide + 1)
        assert got.dtype == dtype, name
        np.testing.assert_allclose(
            got.astype("float32").numpy(), want.numpy(), rtol=0.02, atol=1e-3
        )
    assert hx.unique_values(hx.tensor([2, 1, 2], dtype=dtype)).tolist() == [1.0, 2.0]
    assert hx.argmax(x).item() == 2 and hx.nonzero(x)[0].tolist() == [0, 1, 2]
    assert hx.searchsorted(x, hx.tensor([0.6], dtype=dtype)).tolist() == [2]


def test_the_axes_and_grids_of_small_compositions():
    x = hx.tensor([[1, 2, 4], [3, 3, 0]])
    assert hx.diff(x).tolist() == [[1, 2], [0, -3]]
    assert hx.diff(x, axis=0).tolist() == [[2, 1, -4]]
    assert hx.diff(hx.tensor([True, False, False])).tolist() == [True, False]
    assert hx.diff(hx.tensor([1, 3]), prepend=0, append=5).tolist() == [1, 2, 2]
    assert hx.diff(hx.tensor([1]), n=3).tolist() == []
    with pytest.raises(hx.ShapeError, match="n >= 0"):
        hx.diff(x, n=-1)
    assert hx.count_nonzero(x, axis=1).tolist() == [3, 2]
    assert [i.tolist() for i in hx.nonzero(x == 3)] == [[1, 1], [0, 1]]
    with pytest.raises(hx.ShapeError, match="vectors"):
        hx.meshgrid(x)
    assert hx.matrix_transpose(x).shape == (3, 2)
    assert [t.tolist() for t in hx.unstack(x)] == x.tolist()
