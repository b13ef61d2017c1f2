"""Reuse of large CPU buffers."""

import gc
import sys
import threading

import numpy as np
import pytest
from helix_hal.cpu import pool

MIB = 1 << 20


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """A pool of its own for every test."""
    gc.collect()
    monkeypatch.setattr(pool, "_pool", None)
    monkeypatch.setattr(pool, "_give_back", None)
    yield
    gc.collect()


def _address(array):
    return array.__array_interface__["data"][0]


def test_memory_is_reused_when_the_array_dies():
    x = pool.empty((1024, 256))
    where = _address(x)
    del x
    assert _address(pool.empty((256, 1024))) == where


def test_memory_is_not_reused_while_a_view_lives():
    x = pool.empty((1024, 256))
    x[...] = 7
    view = x[3:].T[5:].reshape(-1)[::2].view(np.int32)
    expected = view.copy()
    del x
    for _ in range(3):
        pool.empty((1024, 256))[...] = 9
    assert (view == expected).all()


@pytest.mark.parametrize(
    "export",
    [memoryview, lambda x: np.frombuffer(x, np.uint8), np.from_dlpack, np.asarray],
    ids=["memoryview", "frombuffer", "dlpack", "asarray"],
)
def test_memory_is_not_reused_while_an_export_lives(export):
    x = pool.empty(MIB, np.uint8)
    x[:] = 1
    exported = export(x)
    del x
    y = pool.empty(MIB, np.uint8)
    y[:] = 2
    assert np.asarray(exported).max() == 1


def test_large_arrays_are_aligned_writable_and_plain():
    x = pool.empty((100, 1000), np.float64)
    assert _address(x) % 64 == 0
    assert type(x) is np.ndarray and x.flags.writeable and x.flags.c_contiguous
    assert x.shape == (100, 1000) and x.dtype == np.float64


def test_small_arrays_do_not_enter_the_pool():
    x = pool.empty(100)
    assert x.flags.owndata
    assert pool.empty(()).shape == () and pool.empty((0, 5)).shape == (0, 5)


def test_zeros_clears_reused_memory():
    x = pool.empty(MIB)
    x[:] = 3
    del x
    assert not pool.zeros(MIB).any()


@pytest.mark.parametrize("nbytes", [65536, 65537, 100_000, 3 * MIB + 1, 64 * MIB])
def test_a_size_class_wastes_at_most_an_eighth(nbytes):
    size = pool.size_class(nbytes)
    assert nbytes <= size <= nbytes * 1.126
    assert pool.size_class(size) == size


def test_stats_follow_one_block():
    x = pool.empty(MIB, np.uint8)
    assert (pool.stats().used_bytes, pool.stats().cached_bytes) == (MIB, 0)
    del x
    assert (pool.stats().used_bytes, pool.stats().cached_bytes) == (0, MIB)
    pool.empty(MIB, np.uint8)
    assert (pool.stats().fresh, pool.stats().reused) == (1, 1)


def test_the_limit_bounds_what_is_cached(monkeypatch):
    monkeypatch.setenv("HELIX_POOL_BYTES", str(2 * MIB))
    arrays = [pool.empty(MIB, np.uint8) for _ in range(5)]
    arrays.clear()
    assert pool.stats().cached_bytes == 2 * MIB
    assert pool.stats().trimmed == 3


def test_a_limit_of_zero_turns_reuse_off(monkeypatch):
    monkeypatch.setenv("HELIX_POOL_BYTES", "0")
    pool.empty(MIB)
    pool.empty(MIB)
    assert (pool.stats().reused, pool.stats().fresh) == (0, 2)


def test_a_limit_that_is_no_number_is_named(monkeypatch):
    monkeypatch.setenv("HELIX_POOL_BYTES", "lots")
    with pytest.raises(ValueError, match=r"HELIX_POOL_BYTES.*lots"):
        pool.empty(MIB)


def test_trim_gives_back_the_largest_first():
    a, b = pool.empty(4 * MIB, np.uint8), pool.empty(MIB, np.uint8)
    del a, b
    assert pool.trim(keep=2 * MIB) == 4 * MIB
    assert pool.stats().cached_bytes == MIB
    assert pool.trim() == MIB


def test_low_memory_empties_the_pool(monkeypatch):
    x, y = pool.empty(MIB, np.uint8), pool.empty(MIB, np.uint8)
    del x

    class Low:
        total, available = 100, 1

    pool._pool.memory = Low
    pool._pool.next_check = 0.0
    del y
    assert pool.stats().cached_bytes == 0


def test_a_failed_allocation_empties_the_pool_and_tries_again(monkeypatch):
    x = pool.empty(MIB, np.uint8)
    del x
    calls = []
    real = pool._Block

    def failing(*args):
        calls.append(pool._pool.cached)
        if len(calls) == 1:
            raise MemoryError
        return real(*args)

    monkeypatch.setattr(pool, "_Block", failing)
    assert pool.empty(2 * MIB, np.uint8).size == 2 * MIB
    assert calls == [MIB, 0]


def test_memory_that_the_system_does_not_have_is_an_error():
    with pytest.raises(MemoryError):
        pool.empty((1 << 62,), np.uint8)


def test_threads_never_share_a_block():
    errors = []

    def work(mark):
        for _ in range(200):
            x = pool.empty(1 << 17, np.uint8)
            x[:] = mark
            if not (x == mark).all():
                errors.append(mark)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors
    assert pool.stats().used_bytes == 0


def test_a_block_dying_in_a_reference_cycle_returns():
    cycle = [pool.empty(MIB, np.uint8)]
    cycle.append(cycle)
    del cycle
    gc.collect()
    assert pool.stats().used_bytes == 0


def test_exit_with_living_arrays_is_silent():
    import subprocess

    code = (
        "from helix_hal.cpu import pool\n"
        "keep = pool.empty(1 << 20); cycle = [pool.empty(1 << 20)]\n"
        "cycle.append(cycle)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
