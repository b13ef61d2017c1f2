"""Worker processes of the parent's side: started, watched, recycled, never trusted."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from typing import Any

from helix_core import platform

from ..errors import DataError, PluginFailed, Timeout
from ..limits import MIB, Meter
from ._wire import MOST_JSON, SIZES, Broken, died, pack, unpack
from ._worker import read_exactly, write_all

JOBS = 1000  # until a worker is replaced
GROWN = 256 * MIB  # and when its memory has grown by so much
START = 60.0  # seconds that a start may take
GRACE = 0.5  # seconds that a worker has to tell of its own timeout
SLACK = 64 * MIB  # of an answer, beyond the decoded bytes
_BOOT = (
    "import sys,json;sys.path[:]=json.loads(sys.stdin.buffer.raw.readline());"
    "from helix_multimodal.isolate._worker import main;main()"
)
# one thread in each library: workers are parallel already
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Worker:
    """A process, and the pipes to it."""

    def __init__(self) -> None:
        env = {**os.environ, **dict.fromkeys(_THREADS, "1")}
        self.late = False
        self.jobs = 0
        self.peak = 0
        self.process = subprocess.Popen(
            [sys.executable, "-c", _BOOT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env=env,
        )
        paths = json.dumps([p or os.getcwd() for p in sys.path]) + "\n"
        try:
            self.talk([paths.encode()], time.monotonic() + START, 0, "worker")
        except BaseException:
            self.end()
            raise

    def talk(
        self, parts: list[Any], until: float | None, most: int | None, what: str
    ) -> Any:
        """Send a message and read the answer.

        Raises
        ------
        Timeout, WorkerDied
            The worker is dead then.
        """
        into, out = self.process.stdin, self.process.stdout
        assert into is not None and out is not None
        if until is not None:
            _WATCH.add(self, until)
        try:
            write_all(into, parts)  # type: ignore[arg-type]
            sizes = read_exactly(out, SIZES.size)  # type: ignore[arg-type]
            if sizes is not None:
                n_text, n_data = SIZES.unpack(sizes)
                if n_text > MOST_JSON or (most is not None and n_data > most):
                    raise Broken(f"an answer of {n_text:,} and {n_data:,} bytes")
                text = read_exactly(out, n_text)  # type: ignore[arg-type]
                data = read_exactly(out, n_data)  # type: ignore[arg-type]
                if text is not None and data is not None:
                    return unpack(bytes(text), data)
        except OSError:
            pass
        except Broken as e:
            self.end()
            raise died(what, f"an answer that is none: {e}") from e
        finally:
            if until is not None:
                _WATCH.remove(self)
        late = self.late
        self.end()
        if late:
            raise Timeout(
                f"[{what}] expected to decode in time; its worker was stopped. "
                "Hint: Limits(wall=...) or None"
            )
        raise died(what, platform.ending(self.process.returncode))

    def end(self) -> None:
        """Kill it; nothing of it stays."""
        if self.process.poll() is None:
            self.process.kill()
        for f in (self.process.stdin, self.process.stdout):
            if f is not None:
                f.close()
        self.process.wait()


class _Watch:
    """One thread that kills workers which are late."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._until: dict[Worker, float] = {}
        self._wake = 0.0
        self._thread: threading.Thread | None = None

    def add(self, worker: Worker, until: float) -> None:
        with self._change:
            self._until[worker] = until
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._loop, daemon=True, name="helix-watch"
                )
                self._thread.start()
            elif until < self._wake:
                self._change.notify()

    def remove(self, worker: Worker) -> None:
        with self._change:
            self._until.pop(worker, None)

    def _loop(self) -> None:
        with self._change:
            while True:
                now = time.monotonic()
                for worker, until in list(self._until.items()):
                    if until <= now:
                        worker.late = True
                        worker.process.kill()
                        del self._until[worker]
                self._wake = min(self._until.values(), default=now + 5.0)
                told = self._change.wait(self._wake - now)
                if not told and not self._until:
                    self._thread = None
                    return


class Pool:
    """Workers that are kept for the next job.

    Parameters
    ----------
    size : int, optional
        Most workers at a time; by default the CPUs, at most 4.
    """

    def __init__(self, size: int | None = None) -> None:
        self._free: list[Worker] = []
        self._room = threading.Semaphore(size or min(4, platform.cpu_count()))
        self._lock = threading.Lock()

    def run(
        self, function: str, data: Any, meter: Meter, options: Any, ours: bool
    ) -> Any:
        """Call ``function(data, meter, **options)`` in a worker.

        Parameters
        ----------
        function : str
            ``"pkg.mod:name"``.

        Raises
        ------
        DataError
        """
        limits = meter.limits
        job = {
            "function": function,
            "what": meter.what,
            "limits": asdict(limits),
            "options": options,
            "ours": ours,
            "size": memoryview(data).nbytes,
        }
        try:
            head = pack(job)[0]
        except TypeError as e:
            raise TypeError(f"[{meter.what}] expected plain options; {e}") from e
        text = head[SIZES.size :]
        parts = [SIZES.pack(len(text), job["size"]), text, data]
        most = None if limits.decoded_bytes is None else limits.decoded_bytes + SLACK
        with self._room:
            worker = self._take()
            fit = False
            try:
                until = None
                if limits.wall is not None:
                    until = time.monotonic() + limits.wall + GRACE
                answer = worker.talk(parts, until, most, meter.what)
                fit = self._fit(worker, answer)
            finally:
                if fit:
                    with self._lock:
                        self._free.append(worker)
                else:
                    worker.end()
        value = answer.get("value") if isinstance(answer, dict) else None
        if isinstance(value, DataError):
            raise value
        if value is None:
            raise PluginFailed(f"[{meter.what}] expected a sample; got none")
        return value

    def _take(self) -> Worker:
        with self._lock:
            while self._free:
                worker = self._free.pop()
                if worker.process.poll() is None:
                    return worker
                worker.end()
        return Worker()

    def _fit(self, worker: Worker, answer: Any) -> bool:
        """Whether it may serve again."""
        if not isinstance(answer, dict) or answer.get("fit") is not True:
            return False
        worker.jobs += 1
        peak = answer.get("peak")
        if not isinstance(peak, int):
            return False
        worker.peak = worker.peak or peak
        return worker.jobs < JOBS and peak - worker.peak < GROWN

    def close(self) -> None:
        """End the workers that are free."""
        with self._lock:
            free, self._free = self._free, []
        for worker in free:
            worker.end()


_WATCH = _Watch()
_POOL = Pool()


def call(
    function: str, data: Any, meter: Meter, options: Any, ours: bool = True
) -> Any:
    """Call a decoder in a worker of the shared pool: see `Pool.run`."""
    return _POOL.run(function, data, meter, options, ours)


def close() -> None:
    """End the shared pool's workers; the next call starts new ones."""
    _POOL.close()


def _forget() -> None:
    """In a forked child: the workers are the parent's."""
    global _WATCH, _POOL
    _WATCH, _POOL = _Watch(), Pool()


platform.on_fork_child(_forget)
atexit.register(close)
