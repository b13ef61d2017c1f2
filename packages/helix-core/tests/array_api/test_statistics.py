"""Reductions, running sums and products, tests, and differences along axes."""

import helix_core as hx
import numpy as np
import pytest
from helix_core import array_api as xp
from hypothesis import assume, given
from hypothesis import strategies as st
from standard_draws import SHAPES, arrays, axes_of, quick, wild, xps
from standard_oracle import ALL, FLOAT, NUMERIC, REAL, REAL_FLOAT, check

REDUCTIONS = {
    "sum": NUMERIC,
    "prod": NUMERIC,
    "max": REAL,
    "min": REAL,
    "mean": REAL_FLOAT,
    "all": ALL,
    "any": ALL,
    "count_nonzero": ALL,
}


def tolerance(x):
    """Sums in another order, for the sizes and magnitudes drawn here."""
    eps = np.finfo(x.dtype).eps if x.dtype.kind in "fc" else 0
    return {"ulps": 64, "atol": 64 * 64 * 8 * eps}


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions_agree(name):
    dtypes = REDUCTIONS[name]

    @quick
    @given(arrays(dtypes, shape=SHAPES), st.data())
    def run(x, data):
        axis = data.draw(axes_of(x.ndim))
        if name in ("max", "min"):
            assume(x.size)
        if name == "prod":
            x = np.asarray(np.clip(x.real, 0, 2), x.dtype)
        kw = {"axis": axis, "keepdims": data.draw(st.booleans()), **tolerance(x)}
        check(name, x, places=name == "count_nonzero", **kw)

    run()


@pytest.mark.parametrize("name", ["max", "min", "all", "any", "count_nonzero"])
def test_reductions_agree_at_nan_and_infinity(name):
    @quick
    @given(wild(REAL_FLOAT, shape=xps.array_shapes(min_dims=1, max_dims=2, max_side=3)))
    def run(x):
        check(name, x, axis=-1, places=name == "count_nonzero")

    run()


@pytest.mark.parametrize("name", ["sum", "prod", "cumulative_sum", "cumulative_prod"])
def test_sums_and_products_take_a_dtype(name):
    for dtype in ("int8", "uint16", "int64", "float32"):
        for out in ("int64", "float32", "float64", "complex128"):
            x = np.array([[1, 2, 3], [2, 2, 1]], dtype)
            if x.dtype.kind == "f" and out == "int64":
                continue
            check(name, x, axis=1, dtype=np.dtype(out))


@quick
@given(arrays(REAL_FLOAT), st.data())
def test_variances_agree(x, data):
    axis = data.draw(axes_of(x.ndim))
    axes = range(x.ndim) if axis is None else np.atleast_1d(axis)
    n = int(np.prod([x.shape[a] for a in axes]))
    correction = data.draw(st.sampled_from([0, 1, 0.5, 2.0]))
    assume(n > correction)
    kw = {"axis": axis, "correction": correction, "keepdims": data.draw(st.booleans())}
    check("var", x, **kw, **tolerance(x))
    loose = {"ulps": 64, "atol": np.sqrt(tolerance(x)["atol"])}
    check("std", x, **kw, **loose)


def test_a_variance_of_too_few_elements_is_nan():
    assert np.isnan(float(xp.var(xp.asarray([1.0, 2.0]), correction=2)))
    assert np.isnan(float(xp.std(xp.asarray([1.0]), correction=1.5)))
    assert np.isnan(float(xp.mean(xp.ones((0,)))))


@pytest.mark.parametrize("name", ["cumulative_sum", "cumulative_prod"])
def test_running_functions_agree(name):
    @quick
    @given(arrays(NUMERIC, shape=xps.array_shapes(min_dims=1, min_side=0)), st.data())
    def run(x, data):
        axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
        if x.ndim == 1:
            axis = data.draw(st.sampled_from([None, 0]))
        if name == "cumulative_prod":
            x = np.asarray(np.clip(x.real, 0, 2), x.dtype)
        initial = data.draw(st.booleans())
        check(name, x, axis=axis, include_initial=initial, **tolerance(x))

    run()


def test_running_functions_want_an_axis():
    with pytest.raises(hx.ShapeError, match="expected axis for more than one"):
        xp.cumulative_sum(xp.ones((2, 2)))
    with pytest.raises(hx.ShapeError, match="at least one axis"):
        xp.cumulative_prod(xp.asarray(1.0))


@quick
@given(arrays(NUMERIC, shape=xps.array_shapes(min_dims=1, min_side=0)), st.data())
def test_differences_agree(x, data):
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    n = data.draw(st.integers(0, 2))
    assume(x.shape[axis] >= n)
    kw = {}
    if n:
        for side in ("prepend", "append"):
            if data.draw(st.booleans()):
                shape = list(x.shape)
                shape[axis] = data.draw(st.integers(1, 2))
                kw[side] = np.ones(shape, x.dtype)
    check("diff", x, axis=axis, n=n, **kw)


@pytest.mark.parametrize("name", ["max", "min", "argmax", "argmin"])
def test_the_extremum_of_nothing_raises(name):
    with pytest.raises(hx.ShapeError, match="at least one element"):
        getattr(xp, name)(xp.ones((0, 3)), axis=0)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        *((n, "bool") for n in ("sum", "prod", "max", "mean", "var", "std", "diff")),
        *((n, "complex64") for n in ("max", "min", "var", "std", "argmax")),
        *((n, "int32") for n in ("mean", "var", "std")),
    ],
)
def test_unsupported_dtypes_are_named(name, dtype):
    with pytest.raises(hx.DTypeError, match=rf"\[{name}\] expected .*{dtype}\[2\]"):
        getattr(xp, name)(xp.ones((2,), dtype=getattr(xp, dtype)))


def test_means_of_complex_numbers():
    x = np.array([1 + 2j, 3 - 4j, 5j], "complex64")
    assert complex(xp.mean(xp.asarray(x))) == pytest.approx(complex(np.mean(x)))
    assert set(FLOAT) > set(REAL_FLOAT)
