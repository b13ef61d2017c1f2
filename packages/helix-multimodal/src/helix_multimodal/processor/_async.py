"""The same without blocking: each input in a thread, never more than asked for."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import os
import threading
import time
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from typing import Any
from weakref import WeakKeyDictionary

from ..errors import DataError
from ..limits import Limits
from ..tensors.item import Item
from ._read import aread

_SLOTS: WeakKeyDictionary[Any, asyncio.Semaphore] = WeakKeyDictionary()


class Asynchronous:
    """What a processor does with ``await``."""

    limits: Limits

    def _one(self, x: Any, modality: str | None, format: str | None) -> Item:
        raise NotImplementedError

    def _item(
        self, data: Any, modality: str | None, format: str | None, spent: float
    ) -> Item:
        raise NotImplementedError

    async def aprocess_auto(self, x: Any) -> Any:
        """The same as ``process_auto``, beside the event loop.

        Parameters
        ----------
        x : bytes-like, str or path, binary stream, or a list of these
            Streams may be asynchronous: ``await x.read(n)``.

        Returns
        -------
        Item, or a list of Item for a list

        Raises
        ------
        DataError, TypeError

        Notes
        -----
        All calls in one event loop share as many places as there are cores. A task that
        is cancelled gives its place up at once; what a thread has begun ends by itself,
        within ``Limits.wall``, and its result is dropped.
        """
        if isinstance(x, (list, tuple)):
            return [i async for i in self.aprocess_many(x)]
        async with _slots():
            return await self._alone(x)

    async def aprocess_many(
        self,
        source: Iterable[Any] | AsyncIterable[Any],
        *,
        concurrency: int | None = None,
        ordered: bool = True,
        errors: str = "raise",
    ) -> AsyncIterator[Any]:
        """Items of a stream of inputs, some at a time.

        Parameters
        ----------
        source : iterable or async iterable
            May be endless: an input is taken only when fewer than ``concurrency`` are
            under way or wait to be taken by the caller.
        concurrency : int, optional
            The number of cores if left out.
        ordered : bool
            In the order of the source; else each as soon as it is there.
        errors : {"raise", "return"}
            An input that cannot be processed ends the stream, or its `DataError` takes
            its place.

        Yields
        ------
        Item or DataError

        Raises
        ------
        DataError, TypeError, ValueError
            And what the source raises.
        """
        most = _cores() if concurrency is None else concurrency
        if isinstance(most, bool) or not isinstance(most, int) or most < 1:
            raise ValueError(
                f"[process] expected concurrency from 1; got {concurrency!r}"
            )
        if errors not in ("raise", "return"):
            raise ValueError(
                f"[process] expected errors to be 'raise' or 'return'; got {errors!r}"
            )
        inputs = _asynchronous(source)
        pull: asyncio.Task[Any] | None = None
        tasks: deque[asyncio.Task[Any]] = deque()
        ended = False
        try:
            while True:
                if not ended and pull is None and len(tasks) < most:
                    pull = asyncio.create_task(_next(inputs))
                if not tasks and pull is None:
                    return
                awaited = {tasks[0]} if ordered and tasks else set(tasks)
                if pull is not None:
                    awaited.add(pull)
                await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
                if pull is not None and pull.done():
                    taken, pull = pull.result(), None
                    ended = not taken
                    for x in taken:
                        tasks.append(asyncio.create_task(self._alone(x)))
                for task in _done(tasks, ordered):
                    tasks.remove(task)
                    yield _result(task, errors)
        finally:
            left = [*tasks, *([] if pull is None else [pull])]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
            close = getattr(inputs, "aclose", None)
            if close is not None:
                with contextlib.suppress(RuntimeError):
                    await close()

    async def _alone(self, x: Any) -> Item:
        if inspect.iscoroutinefunction(getattr(x, "read", None)):
            start = time.perf_counter()
            data = await aread(x, self.limits)
            spent = time.perf_counter() - start
            return await _in_thread(lambda: self._item(data, None, None, spent))
        return await _in_thread(lambda: self._one(x, None, None))


def _cores() -> int:
    return os.cpu_count() or 1


def _slots() -> asyncio.Semaphore:
    """Places of the running loop."""
    loop = asyncio.get_running_loop()
    found = _SLOTS.get(loop)
    if found is None:
        found = _SLOTS[loop] = asyncio.Semaphore(_cores())
    return found


async def _asynchronous(source: Any) -> AsyncIterator[Any]:
    if hasattr(source, "__aiter__"):
        async for x in source:
            yield x
    else:
        for x in source:
            yield x


async def _next(inputs: AsyncIterator[Any]) -> list[Any]:
    """The next input, or none at the end."""
    try:
        return [await anext(inputs)]
    except StopAsyncIteration:
        return []


def _done(tasks: deque[asyncio.Task[Any]], ordered: bool) -> list[asyncio.Task[Any]]:
    if not ordered:
        return [t for t in tasks if t.done()]
    out = []
    for t in tasks:
        if not t.done():
            break
        out.append(t)
    return out


def _result(task: asyncio.Task[Any], errors: str) -> Any:
    try:
        return task.result()
    except DataError as e:
        if errors == "raise":
            raise
        return e


async def _in_thread(function: Callable[[], Any]) -> Any:
    """Call in a thread of its own, so that one given up holds nobody else's place."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()
    context = contextvars.copy_context()

    def told(result: Any, error: BaseException | None) -> None:
        if future.done():  # cancelled
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)

    def work() -> None:
        result, error = None, None
        try:
            result = context.run(function)
        except BaseException as e:
            error = e
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(told, result, error)

    threading.Thread(target=work, name="helix-process", daemon=True).start()
    return await future
