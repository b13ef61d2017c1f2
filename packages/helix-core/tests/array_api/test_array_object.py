"""The array object: conversion, namespace, devices, indexing, immutability."""

import operator

import helix_core as hx
import numpy as np
import pytest
from helix_core import array_api as xp
from hypothesis import given
from hypothesis import strategies as st
from standard_draws import arrays, quick, xps
from standard_oracle import ALL, compare, strict, to


def test_the_namespace_of_a_tensor_by_version():
    x = xp.asarray(1.0)
    assert x.__array_namespace__() is xp
    for version in ("2021.12", "2022.12", "2023.12", "2024.12"):
        assert x.__array_namespace__(api_version=version) is xp
    with pytest.raises(ValueError, match=r"2024.12; got '2099.12'"):
        x.__array_namespace__(api_version="2099.12")


@pytest.mark.parametrize("dtype", ALL)
def test_scalars_convert(dtype):
    x = xp.asarray(1, dtype=getattr(xp, dtype))
    assert bool(x) is True
    assert complex(x) == 1 + 0j
    if not dtype.startswith("complex"):
        assert float(x) == 1.0 and type(float(x)) is float
        assert int(x) == 1 and type(int(x)) is int
    if "int" in dtype:
        assert operator.index(x) == 1 and [5, 6][x] == 6
    else:
        with pytest.raises(TypeError, match="integer tensor"):
            operator.index(x)


def test_conversions_that_make_no_sense_raise():
    with pytest.raises(TypeError):
        float(xp.asarray(1j))
    with pytest.raises(TypeError):
        int(xp.asarray(1j))
    with pytest.raises(OverflowError):
        int(xp.asarray(xp.inf))
    with pytest.raises(ValueError):
        int(xp.asarray(xp.nan))
    for convert in (bool, int, float, complex):
        with pytest.raises(ValueError, match="one element"):
            convert(xp.ones((2,)))


def test_devices():
    x = xp.ones(2)
    other = "cpu" if x.device.name == "numpy" else "numpy"
    y = x.to_device(hx.Device(other))
    assert y.device == hx.Device(other) and y.tolist() == [1.0, 1.0]
    assert x.to_device(x.device) is x
    assert xp.zeros(1, device=other).device == hx.Device(other)
    assert xp.asarray(x, device=other).device == hx.Device(other)
    assert xp.astype(x, xp.int32, device=other).device == hx.Device(other)
    assert xp.from_dlpack(x, device=other).device == hx.Device(other)
    for name in ("zeros_like", "ones_like", "empty_like"):
        assert getattr(xp, name)(x, device=other).device == hx.Device(other)
        assert getattr(xp, name)(y).device == hx.Device(other)
    with pytest.raises(hx.DeviceError, match="one device"):
        xp.add(x, y)


def test_writes_are_refused_with_the_way_out():
    x = xp.asarray([1.0, 2.0])
    with pytest.raises(TypeError, match=r"immutable.*x = x\.at\[key\]\.set\(value\)"):
        x[0] = 3.0
    with pytest.raises(TypeError, match="immutable"):
        x[x > 1] = 0.0
    assert x.at[0].set(3.0).tolist() == [3.0, 2.0] and x.tolist() == [1.0, 2.0]


@quick
@given(
    arrays(
        ("int16", "float64", "bool"), shape=xps.array_shapes(min_dims=0, max_dims=3)
    ),
    st.data(),
)
def test_indexing_agrees(x, data):
    key = data.draw(xps.indices(x.shape, allow_newaxis=True))
    compare(to(xp, x)[key], to(strict, x)[key], {x.dtype.name})


@quick
@given(arrays(("int16", "float64"), shape=xps.array_shapes(max_dims=3)), st.data())
def test_indexing_by_masks_and_integer_arrays_agrees(x, data):
    mask = np.asarray(x > 0)
    compare(to(xp, x)[to(xp, mask)], to(strict, x)[to(strict, mask)], {x.dtype.name})
    part = np.asarray(mask.reshape(len(mask), -1).any(axis=1))
    compare(to(xp, x)[to(xp, part)], x_strict(x, part), {x.dtype.name})
    idx = [np.asarray([0, n - 1, -1]) for n in x.shape]
    ours = to(xp, x)[tuple(to(xp, i) for i in idx)]
    theirs = to(strict, x)[tuple(to(strict, i) for i in idx)]
    compare(ours, theirs, {x.dtype.name})


def x_strict(x, mask):
    """The oracle takes a mask of all axes only."""
    return strict.asarray(x[mask])


def test_masks_raise_in_a_trace():
    with pytest.raises(hx.TraceError):
        hx.compile(lambda x: x[x > 0])(xp.asarray([1.0]))


def test_length_iteration_and_containers():
    x = xp.asarray([[1.0, 2.0], [3.0, 4.0]])
    assert len(x) == 2 and [r.tolist() for r in x] == x.tolist()
    with pytest.raises(TypeError, match="0-d"):
        len(xp.asarray(1.0))
    with pytest.raises(TypeError, match="0-d"):
        iter(xp.asarray(1.0))


def test_gradients_flow_through_the_namespace():
    def f(x):
        y = xp.sinh(x) * xp.hypot(x, xp.ones_like(x))
        y = xp.concat([y, xp.cumulative_sum(y, include_initial=True)])
        return xp.sum(xp.vecdot(y, y) + xp.var(xp.roll(y, 1)))

    x = xp.asarray([0.5, -1.0, 2.0], dtype=xp.float64)
    g = hx.grad(f)(x).numpy()
    for i in range(3):
        step = 1e-6 * np.eye(3)[i]
        up, down = (float(f(xp.asarray(x.numpy() + s))) for s in (step, -step))
        assert g[i] == pytest.approx((up - down) / 2e-6, rel=1e-6)
    copied = hx.grad(lambda t: xp.sum(xp.asarray(t, copy=True) ** 2))(x)
    np.testing.assert_allclose(copied.numpy(), 2 * x.numpy())
    counts = xp.asarray([2, 0, 1])
    assert hx.grad(lambda t: xp.sum(xp.repeat(t, counts)))(x).tolist() == [2, 0, 1]
