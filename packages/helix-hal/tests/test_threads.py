"""One bound for our threads, NumPy's BLAS and the FFT workers."""

import subprocess
import sys
import threading

import numpy as np
import pytest
from helix_hal.cpu import threads
from threadpoolctl import threadpool_info


@pytest.fixture(autouse=True)
def restore():
    before = threads.get_num_threads()
    yield
    threads.set_num_threads(before)


def _blas_threads() -> set[int]:
    np.ones((2, 2)) @ np.ones((2, 2))
    return {p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas"}


def test_set_num_threads_bounds_blas_too():
    threads.set_num_threads(1)
    assert threads.get_num_threads() == 1
    assert _blas_threads() == {1}


def test_any_thread_may_set_the_number():
    threads.set_num_threads(2)
    other = threading.Thread(target=threads.set_num_threads, args=(1,))
    other.start()
    other.join()
    assert threads.get_num_threads() == 1
    assert _blas_threads() == {1}


def test_more_threads_than_cpus_are_allowed():
    threads.set_num_threads(5)
    assert threads.get_num_threads() == 5


@pytest.mark.parametrize("bad", [0, -1, 1.5, "2", True])
def test_a_bad_count_is_refused(bad):
    with pytest.raises(ValueError, match=r"\[set_num_threads\] expected .*Hint"):
        threads.set_num_threads(bad)


def _python(code: str, **environment: str) -> subprocess.CompletedProcess:
    import os

    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


SHOW = "from helix_hal.cpu.threads import *; print(get_num_threads())"


def test_the_environment_sets_the_default():
    assert _python(SHOW, HELIX_NUM_THREADS="3").stdout.strip() == "3"


@pytest.mark.parametrize("bad", ["many", "0", "-2", "1.5"])
def test_a_bad_environment_value_is_named(bad):
    done = _python(SHOW, HELIX_NUM_THREADS=bad)
    assert "HELIX_NUM_THREADS" in done.stderr and repr(bad) in done.stderr


def test_the_environment_bounds_blas_too():
    code = (
        "import numpy as np; from threadpoolctl import threadpool_info\n"
        "from helix_hal.cpu.threads import *; get_num_threads(); np.ones((2, 2)) @ "
        "np.ones((2, 2)); print({p['num_threads'] for p in threadpool_info()})"
    )
    assert _python(code, HELIX_NUM_THREADS="1").stdout.strip() == "{1}"


@pytest.mark.parametrize("text,cpus", [("max 100000", None), ("150000 100000", 2)])
def test_a_container_quota_is_rounded_up(text, cpus, tmp_path, monkeypatch):
    file = tmp_path / "cpu.max"
    file.write_text(text)
    monkeypatch.setattr(threads, "_QUOTA_FILE", file)
    assert threads._container_quota() == cpus


def test_no_quota_file_is_no_quota(tmp_path, monkeypatch):
    monkeypatch.setattr(threads, "_QUOTA_FILE", tmp_path / "absent")
    assert threads._container_quota() is None


def test_the_default_is_the_cpus_this_process_may_use():
    code = "from helix_hal.cpu.threads import *; print(available_cpus())"
    shown = _python(SHOW, HELIX_NUM_THREADS="").stdout
    assert shown == _python(code).stdout


@pytest.mark.skipif(sys.platform != "linux", reason="affinity masks are Linux's")
def test_the_affinity_mask_counts():
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); " + SHOW
    assert _python(code, HELIX_NUM_THREADS="").stdout.strip() == "1"
