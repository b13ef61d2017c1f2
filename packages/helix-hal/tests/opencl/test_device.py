"""Memory, errors, threads and the cache of OpenCL devices."""

import os
import shutil
import subprocess
import sys
import threading
from itertools import pairwise

import helix_core as hx
import numpy as np
import pyopencl as cl
import pytest
from helix_core.loop import Builder
from helix_hal import cache
from helix_hal.opencl import drivers


def doubling(name="doubling"):
    b = Builder(name)
    n, x, y = b.size("n"), b.input("x", "float32"), b.output("y", "float32")
    i = b.axis(n)
    y[i] = x[i] * 2
    return b.build()


# -------------------------------------------------------------------------- what is there
def test_a_device_tells_what_it_is(dev):
    info = dev.info
    assert info.index == "0" and info.name and info.driver and info.memory > 0
    assert {"float32", "int64", "float16", "bfloat16"} <= set(info.dtypes)
    assert info.limits["max_allocation"] > 0 and info.limits["max_workgroup"] > 0


def test_the_probe_needs_pyopencl(monkeypatch):
    monkeypatch.setattr(drivers, "find_spec", lambda name: None)
    why = drivers.probe()
    assert "pyopencl is not installed" in why and "helix-hal[opencl]" in why


@pytest.fixture
def fresh():
    """`find` looks again, in the test and after it."""
    drivers.find.cache_clear()
    yield
    drivers.find.cache_clear()


def test_no_driver_is_a_reason_with_a_way_out(monkeypatch, fresh):
    def none():
        raise cl.LogicError("clGetPlatformIDs failed: PLATFORM_NOT_FOUND_KHR")

    monkeypatch.setattr(cl, "get_platforms", none)
    why = drivers.probe()
    assert "no driver" in why and "pocl-opencl-icd" in why


def test_a_driver_without_devices_is_no_driver(monkeypatch, fresh):
    monkeypatch.setattr(cl, "get_platforms", list)
    assert "no driver" in drivers.probe()


def test_a_driver_that_crashes_when_asked_is_a_reason(monkeypatch, fresh):
    def crash():
        raise OSError("libpocl.so: cannot open shared object file")

    monkeypatch.setattr(cl, "get_platforms", crash)
    why = drivers.probe()
    assert "OSError" in why and "libpocl.so" in why


def test_pyopencl_that_fails_at_import_is_a_reason(tmp_path):
    (tmp_path / "pyopencl.py").write_text("raise ImportError('libOpenCL.so.1 missing')")
    code = "from helix_hal.opencl.drivers import probe; print(probe())"
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    run = [sys.executable, "-c", code]
    out = subprocess.run(
        run, env=env, capture_output=True, text=True, check=True
    ).stdout
    assert "libOpenCL.so.1 missing" in out and "Hint" in out


def test_a_device_whose_compiler_fails_is_left_out_with_its_reason(monkeypatch, fresh):
    def refuse(*args, **options):
        raise cl.RuntimeError("build failed\nerror: unknown target CPU 'generic'\nend")

    monkeypatch.setattr(drivers, "build", refuse)
    found = drivers.find()
    assert not found.devices
    assert all("unknown target CPU" in why for why in found.left_out)
    assert "unknown target CPU" in drivers.probe()


def test_a_device_that_is_not_there_is_named():
    with pytest.raises(hx.DeviceError, match="opencl:99"):
        hx.tensor([1.0], device="opencl:99")


