"""Products in shared memory: what they are in the simulator, and that they compile."""

import os

import helix_core as hx
import numpy as np
import pytest
from helix_hal.cuda import gemm

simulated = pytest.mark.simulated


def cuda(x):
    return hx.tensor(x, device="cuda:0")


@pytest.fixture
def taken(monkeypatch):
    """How often the kernel for products ran."""
    if os.environ.get("NUMBA_ENABLE_CUDASIM") != "1":
        pytest.skip("backend cuda: no simulator (NUMBA_ENABLE_CUDASIM=1)")
    seen, device = [], hx.Device("cuda:0")
    own = device.backend.engine(device).device
    real = own.gemm

    def spy(*args):
        seen.append(real(*args))
        return seen[-1]

    monkeypatch.setattr(own, "gemm", spy)
    return seen


@simulated
@pytest.mark.parametrize(
    "m, k, n", [(16, 16, 16), (5, 33, 31), (17, 64, 6), (40, 9, 13)]
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_products(taken, m, k, n, dtype):
    rng = np.random.default_rng(m)
    a, b = rng.standard_normal((m, k)), rng.standard_normal((k, n))
    a, b = a.astype(dtype), b.astype(dtype)
    got = hx.matmul(cuda(a), cuda(b)).numpy()
    tol = 1e-5 if dtype == "float32" else 1e-13
    np.testing.assert_allclose(got, a @ b, atol=tol * k)
    assert taken == [True]


@simulated
def test_batches_and_strides(taken):
    rng = np.random.default_rng(0)
    a = rng.standard_normal((3, 20, 12)).astype("float32")
    b = rng.standard_normal((3, 10, 20)).astype("float32")
    got = hx.matmul(hx.swapaxes(cuda(a), 1, 2), hx.swapaxes(cuda(b), 1, 2)[:, :, ::2])
    want = a.transpose(0, 2, 1) @ b.transpose(0, 2, 1)[:, :, ::2]
    np.testing.assert_allclose(got.numpy(), want, atol=1e-4)
    assert taken[-1] is (3 * 12 * 20 * 5 >= gemm._LEAST)
    one = hx.matmul(cuda(a), cuda(b[0].T[:12])).numpy()  # one right operand for all
    np.testing.assert_allclose(one, a @ b[0].T[:12], atol=1e-4)


@simulated
def test_small_ones_and_whole_numbers_go_another_way(taken):
    x = np.arange(36, dtype="int32").reshape(6, 6)
    assert (hx.matmul(cuda(x), cuda(x)).numpy() == x @ x).all()
    y = x.astype("float32")
    assert np.allclose(hx.matmul(cuda(y), cuda(y)).numpy(), y @ y)
    assert taken == [False, False]


@pytest.mark.skipif(
    os.environ.get("NUMBA_ENABLE_CUDASIM") == "1",
    reason="backend cuda: the simulator compiles nothing",
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_compiles_with_its_tiles_in_shared_memory(dtype):
    pytest.importorskip(
        "numba_cuda", reason="backend cuda: pip install numba-cuda[cu13]"
    )
    text = gemm.product_ptx(dtype, (8, 0))
    assert text.count("bar.sync") >= 2 and ".shared" in text
    assert f"fma.rn.f{dtype[-2:]}" in text and ".local" not in text
