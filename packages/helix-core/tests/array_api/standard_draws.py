"""Hypothesis strategies: arrays of the namespace itself, drawn by its dtypes."""

import numpy as np
from helix_core import array_api as xp
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.extra.array_api import make_strategies_namespace

xps = make_strategies_namespace(xp, api_version="2024.12")
quick = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
SHAPES = xps.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)


def moderate(dtype):
    """Elements whose sums and products stay finite, and some special ones."""
    d = np.dtype(dtype)
    if d.kind == "b":
        return {}
    if d.kind in "iu":
        low = 0 if d.kind == "u" else -100
        return {"min_value": low, "max_value": 100}
    if d.kind == "f":
        return {
            "min_value": -64,
            "max_value": 64,
            "allow_subnormal": False,
            "allow_nan": False,
        }
    part = st.floats(-64, 64, width=32, allow_subnormal=False)
    return st.builds(complex, part, part)


@st.composite
def arrays(draw, dtypes, shape=SHAPES, **elements):
    """A NumPy array drawn as a tensor of the namespace; of moderate values."""
    dtype = draw(st.sampled_from(tuple(dtypes)))
    kept = moderate(dtype)
    if elements:
        kept = {**kept, **elements}
    x = draw(xps.arrays(getattr(xp, dtype), shape, elements=kept))
    a = np.array(x)
    assert a.dtype == dtype and a.shape == x.shape
    return a


@st.composite
def wild(draw, dtypes, shape=SHAPES):
    """Any values of the dtype: huge, NaN, infinite; no subnormal ones."""
    dtype = draw(st.sampled_from(tuple(dtypes)))
    d = np.dtype(dtype)
    kw = {"elements": {"allow_subnormal": False}} if d.kind in "fc" else {}
    return np.array(draw(xps.arrays(getattr(xp, dtype), shape, **kw)))


@st.composite
def pairs(draw, dtypes, make=arrays):
    """Two arrays of one dtype whose shapes broadcast."""
    dtype = draw(st.sampled_from(tuple(dtypes)))
    shapes = draw(
        xps.mutually_broadcastable_shapes(2, min_side=0, max_side=3, max_dims=3)
    ).input_shapes
    return tuple(draw(make((dtype,), st.just(s))) for s in shapes)


def axes_of(ndim, none=True):
    """An axis, a tuple of axes, or None."""
    if ndim == 0:
        return st.none() if none else st.just(())
    one = st.integers(-ndim, ndim - 1)
    some = st.lists(
        st.integers(0, ndim - 1), min_size=1, max_size=ndim, unique=True
    ).map(tuple)
    return st.one_of(*([st.none()] if none else []), one, some)
