"""Run a range kernel on the process's own worker threads.

Kernels release the GIL, so plain Python threads run them at full speed. The range is
cut into a few pieces a thread, which the threads take as they become free: a core that
is busy with something else slows a launch by its share only. Which thread does which
piece never matters, because a kernel's blocks are independent of each other. The caller
begins at once and takes the job back from a worker that has not woken when all pieces
are gone, so that a small launch never waits for the 20 us that waking a thread takes.

numba's own ``parallel=True`` is not used: its default pool aborts the process when two
threads launch at once, dies in a forked child, and takes four times as long to compile.
"""

from __future__ import annotations

import atexit
import itertools
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from helix_core.platform import on_fork_child

from helix_hal.cpu.threads import get_num_threads

__all__ = ["launch"]

_PIECES = 4  # a thread; more balance better, and each costs a microsecond


class _Job:
    """One launch: what to run, and the pieces that nobody has taken yet."""

    __slots__ = ("args", "count", "error", "n_blocks", "pieces", "run")

    def __init__(self, run: Any, n_blocks: int, count: int, args: tuple[Any, ...]):
        self.run = run
        self.args = args
        self.n_blocks = n_blocks
        self.count = count
        self.pieces = itertools.count()  # `next` on it is atomic
        self.error: BaseException | None = None

    def work(self) -> None:
        """Take pieces until none is left; the first error of any thread is kept."""
        run, args, n_blocks, count = self.run, self.args, self.n_blocks, self.count
        try:
            for piece in self.pieces:
                if piece >= count:
                    return
                lo, hi = n_blocks * piece // count, n_blocks * (piece + 1) // count
                run(lo, hi, *args)
        except BaseException as error:
            self.error = self.error or error


class _Worker:
    """One thread that sleeps on a lock until there is a job in its inbox."""

    __slots__ = ("go", "inbox", "thread")

    def __init__(self, index: int) -> None:
        self.go = threading.Lock()
        self.go.acquire()
        self.inbox: deque[tuple[_Job, threading.Lock] | None] = deque()
        self.thread = threading.Thread(
            target=self._loop, name=f"helix-cpu-{index}", daemon=True
        )
        self.thread.start()

    def post(self, item: tuple[_Job, threading.Lock] | None) -> None:
        """Offer a job; only the launch that holds the lock may call this."""
        self.inbox.append(item)
        if self.go.locked():  # else the thread is on its way already
            self.go.release()

    def revoke(self) -> bool:
        """Take the job back; False if the worker has it. `deque.pop` decides."""
        try:
            self.inbox.pop()
        except IndexError:
            return False
        return True

    def _loop(self) -> None:
        while True:
            self.go.acquire()
            try:
                item = self.inbox.pop()
            except IndexError:
                continue
            if item is None:
                return
            job, done = item
            job.work()
            # Nothing may stay alive here: the buffers are the caller's again.
            del item, job
            done.release()


class _State:
    """The workers, and the lock that one launch at a time holds."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.workers: list[_Worker] = []
        self.closed = False


_state = _State()


class Kernel(Protocol):
    """What can be launched: ``dispatcher(lo, hi, *args)`` does a range of blocks."""

    @property
    def dispatcher(self) -> Callable[..., None]: ...


def launch(kernel: Kernel, n_blocks: int, *args: Any, grain: int = 1) -> None:
    """Run ``kernel(lo, hi, *args)`` over all of ``range(n_blocks)``.

    The calling thread works too. A launch inside a launch, or beside one from another
    Python thread, runs serially in its own thread. The kernel must give the same
    result however the range is cut.

    Parameters
    ----------
    kernel : Kernel
        From `helix_hal.cpu.jit.kernel`, or anything that releases the GIL.
    n_blocks : int
        Number of independent blocks; 0 does nothing.
    *args
        Arrays and scalars, the same for every piece.
    grain : int, default 1
        Blocks that are worth ten microseconds or more: no piece is smaller, and a
        launch of fewer than two such pieces stays in the calling thread.

    Raises
    ------
    BaseException
        The first exception of any piece, after every thread has stopped.
    """
    run = kernel.dispatcher
    most = n_blocks // grain
    state = _state
    if most < 2 or (threads := min(get_num_threads(), most)) < 2 or state.closed:
        if n_blocks > 0:
            run(0, n_blocks, *args)
    elif state.lock.acquire(blocking=False):
        try:
            _fan_out(state, run, n_blocks, threads, min(most, threads * _PIECES), args)
        finally:
            state.lock.release()
    else:
        run(0, n_blocks, *args)


def _fan_out(
    state: _State,
    run: Any,
    n_blocks: int,
    threads: int,
    count: int,
    args: tuple[Any, ...],
) -> None:
    job = _Job(run, n_blocks, count, args)
    interrupt: BaseException | None = None
    waiting: list[tuple[_Worker, threading.Lock]] = []
    while len(state.workers) < threads - 1:
        state.workers.append(_Worker(len(state.workers)))
    for worker in state.workers[: threads - 1]:
        done = threading.Lock()
        done.acquire()
        waiting.append((worker, done))
        worker.inbox.clear()  # of what an interrupted launch left
        worker.post((job, done))
    job.work()
    for worker, done in waiting:
        if worker.revoke():
            continue
        # An interrupt must not leave a worker writing to a freed buffer.
        while True:
            try:
                done.acquire()
                break
            except BaseException as raised:
                interrupt = interrupt or raised
    error = interrupt or job.error
    if error is not None:
        raise error


def _close() -> None:
    """Stop the workers before the interpreter takes the GIL away from them."""
    state = _state
    with state.lock:
        state.closed = True
        workers, state.workers = state.workers, []
    for worker in workers:
        worker.post(None)
        worker.thread.join()


def _after_fork() -> None:
    """A child has none of its parent's threads: start from nothing."""
    global _state
    _state = _State()


atexit.register(_close)
on_fork_child(_after_fork)
