"""``hx.fallback``: what a device lacks runs elsewhere, comes back and is counted."""

import threading

import helix_core as hx
import numpy as np
import pytest
from helix_core._device import need_dtype
from helix_core.contracts import DeviceInfo
from helix_core.reference.backend import LOWERINGS, NumpyBackend

LACKS = ("sort", "linear_scan", "svd", "solve")
DTYPES = ("float32", "float16", "int32", "bool")
X = np.array([[3.0, 1.0, 2.0], [0.5, -1.0, 0.25]], np.float32)


def _product(dev, a, b, **attrs):
    if a.dtype == np.float16:
        raise hx.DTypeError("[dot_general] expected float32; got float16")
    return LOWERINGS["dot_general"](dev, a, b, **attrs)


def _exp(dev, a, out=None):
    raise hx.UnsupportedOp("no such instruction")


class LeanBackend(NumpyBackend):
    """Without sorting and linear algebra; products of float32 alone; no exp."""

    name = "lean"
    kernels = ()

    def __init__(self):
        kept = {k: f for k, f in LOWERINGS.items() if k not in LACKS}
        self.lowerings = kept | {"dot_general": _product, "exp": _exp}

    def devices(self):
        return [DeviceInfo(index="0", name="lean", dtypes=DTYPES)]

    def from_host(self, array, device):
        need_dtype(device, array.dtype.name, "tensor")
        return array


@pytest.fixture
def lean():
    dev = hx.Device("lean:0")
    dev.forget()
    dev._backend, dev._kernels = LeanBackend(), {}
    yield dev
    dev.forget()


def test_outside_an_op_without_a_way_names_op_device_and_the_way_out(lean):
    x = hx.tensor(X, device=lean)
    with pytest.raises(hx.UnsupportedOp) as e:
        hx.sort(x)
    text = str(e.value)
    assert text.startswith(
        "[sort] expected a backend with a lowering for it; got 'lean"
    )
    assert "Hint: with hx.fallback('cpu'): ..." in text
    with pytest.raises(hx.UnsupportedOp) as e:
        hx.exp(x)
    assert str(e.value) == (
        "[exp] no such instruction on 'lean:0'. Hint: with hx.fallback('cpu'): ... "
        "runs what a device lacks on the CPU"
    )
    with pytest.raises(hx.DTypeError, match="expected float32; got float16"):
        _ = x.astype("float16") @ x.astype("float16").T


def test_inside_it_runs_elsewhere_comes_back_and_is_counted(lean):
    x = hx.tensor(X, device=lean)
    half = x.astype("float16")
    with hx.fallback("numpy") as moved:
        y = hx.sort(x)
        z = hx.sort(x, axis=0)
        e = hx.exp(x)
        p = half @ half.T
        kept = x + x  # the device can do that
    assert {t.device for t in (y, z, e, p, kept)} == {lean}
    np.testing.assert_array_equal(y.numpy(), np.sort(X, 1))
    np.testing.assert_array_equal(z.numpy(), np.sort(X, 0))
    np.testing.assert_allclose(e.numpy(), np.exp(X), rtol=1e-6)
    np.testing.assert_array_equal(p.numpy(), X.astype("f2") @ X.astype("f2").T)
    assert moved == {"sort": (2, 96), "exp": (1, 48), "dot_general": (1, 32)}
    assert (moved.ops, moved.bytes, moved.device.name) == (4, 176, "numpy")
    assert str(moved).splitlines()[-1].split() == ["all", "4", "176"]
    with pytest.raises(hx.UnsupportedOp):
        hx.sort(x)


def test_linear_algebra_is_the_hosts_everywhere_and_counted_inside(lean):
    a = hx.tensor(np.float32([[4, 1], [2, 3]]), device=lean)
    b = hx.tensor(np.float32([[1.0], [2.0]]), device=lean)
    expected = np.linalg.solve(a.numpy(), b.numpy())
    with hx.fallback() as moved:
        x = hx.linalg.solve(a, b)
    assert x.device is lean and moved == {"solve": (1, 16 + 8 + 8)}
    np.testing.assert_allclose(x.numpy(), expected, rtol=1e-6)
    np.testing.assert_allclose(hx.linalg.solve(a, b).numpy(), expected, rtol=1e-6)


def test_several_results_come_back(lean):
    with hx.fallback() as moved:
        values, places = (
            hx.sort(hx.tensor(X, device=lean)),
            hx.argsort(hx.tensor(X, device=lean)),
        )
    assert values.device is places.device is lean and moved["sort"].ops == 2
    np.testing.assert_array_equal(places.numpy(), np.argsort(X, 1))


def test_gradients_fall_back_too(lean):
    a = np.linspace(0.1, 0.9, 12, dtype=np.float32).reshape(1, 12, 1)

    def loss(x):
        return (hx.linear_scan(x, x, axis=1) * x).sum()

    expected = hx.grad(loss)(hx.tensor(a, device="numpy"))
    p = hx.Parameter(hx.tensor(a, device=lean))
    with hx.fallback() as moved:
        loss(p).backward()
    assert moved["linear_scan"].ops == 2 and p.grad.device is lean
    np.testing.assert_allclose(p.grad.numpy(), expected.numpy(), rtol=1e-5)


def test_traced_functions_fall_back_op_by_op(lean):
    f = hx.trace(lambda x: (hx.sort(x + 1.0) * 2.0, hx.softmax(x)))
    x = hx.tensor(X, device=lean)
    with pytest.raises(hx.UnsupportedOp, match="sort"):
        f(x)
    for _ in range(2):
        with hx.fallback() as moved:
            y, s = f(x)
        assert y.device is lean and moved["sort"].ops == 1 and "mul" not in moved
        np.testing.assert_allclose(y.numpy(), np.sort(X + 1, 1) * 2)
        np.testing.assert_allclose(s.numpy().sum(1), [1.0, 1.0], rtol=1e-6)
    with pytest.raises(hx.UnsupportedOp, match="sort"):  # its plan was for inside alone
        f(x)
    g = hx.trace(lambda x: x * 2.0)
    with hx.fallback() as moved:
        np.testing.assert_array_equal(g(x).numpy(), X * 2)
    assert not moved


def test_a_result_that_the_device_cannot_keep_is_still_an_error(lean):
    with hx.fallback() as moved:
        with pytest.raises(hx.DTypeError, match=r"'lean:0' has \(.*got float64"):
            hx.tensor(X, device="numpy").astype("float64").to(lean)
        with pytest.raises(hx.ShapeError):
            hx.sort(hx.tensor(X, device=lean), axis=7)
    assert not moved and str(moved).splitlines()[-1].split() == ["all", "0", "0"]


def test_other_errors_and_the_fallbacks_own_device_are_untouched(lean):
    x = hx.tensor(X, device=lean)
    with hx.fallback(lean), pytest.raises(hx.UnsupportedOp, match="sort"):
        hx.sort(x)
    with pytest.raises(hx.DeviceError, match="'abacus:0'"), hx.fallback("abacus"):
        pass
    singular = hx.zeros((2, 2), device=lean)
    with hx.fallback(), pytest.raises(hx.LinAlgError):
        hx.linalg.solve(singular, hx.ones((2, 1), device=lean))


def test_a_fallback_is_of_its_block_and_thread(lean):
    x, failed = hx.tensor(X, device=lean), []

    def work():
        try:
            hx.sort(x)
        except hx.UnsupportedOp as e:
            failed.append(e)

    with hx.fallback() as outer:
        with hx.fallback() as inner:
            hx.sort(x)
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        hx.sort(x)
    assert len(failed) == 1
    assert (inner.ops, outer.ops) == (1, 1)
