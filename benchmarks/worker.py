"""One side of a case in a process of its own, driven through a pipe.

Libraries then share neither threads, nor allocators, nor settings; while one side runs,
the other waits for a message.
"""

from __future__ import annotations

import gc
import importlib
import multiprocessing
import time
import traceback
from multiprocessing.connection import Connection
from typing import Any, Self

from .case import Work
from .memory import forget_peak, peak, resident

PATIENCE = 1800.0  # seconds without an answer
ROUND_SECONDS = 0.3  # a round repeats short calls for about so long


class WorkerError(RuntimeError):
    """The process of one side failed; the message holds its traceback."""


class Worker:
    """A child process that has made the work of a factory.

    Parameters
    ----------
    factory : str
        ``"module:function"``, called with ``variant`` in the child.

    Notes
    -----
    Use as a context manager. Every method waits for the child.
    """

    def __init__(self, factory: str, variant: str) -> None:
        self.factory = factory
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        self._process = spawn.Process(
            target=_serve, args=(theirs, factory, variant), daemon=True
        )
        self._process.start()
        theirs.close()
        self._answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._pipe.close()  # the child sees the end of its commands
        self._process.join(10)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def first(self) -> tuple[float, dict[str, Any]]:
        """Seconds of the first call, compilation included, and its arrays."""
        return self._ask("first")  # type: ignore[no-any-return]

    def result(self) -> Any:
        """What one call returns."""
        return self._ask("result")

    def calls(self) -> int:
        """How many calls fill a round; 1 for work that measures itself."""
        return self._ask("calls")  # type: ignore[no-any-return]

    def round(self, calls: int) -> list[float]:
        """Seconds of some calls, one after the other."""
        return self._ask("round", calls)  # type: ignore[no-any-return]

    def memory(self) -> int:
        """Bytes that one call added to the peak, above those resident before it."""
        return self._ask("memory")  # type: ignore[no-any-return]

    def note(self) -> str:
        return self._ask("note")  # type: ignore[no-any-return]

    def _ask(self, *command: Any) -> Any:
        try:
            self._pipe.send(command)
        except OSError:
            self._dead()
        return self._answer()

    def _answer(self) -> Any:
        if not self._pipe.poll(PATIENCE):
            self._process.kill()
            raise WorkerError(
                f"[bench] {self.factory} did not answer for {PATIENCE:.0f} s"
            )
        try:
            ok, value = self._pipe.recv()
        except (EOFError, OSError):
            self._dead()
        if not ok:
            raise WorkerError(f"[bench] {self.factory} failed:\n{value}")
        return value

    def _dead(self) -> None:
        self._process.join(10)
        raise WorkerError(
            f"[bench] the process of {self.factory} ended with code "
            f"{self._process.exitcode}"
        )


def resolve(path: str) -> Any:
    """The object that ``"module:name"`` names."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


# ------------------------------------------------------------------ inside the child
def _serve(pipe: Connection, factory: str, variant: str) -> None:
    try:
        work: Work = resolve(factory)(variant)
        pipe.send((True, None))
    except BaseException:
        pipe.send((False, traceback.format_exc()))
        return
    while True:
        try:
            command, *args = pipe.recv()
        except (EOFError, KeyboardInterrupt):
            return
        try:
            answer = True, _COMMANDS[command](work, *args)
        except BaseException:
            answer = False, traceback.format_exc()
        pipe.send(answer)


def _first(work: Work) -> tuple[float, dict[str, Any]]:
    start = time.perf_counter()
    result = work.call()
    seconds = time.perf_counter() - start
    return seconds, dict(work.arrays(result))


def _result(work: Work) -> Any:
    return work.call()


def _calls(work: Work) -> int:
    if work.sample is not None:
        return 1
    seconds = _round(work, 1)[0]
    return max(1, min(1000, round(ROUND_SECONDS / max(seconds, 1e-6))))


def _round(work: Work, calls: int) -> list[float]:
    gc.collect()
    if work.sample is not None:
        return [work.sample() for _ in range(calls)]
    if calls > 1:
        work.call()  # the other side has emptied the caches
    seconds = []
    for _ in range(calls):
        start = time.perf_counter()
        work.call()
        seconds.append(time.perf_counter() - start)
    return seconds


def _memory(work: Work) -> int:
    gc.collect()
    forget_peak()
    before = resident()
    result = work.call()
    added = peak() - before
    del result
    return added


def _note(work: Work) -> str:
    return "" if work.note is None else work.note()


_COMMANDS = {
    "first": _first,
    "result": _result,
    "calls": _calls,
    "round": _round,
    "memory": _memory,
    "note": _note,
}