# -------------------------------------------------------------------------------- memory
def test_no_room_names_size_and_device_and_leaves_the_device_usable(dev):
    x = hx.tensor(np.ones(4, np.float32), device=dev)
    n = dev.info.memory
    for size in (n, dev.info.limits["max_allocation"] // 4 + 1):
        with pytest.raises(hx.OutOfMemory, match=rf"{4 * size} bytes on 'opencl:0'"):
            hx.zeros((size,), device=dev, dtype="float32") + x[:1]
    assert (x + 1).numpy().tolist() == [2.0] * 4


def test_the_driver_without_room_is_the_same_error(device, monkeypatch):
    def full(*args, **options):
        raise cl.MemoryError("clCreateBuffer failed: MEM_OBJECT_ALLOCATION_FAILURE")

    before = device.used
    with monkeypatch.context() as patch:
        patch.setattr(cl, "Buffer", full)
        with pytest.raises(hx.OutOfMemory, match="4096 bytes on 'opencl:0'"):
            device.allocate(4096)
    assert device.used == before
    device.free(device.allocate(4096))
    assert device.used == before


@pytest.mark.parametrize("n", [1, 1000, 1 << 20])
def test_an_array_may_change_once_it_was_written(device, n):
    x, got = np.arange(n, dtype=np.float32), np.empty(n, np.float32)
    memory = device.allocate(x.nbytes)
    device.write(memory, x)
    x[:] = -1
    device.read(memory, 0, got)
    assert np.array_equal(got, np.arange(n, dtype=np.float32))
    device.free(memory)


def test_memory_that_is_freed_serves_what_is_queued(device):
    launch = device.compile(doubling(), False)
    x = np.arange(1 << 20, dtype=np.float32)
    memories = [device.allocate(x.nbytes) for _ in range(9)]
    device.write(memories[0], x)
    for a, b in pairwise(memories):
        launch([a, b], [0, 0], [x.size])
        device.free(a)
    got = np.empty_like(x)
    device.read(memories[-1], 0, got)
    device.free(memories[-1])
    assert np.array_equal(got, x * 256)


# -------------------------------------------------------------------------------- errors
def test_a_kernel_that_does_not_compile_shows_device_log_and_source(device):
    source = "__kernel void broken(__global float *x) { x[0] = no_such_thing; }"
    with pytest.raises(hx.CompileError) as e:
        device.kernel(source, "broken")
    text = str(e.value)
    assert "opencl:0" in text and device.info.name in text
    assert text.count("no_such_thing") >= 2  # the compiler's log, then the source


class Broken:
    """A queue whose device is gone."""

    def __getattr__(self, name):
        raise cl.RuntimeError("clFinish failed: DEVICE_NOT_AVAILABLE")


def test_a_device_that_disappears_is_named(device, monkeypatch):
    launch = device.compile(doubling("vanishing"), False)
    memory = device.allocate(64)
    x = np.zeros(4, np.float32)

    def gone(*args, **options):
        raise cl.RuntimeError("clEnqueue failed: DEVICE_NOT_AVAILABLE")

    launch([memory, memory], [0, 0], [4])
    with monkeypatch.context() as patch:
        patch.setattr(cl, "enqueue_copy", gone)
        patch.setattr(cl, "enqueue_nd_range_kernel", gone)
        patch.setattr(device, "queue", Broken())
        for act in (
            device.synchronize,
            lambda: device.write(memory, x),
            lambda: device.read(memory, 0, x),
            lambda: launch([memory, memory], [0, 0], [4]),
        ):
            with pytest.raises(hx.DeviceError, match=r"'opencl:0' .*NOT_AVAILABLE"):
                act()
    device.synchronize()
    device.free(memory)


# ------------------------------------------------------------------------------- threads
def test_threads_share_a_kernel(dev):
    x = hx.tensor(np.arange(5000, dtype=np.float32), device=dev)
    wrong = []

    def work(k):
        for i in range(60):
            got = (x * float(k) + float(i)).numpy()
            if not np.array_equal(got, np.arange(5000, dtype=np.float32) * k + i):
                wrong.append((k, i))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(1, 4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


# --------------------------------------------------------------------------------- cache
PROGRAM = """
import numpy as np
import helix_core as hx
from helix_hal import cache

dev = hx.Device("opencl:0")
x = hx.tensor(np.arange(6, dtype=np.float32).reshape(2, 3), device=dev)
y = hx.softmax(x) + x.sum(1, keepdims=True)
a = np.arange(6).reshape(2, 3)
e = np.exp(a - a.max(1, keepdims=True))
want = e / e.sum(1, keepdims=True) + a.sum(1, keepdims=True)
assert np.allclose(y.numpy(), want), y
s = cache.stats
print(s.hits, s.misses, s.rejected, s.stored)
"""


def start(folder, **more):
    env = {**os.environ, "HELIX_CACHE_DIR": str(folder), "HELIX_CACHE": "1"}
    env |= {"POCL_CACHE_DIR": str(folder), **more}  # PoCL has a cache of its own
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def result(process):
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return [int(w) for w in out.split()], err


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    (hits, misses, rejected, stored), _ = result(start(folder))
    assert hits == rejected == 0 and misses == stored >= 4
    return folder, misses


def copied(filled, tmp_path):
    folder, count = filled
    shutil.copytree(folder / "kernels", tmp_path / "kernels")
    return tmp_path, sorted((tmp_path / "kernels").glob("*.hxk")), count


def test_a_second_process_compiles_nothing(filled, tmp_path):
    folder, entries, count = copied(filled, tmp_path)
    assert len(entries) == count
    assert result(start(folder))[0] == [count, 0, 0, 0]


def test_damaged_and_foreign_entries_are_compiled_again(filled, tmp_path):
    folder, entries, count = copied(filled, tmp_path)
    entries[0].write_bytes(entries[0].read_bytes()[:-7])
    path = entries[1]  # sound, but no driver's binary
    payload = b"not a program"
    path.write_bytes(cache._MAGIC + cache._digest(path, payload) + payload)
    assert result(start(folder))[0] == [count - 2, 2, 2, 2]
    assert result(start(folder))[0] == [count, 0, 0, 0]


def test_without_a_folder_it_compiles_every_time(tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("")
    own = tmp_path / "pocl"
    own.mkdir()
    (hits, misses, _, stored), err = result(start(blocker, POCL_CACHE_DIR=str(own)))
    assert hits == stored == 0 and misses >= 4
    assert "[kernel cache]" in err


def test_processes_that_start_together_agree(tmp_path, filled):
    for process in [start(tmp_path) for _ in range(2)]:
        result(process)
    assert result(start(tmp_path))[0] == [filled[1], 0, 0, 0]
