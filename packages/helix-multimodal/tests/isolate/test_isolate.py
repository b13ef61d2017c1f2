"""Worker processes: what they contain, and that nothing of them stays."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from helix_multimodal import (
    Corrupt,
    LimitExceeded,
    Limits,
    Timeout,
    WorkerDied,
    decode,
    isolate,
)
from helix_multimodal.isolate import _pool
from helix_multimodal.isolate._wire import SIZES, Broken, pack, unpack
from helix_multimodal.limits import Meter

sys.path.insert(0, str(Path(__file__).parent))
LINUX = Path("/proc/self/statm").exists()


@pytest.fixture(scope="module")
def pool():
    pool = isolate.Pool(2)
    yield pool
    pool.close()


def call(pool, name, data=b"abc", **limits):
    meter = Meter(Limits(**limits), len(data), "hostile")
    return pool.run(f"hostile:{name}", data, meter, {}, False)


def test_bytes_come_back(pool):
    assert call(pool, "echo", b"").data == b""
    assert call(pool, "echo", b"abc").data == b"abc"
    big = os.urandom(10_000_000)
    assert call(pool, "echo", big).data == big


def test_arrays_come_back(pool):
    got = call(pool, "arrays")
    assert got.arrays["f"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert got.arrays["f"].flags.writeable
    assert got.arrays["empty"].shape == (0, 3)
    assert got.arrays["scalar"].shape == ()
    assert got.arrays["text"].tolist() == ["a", "bc"]
    assert got.arrays["objects"].tolist() == ["x", None]
    assert got.arrays["record"].dtype == np.dtype([("a", "<f4"), ("b", "i1", (2,))])
    assert got.metadata["n"] == 3
    assert got.metadata["nested"] == [1, {"a": [2.5, b"\0"]}]
    assert np.isnan(got.metadata["nan"])


@pytest.mark.parametrize("how", ["crash", "leave", "lie"])
def test_a_worker_that_dies(pool, how):
    with pytest.raises(WorkerDied, match="hostile"):
        call(pool, how)
    assert call(pool, "echo").data == b"abc"


@pytest.mark.parametrize("how", ["hang", "spin"])
def test_a_worker_that_hangs(pool, how):
    start = time.monotonic()
    with pytest.raises(Timeout):
        call(pool, how, wall=0.2)
    assert time.monotonic() - start < 2
    assert call(pool, "echo").data == b"abc"


@pytest.mark.skipif(not LINUX, reason="address space is limited on Linux alone")
def test_a_worker_that_is_hungry(pool):
    with pytest.raises((LimitExceeded, WorkerDied)):
        call(pool, "hungry", memory=256 << 20)
    assert call(pool, "echo").data == b"abc"


@pytest.mark.skipif(not LINUX, reason="writing is limited where there are rlimits")
def test_a_worker_cannot_write(pool, tmp_path):
    path = tmp_path / "x"
    with pytest.raises(Exception, match="unexpected"):
        call(pool, "write_file", str(path).encode())
    assert not path.exists() or path.stat().st_size == 0


def test_what_libraries_print(pool):
    assert call(pool, "print_much").data == b"quiet"


def test_errors_come_back_as_they_are(pool):
    with pytest.raises(Corrupt, match="got war"):
        call(pool, "corrupt")
    with pytest.raises(LimitExceeded) as e:
        call(pool, "limit")
    assert e.value.limit == "points"


def test_a_worker_is_kept_and_recycled(monkeypatch):
    pool = isolate.Pool(1)
    first = call(pool, "pid").data
    assert call(pool, "pid").data == first
    monkeypatch.setattr(_pool, "JOBS", 3)
    assert call(pool, "pid").data == first
    assert call(pool, "pid").data != first
    pool.close()


def test_many_threads(pool):
    got = []

    def work(i):
        data = bytes([i]) * 1000
        got.append(call(pool, "echo", data).data == data)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert got == [True] * 16


@pytest.mark.skipif(not LINUX, reason="open files are counted in /proc")
def test_nothing_leaks():
    pool = isolate.Pool(1)

    def files():
        return len(os.listdir("/proc/self/fd"))

    before = files()
    for how in ("crash", "echo", "leave"):
        with contextlib.suppress(WorkerDied):
            call(pool, how)
    pool.close()
    assert files() == before


def test_interrupted_calls_kill_their_worker(monkeypatch):
    pool = isolate.Pool(1)
    seen = []

    def interrupted(f, n):
        raise KeyboardInterrupt

    call(pool, "echo")
    seen.append(pool._free[0].process)
    monkeypatch.setattr(_pool, "read_exactly", interrupted)
    with pytest.raises(KeyboardInterrupt):
        call(pool, "hang")
    monkeypatch.undo()
    assert seen[0].returncode is not None
    assert call(pool, "echo").data == b"abc"
    pool.close()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[1]",
        b'{"x": 1}',
        b'{"a": ["<f4", [2], 0, 8]}',
        b'{"a": ["<f4", [2], 0, 4]}',
        b'{"a": ["O", [1], 0, 8]}',
        b'{"a": ["<f4", [-1, -1], 0, 4]}',
        b'{"b": [0, 99]}',
        b'{"b": [-1, 1]}',
        b'{"s": ["Popen", {}]}',
        b'{"s": ["Image", {}]}',
        b'{"e": ["OSError", "x", ""]}',
        b'{"l": [' * 50 + b"]}" * 50,
    ],
)
def test_answers_that_lie(text):
    with pytest.raises(Broken):
        unpack(text, b"\0" * 4)


def test_messages_of_errors_keep_their_fields():
    head, *_ = pack({"v": LimitExceeded("m", "pixels")})
    got = unpack(head[SIZES.size :], b"")["v"]
    assert type(got) is LimitExceeded
    assert got.limit == "pixels"


def test_decode_in_a_process():
    pgm = b"P5 2 1 255 \x00\xff"
    here = decode(pgm)
    for options in ({"isolation": "process"}, {"untrusted": True}):
        there = decode(pgm, **options)
        assert there.format == here.format
        assert there.metadata == here.metadata
        np.testing.assert_array_equal(there.pixels, here.pixels)
    with pytest.raises(Corrupt):
        decode(pgm[:-1], untrusted=True)
    isolate.close()
