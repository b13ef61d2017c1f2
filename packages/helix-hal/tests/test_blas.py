"""Matrix products: right, and the same bits for any number of threads."""

import os
import threading
import warnings

import numpy as np
import pytest
from helix_hal.cpu import blas, threads
from helix_hal.cpu.blas import matmul
from threadpoolctl import threadpool_info


@pytest.fixture(autouse=True)
def restore():
    threads.blas_libraries.cache_clear()  # other tests may have loaded one since
    before = threads.get_num_threads()
    yield
    threads.set_num_threads(before)


def _draw(*shape, dtype=np.float32):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(dtype)


@pytest.fixture(params=["own tiles", "blas"])
def route(request, monkeypatch):
    """Both ways a large product can go, where the processor has both."""
    if request.param == "blas":
        monkeypatch.setattr(blas, "_wide_units", lambda: False)
    elif not blas._wide_units():
        pytest.skip("our own tiles are for processors with AVX-512")
    return request.param


@pytest.fixture
def through_blas(monkeypatch):
    monkeypatch.setattr(blas, "_wide_units", lambda: False)


CASES = {
    "small": ((3, 5), (5, 4)),
    "rows": ((700, 96), (96, 130)),
    "columns": ((70, 96), (96, 1500)),
    "long sum": ((40, 20_000), (20_000, 33)),
    "one row": ((1, 2000), (2000, 900)),
    "batch": ((6, 64, 96), (6, 96, 130)),
    "batch of one": ((1, 1, 400, 96), (1, 1, 96, 130)),
    "two batch axes": ((3, 4, 64, 96), (3, 4, 96, 70)),
    "broadcast batch": ((5, 64, 96), (1, 96, 130)),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype,tol", [(np.float32, 1e-5), (np.float64, 1e-13)])
def test_products(route, name, dtype, tol):
    x, y = (_draw(*shape, dtype=dtype) for shape in CASES[name])
    if name == "broadcast batch":
        y = np.broadcast_to(y, (5, *y.shape[1:]))
    want = np.einsum("...ij,...jk->...ik", x.astype("f8"), y.astype("f8"))
    out = np.full(want.shape, np.nan, dtype)
    matmul(x, y, out)
    assert np.abs(out - want).max() <= tol * np.abs(want).max()


def test_transposed_views_are_read_as_they_look(route):
    x, y = _draw(96, 700).T, _draw(500, 96).T
    out = np.empty((700, 500), np.float32)
    matmul(x, y, out)
    np.testing.assert_allclose(out, x @ y, rtol=1e-4, atol=1e-4)


def test_integers_and_complex_numbers():
    x = np.arange(300 * 90).reshape(300, 90) % 7
    out = np.empty((300, 300), x.dtype)
    matmul(x, x.T, out)
    np.testing.assert_array_equal(out, np.einsum("ij,kj->ik", x, x))
    z = (_draw(300, 90) + 1j * _draw(300, 90)).astype(np.complex64)
    out = np.empty((300, 300), np.complex64)
    matmul(z, z.T, out)
    np.testing.assert_allclose(out, z @ z.T, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", CASES)
def test_the_number_of_threads_changes_no_bit(route, name):
    x, y = (_draw(*shape) for shape in CASES[name])
    results = set()
    for n in (1, 2, 3, 7):
        threads.set_num_threads(n)
        out = np.empty((*x.shape[:-1], y.shape[-1]), np.float32)
        matmul(x, np.broadcast_to(y, (*x.shape[:-2], *y.shape[-2:])), out)
        results.add(out.tobytes())
    assert len(results) == 1


def _blas_threads():
    return {p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas"}


def test_the_threads_of_blas_are_as_before(through_blas):
    threads.set_num_threads(2)
    out = np.empty((700, 130), np.float32)
    seen = []

    class Spy:
        def dispatcher(self, lo, hi, *args):
            seen.append(_blas_threads())
            blas._Product().dispatcher(lo, hi, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blas, "_PRODUCT", Spy())
        matmul(_draw(700, 96), _draw(96, 130), out)
    assert seen and all(s == {1} for s in seen)
    assert _blas_threads() == {2}


def test_an_error_leaves_the_threads_of_blas_as_before(through_blas):
    threads.set_num_threads(2)
    with pytest.raises(ValueError):
        matmul(_draw(700, 96), _draw(95, 130), np.empty((700, 130), np.float32))
    assert _blas_threads() == {2}


def test_nan_and_infinity_are_values(route):
    x = np.full((700, 96), np.inf, np.float32)
    out = np.empty((700, 130), np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        matmul(x, np.zeros((96, 130), np.float32), out)
    assert np.isnan(out).all()


def test_products_from_two_threads_at_once(route):
    threads.set_num_threads(2)
    x, y = _draw(700, 96), _draw(96, 130)
    want = np.empty((700, 130), np.float32)
    matmul(x, y, want)
    wrong = []

    def work():
        out = np.empty((700, 130), np.float32)
        for _ in range(30):
            out.fill(0)
            matmul(x, y, out)
            if out.tobytes() != want.tobytes():
                wrong.append(out)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for t in workers:
        t.start()
    for t in workers:
        t.join(timeout=60)
    assert not wrong
    assert _blas_threads() == {2}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_multiplies(through_blas):
    x, y = _draw(700, 96), _draw(96, 130)
    out = np.empty((700, 130), np.float32)
    matmul(x, y, out)
    with blas._ONE:  # as if another thread were inside
        child = os.fork()
        if child == 0:
            again = np.empty_like(out)
            matmul(x, y, again)
            os._exit(0 if again.tobytes() == out.tobytes() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
