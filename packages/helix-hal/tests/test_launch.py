"""Launching range kernels on worker threads."""

import os
import signal
import subprocess
import sys
import threading
import time
import weakref

import numpy as np
import pytest
from helix_hal.cpu import launch as launch_module
from helix_hal.cpu import threads
from helix_hal.cpu.jit import kernel
from helix_hal.cpu.launch import launch


@kernel
def count(lo, hi, hits):
    for i in range(lo, hi):
        hits[i] += 1


@kernel
def burn(lo, hi, rounds, out):
    for i in range(lo, hi):
        total = 0.0
        for j in range(rounds):
            total += np.sqrt(float(j + i))
        out[i] = total


@kernel
def fail_at(lo, hi, where):
    for i in range(lo, hi):
        if i == where:
            raise ValueError("block failed")


class Recorder:
    """Stands in for a compiled kernel: Python code on the workers."""

    def __init__(self, body):
        self.dispatcher = body


@pytest.fixture(params=[1, 2, 3, 8])
def n_threads(request, monkeypatch):
    monkeypatch.setattr(threads, "_num_threads", request.param)
    return request.param


@pytest.fixture
def two_threads(monkeypatch):
    monkeypatch.setattr(threads, "_num_threads", 2)


@pytest.mark.parametrize("n_blocks", [0, 1, 2, 3, 7, 8, 9, 100, 1001])
def test_every_block_runs_exactly_once(n_threads, n_blocks):
    hits = np.zeros(n_blocks, np.int64)
    launch(count, n_blocks, hits)
    assert (hits == 1).all()


def test_work_is_shared_between_threads(two_threads):
    seen = set()
    barrier = threading.Barrier(2, timeout=10)

    def body(lo, hi):
        if threading.get_ident() not in seen:
            seen.add(threading.get_ident())
            barrier.wait()

    launch(Recorder(body), 8)
    assert len(seen) == 2


def test_an_exception_in_any_block_arrives(two_threads):
    for where in (0, 50, 99):
        with pytest.raises(ValueError, match="block failed"):
            launch(fail_at, 100, where)
    hits = np.zeros(100, np.int64)
    launch(count, 100, hits)
    assert (hits == 1).all()


def test_a_launch_inside_a_launch_runs(two_threads):
    hits = np.zeros(64, np.int64)

    def body(lo, hi):
        for i in range(lo, hi):
            launch(count, 8, hits[8 * i : 8 * i + 8])

    launch(Recorder(body), 8)
    assert (hits == 1).all()


def test_launches_from_many_threads_at_once_are_all_right(two_threads):
    results = [np.zeros(1000, np.int64) for _ in range(6)]

    def work(hits):
        for _ in range(50):
            launch(count, 1000, hits)

    workers = [threading.Thread(target=work, args=(r,)) for r in results]
    for t in workers:
        t.start()
    for t in workers:
        t.join(timeout=60)
    assert all((r == 50).all() for r in results)


def test_arguments_are_released_when_the_launch_returns(two_threads):
    class Owned(np.ndarray):
        pass

    hits = np.zeros(1000, np.int64).view(Owned)
    plain = np.asarray(hits)
    gone = weakref.ref(hits)
    launch(count, 1000, plain)
    del hits, plain
    assert gone() is None


@pytest.mark.skipif(os.name != "posix", reason="sends itself POSIX signals")
@pytest.mark.parametrize("sender", ["caller", "worker"])
def test_an_interrupt_waits_for_the_worker(two_threads, sender):
    started, finished = threading.Event(), []
    main = threading.get_ident()

    def body(lo, hi):
        if threading.get_ident() == main:
            assert started.wait(10)
            if sender == "caller":
                signal.raise_signal(signal.SIGINT)
        else:
            started.set()
            time.sleep(0.1)  # by now the caller waits for this thread
            if sender == "worker":
                os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.1)
            finished.append(lo)

    with pytest.raises(KeyboardInterrupt):
        launch(Recorder(body), 2)
    assert len(finished) == 1
    hits = np.zeros(10, np.int64)
    launch(count, 10, hits)
    assert (hits == 1).all()


def test_a_launch_below_the_grain_stays_in_the_calling_thread(two_threads):
    seen = []
    body = Recorder(lambda lo, hi: seen.append((threading.get_ident(), lo, hi)))
    launch(body, 15, grain=8)
    assert seen == [(threading.get_ident(), 0, 15)]


def test_no_piece_is_smaller_than_the_grain(two_threads):
    seen = []
    launch(Recorder(lambda lo, hi: seen.append((lo, hi))), 100, grain=30)
    assert sorted(seen) == [(0, 33), (33, 66), (66, 100)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_has_workers_of_its_own(two_threads):
    launch(count, 100, np.zeros(100, np.int64))
    child = os.fork()
    if child == 0:
        hits = np.zeros(100, np.int64)
        launch(count, 100, hits)
        ok = (hits == 1).all() and len(launch_module._state.workers) == 1
        os._exit(0 if ok else 1)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            assert os.waitstatus_to_exitcode(status) == 0
            return
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    pytest.fail("the child did not return")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_forked_during_a_launch_can_launch(two_threads):
    statuses = []
    main = threading.get_ident()

    def body(lo, hi):
        if threading.get_ident() == main and not statuses:
            statuses.append(None)
            child = os.fork()
            if child == 0:
                hits = np.zeros(100, np.int64)
                launch(count, 100, hits)
                os._exit(0 if (hits == 1).all() else 1)
            statuses[0] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    launch(count, 8, np.zeros(8, np.int64))
    launch(Recorder(body), 8)
    assert statuses == [0]


def _python(code: str) -> subprocess.CompletedProcess:
    prelude = (
        "import numpy as np, threading, atexit\n"
        "from helix_hal.cpu.launch import launch\n"
        "from helix_hal.cpu.threads import set_num_threads\n"
        "from helix_hal.cpu.jit import kernel\n"
        "set_num_threads(3)\n"
        "@kernel\n"
        "def count(lo, hi, hits):\n"
        "    for i in range(lo, hi):\n"
        "        hits[i] += 1\n"
        "hits = np.zeros(1000, np.int64)\n"
        "launch(count, 1000, hits)\n"
    )
    return subprocess.run(
        [sys.executable, "-c", prelude + code],
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize(
    "code",
    [
        "",
        "atexit.register(lambda: launch(count, 1000, hits))",
        "threading.Thread(target=lambda: launch(count, 1000, hits)).start()",
    ],
    ids=["idle", "launch at exit", "launch in another thread"],
)
def test_the_interpreter_ends_cleanly(code):
    done = _python(code)
    assert (done.returncode, done.stderr) == (0, "")
