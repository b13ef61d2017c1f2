"""The processor with await: order, back-pressure, cancellation, errors."""

from __future__ import annotations

import asyncio
import io
import itertools
import threading
import time

import numpy as np
import pytest
from helix_multimodal import (
    IntelligentProcessor,
    Item,
    LimitExceeded,
    Limits,
    UnknownFormat,
    Unreadable,
)
from helix_multimodal.processor import _async

P = IntelligentProcessor()


def ids(item):
    return bytes(item["input_ids"].astype(np.uint8))


class Gate(io.BytesIO):
    """A stream that waits until it is opened."""

    def __init__(self, data=b"late"):
        super().__init__(data)
        self.open, self.entered = threading.Event(), threading.Event()

    def read(self, n=-1):
        self.entered.set()
        assert self.open.wait(20)
        return super().read(n)


async def entered(*gates):
    for g in gates:
        assert await asyncio.to_thread(g.entered.wait, 20)


def run(coroutine):
    async def limited():
        return await asyncio.wait_for(coroutine, 30)

    return asyncio.run(limited())


async def every(stream):
    return [x async for x in stream]


def test_the_same_as_without_await(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"path")

    async def main():
        inputs = [b"bytes", path, io.BytesIO(b"stream")]
        one = [ids(await P.aprocess_auto(x)) for x in (b"bytes", path)]
        return one, [ids(i) for i in await P.aprocess_auto(inputs)]

    assert run(main()) == ([b"bytes", b"path"], [b"bytes", b"path", b"stream"])


def test_the_loop_goes_on_meanwhile():
    async def main():
        gate = Gate()
        task = asyncio.create_task(P.aprocess_auto(gate))
        await entered(gate)
        assert not task.done()
        gate.open.set()
        return ids(await task)

    assert run(main()) == b"late"


def test_order():
    async def main():
        for ordered, first in ((True, b"late"), (False, b"quick")):
            gate = Gate()

            async def source(gate=gate):
                yield gate
                yield b"quick"
                await asyncio.sleep(0.1)
                gate.open.set()

            stream = P.aprocess_many(source(), concurrency=3, ordered=ordered)
            got = [ids(i) for i in await every(stream)]
            assert got[0] == first and sorted(got) == [b"late", b"quick"]

    run(main())


def test_no_more_is_taken_than_asked_for():
    taken = []

    def endless():
        for i in itertools.count():
            taken.append(i)
            yield b"%d" % i

    async def main():
        stream = P.aprocess_many(endless(), concurrency=3)
        for i in range(5):
            assert ids(await anext(stream)) == b"%d" % i
            await asyncio.sleep(0.02)
            assert len(taken) <= i + 1 + 3
        await stream.aclose()
        assert len(asyncio.all_tasks()) <= 2

    run(main())


def test_never_more_at_once_than_asked_for():
    lock, now, most = threading.Lock(), [0], [0]

    class Counted(io.BytesIO):
        def read(self, n=-1):
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            time.sleep(0.01)
            with lock:
                now[0] -= 1
            return super().read(n)

    inputs = [Counted(b"x") for _ in range(12)]
    assert len(run(every(P.aprocess_many(inputs, concurrency=3)))) == 12
    assert 1 <= most[0] <= 3


def test_a_source_that_waits_for_results_gets_them():
    async def main():
        answers: asyncio.Queue[bytes] = asyncio.Queue()

        async def source():
            yield b"first"
            assert await answers.get() == b"first"
            yield b"second"

        out = []
        async for item in P.aprocess_many(source(), concurrency=8):
            out.append(ids(item))
            answers.put_nowait(ids(item))
        return out

    assert run(main()) == [b"first", b"second"]


def test_errors():
    inputs = [b"a", b"", b"b"]
    out = run(every(P.aprocess_many(inputs, errors="return")))
    assert [type(x) for x in out] == [Item, UnknownFormat, Item]

    async def main():
        got = []
        with pytest.raises(UnknownFormat):
            async for item in P.aprocess_many(inputs, concurrency=3):
                got.append(ids(item))
        assert len(asyncio.all_tasks()) <= 2
        return got

    assert run(main()) == [b"a"]
    with pytest.raises(TypeError, match="expected bytes, a path"):
        run(every(P.aprocess_many([3], errors="return")))
    for bad in ({"errors": "hide"}, {"concurrency": 0}, {"concurrency": 1.5}):
        with pytest.raises(ValueError, match=r"\[process\] expected"):
            run(every(P.aprocess_many([], **bad)))
    assert run(every(P.aprocess_many([]))) == []


def test_a_source_that_raises():
    def source():
        yield b"a"
        raise RuntimeError("of the source")

    with pytest.raises(RuntimeError, match="of the source"):
        run(every(P.aprocess_many(source(), errors="return")))


def test_a_cancelled_task_gives_its_place_up(monkeypatch):
    monkeypatch.setattr(_async, "_cores", lambda: 1)

    async def main():
        gate = Gate()
        task = asyncio.create_task(P.aprocess_auto(gate))
        await entered(gate)
        waiting = asyncio.create_task(P.aprocess_auto(b"next"))
        await asyncio.sleep(0.05)
        assert not waiting.done()  # the only place is taken
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ids(await waiting) == b"next"  # though the thread still waits
        gate.open.set()

    run(main())


def test_a_cancelled_stream_leaves_nothing():
    async def main():
        gates = [Gate() for _ in range(3)]
        task = asyncio.create_task(every(P.aprocess_many(gates, concurrency=2)))
        await entered(*gates[:2])
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not gates[2].entered.is_set()
        assert len(asyncio.all_tasks()) <= 2
        for g in gates:
            g.open.set()

    run(main())


def test_a_thread_may_outlive_its_loop():
    gate = Gate()

    async def main():
        task = asyncio.create_task(P.aprocess_auto(gate))
        await entered(gate)
        task.cancel()

    run(main())
    before = {t for t in threading.enumerate() if t.name == "helix-process"}
    gate.open.set()
    for t in before:
        t.join(20)
        assert not t.is_alive()


class Asynchronous:
    def __init__(self, *parts):
        self.parts = list(parts)

    async def read(self, n):
        await asyncio.sleep(0)
        part = self.parts.pop(0) if self.parts else b""
        if isinstance(part, Exception):
            raise part
        return part


def test_asynchronous_streams():
    assert ids(run(P.aprocess_auto(Asynchronous(b"ab", b"cd")))) == b"abcd"
    with pytest.raises(Unreadable, match="OSError: reset"):
        run(P.aprocess_auto(Asynchronous(b"ab", OSError("reset"))))
    with pytest.raises(Unreadable, match="stream of bytes; got str"):
        run(P.aprocess_auto(Asynchronous("ab")))
    small = IntelligentProcessor(Limits(input_bytes=3))
    with pytest.raises(LimitExceeded):
        run(small.aprocess_auto(Asynchronous(b"ab", b"cd")))
    with pytest.raises(TypeError, match="await aprocess_auto"):
        P.process_auto(Asynchronous(b"ab"))
