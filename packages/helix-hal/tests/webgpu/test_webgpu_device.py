"""What WebGPU devices do when something is missing, broken, full or gone."""

import os
import subprocess
import sys
import threading
from itertools import pairwise

import helix_core as hx
import numpy as np
import pytest
import wgpu
from helix_core.loop import Builder
from helix_hal.webgpu import adapters
from helix_hal.webgpu import backend as backend_module
from helix_hal.webgpu.backend import WebGpuBackend
from helix_hal.webgpu.device import WebGpuDevice
from helix_hal.webgpu.gemm import TILES, Gemm


def doubling():
    b = Builder("doubling")
    n, x, y = b.size("n"), b.input("x", "float32"), b.output("y", "float32")
    i = b.axis(n)
    y[i] = x[i] * 2
    return b.build()


# -------------------------------------------------------------------------- what is there
def test_a_device_tells_what_it_is(dev):
    info = dev.info
    assert info.index == "0" and info.name and info.driver
    assert {"float32", "int32", "float16", "bfloat16"} <= set(info.dtypes)
    assert "float64" not in info.dtypes
    assert info.limits["max_allocation"] > 0 and info.limits["max_groups"] > 0


def test_the_probe_needs_wgpu(monkeypatch):
    monkeypatch.setattr(adapters, "find_spec", lambda name: None)
    why = adapters.probe()
    assert "wgpu is not installed" in why and "helix-hal[webgpu]" in why


@pytest.fixture
def fresh():
    """`find` looks again, in the test and after it."""
    adapters.find.cache_clear()
    yield
    adapters.find.cache_clear()


def test_no_adapter_is_a_reason_with_a_way_out(monkeypatch, fresh):
    monkeypatch.setattr(wgpu.gpu, "enumerate_adapters_sync", list)
    why = adapters.probe()
    assert "no adapter" in why and "mesa-vulkan-drivers" in why


class Adapter:
    """An adapter of OpenGL, or one whose driver refuses to give a device."""

    features = frozenset()
    limits = {}

    def __init__(self, api):
        self.info = {"device": "Old GPU", "backend_type": api, "adapter_type": "Other"}

    def request_device_sync(self, **options):
        raise wgpu.GPUInternalError("not enough memory left")


def test_an_adapter_of_opengl_is_left_out_with_its_reason(monkeypatch, fresh):
    one = [Adapter("OpenGL")]
    monkeypatch.setattr(wgpu.gpu, "enumerate_adapters_sync", lambda: one)
    why = adapters.probe()
    assert "Old GPU: OpenGL lacks 64-bit integers" in why and "Hint" in why


def test_a_driver_that_crashes_when_asked_is_a_reason(monkeypatch, fresh):
    def crash():
        raise OSError("libvulkan.so.1: cannot open shared object file")

    monkeypatch.setattr(wgpu.gpu, "enumerate_adapters_sync", crash)
    why = adapters.probe()
    assert "OSError" in why and "libvulkan.so.1" in why and "Hint" in why


def test_wgpu_that_fails_at_import_is_a_reason(tmp_path):
    (tmp_path / "wgpu.py").write_text("raise OSError('libwgpu_native.so missing')")
    code = "from helix_hal.webgpu.adapters import probe; print(probe())"
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    run = [sys.executable, "-c", code]
    out = subprocess.run(
        run, env=env, capture_output=True, text=True, check=True
    ).stdout
    assert "libwgpu_native.so missing" in out and "Hint" in out


def test_an_adapter_that_gives_no_device_is_left_out(monkeypatch):
    kind, good = adapters.find().adapters[0]
    both = adapters.Found([(kind, Adapter("Vulkan")), (kind, good)], [])
    monkeypatch.setattr(backend_module, "find", lambda: both)
    backend = WebGpuBackend()
    (info,) = backend.devices()
    assert info.index == "0" and info.name == good.info["device"]
    assert "Old GPU gives no device: GPUInternalError" in backend.left_out[0]


def test_none_that_gives_a_device_is_an_error_with_the_reason(monkeypatch):
    none = adapters.Found([("vulkan", Adapter("Vulkan"))], [])
    monkeypatch.setattr(backend_module, "find", lambda: none)
    with pytest.raises(hx.DeviceError, match=r"Old GPU .*not enough memory .*Hint"):
        WebGpuBackend().devices()


def test_a_device_that_is_not_there_is_named(dev):
    with pytest.raises(hx.DeviceError, match=f"{dev.kind}:99"):
        hx.tensor([1.0], device=f"{dev.kind}:99")


def test_webgpu_is_another_name_of_the_first(dev):
    x = hx.tensor([1.0, 2.0], device="webgpu:0")
    assert (x + x).numpy().tolist() == [2.0, 4.0]


# -------------------------------------------------------------------------------- dtypes
@pytest.mark.parametrize("dtype", ["float64", "complex64", "complex128"])
def test_a_dtype_that_is_not_there_names_those_that_are(dev, dtype):
    if dtype in dev.info.dtypes:  # pairs of float32
        assert hx.ones((2,), dtype=dtype, device=dev).numpy().dtype == dtype
        return
    message = rf"'{dev.name}' has \(.*float32.*got {dtype}.*Hint"
    with pytest.raises(hx.DTypeError, match=message):
        hx.ones((2,), dtype=dtype, device=dev)
    x = hx.ones((2,), device=dev)
    with pytest.raises(hx.DTypeError, match=f"got {dtype}"):
        x.astype(dtype)


# -------------------------------------------------------------------------------- memory
def test_no_room_names_size_and_device_and_leaves_the_device_usable(dev):
    x = hx.tensor(np.ones(4, np.float32), device=dev)
    most = dev.info.limits["max_allocation"] // 4
    for size in (dev.info.memory or 1 << 40, most + 1):
        message = rf"{4 * size} bytes on '{dev.name}'.*Hint"
        with pytest.raises(hx.OutOfMemory, match=message):
            hx.zeros((size,), device=dev, dtype="float32") + x[:1]
    assert (x + 1).numpy().tolist() == [2.0] * 4


def test_the_driver_without_room_is_the_same_error(device, monkeypatch):
    def full(**options):
        raise wgpu.GPUOutOfMemoryError("Not enough memory left")

    before = device.used
    with monkeypatch.context() as patch:
        patch.setattr(device.gpu, "create_buffer", full)
        with pytest.raises(hx.OutOfMemory, match=f"4096 bytes on '{device.name}'"):
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
    x = np.arange(1 << 16, dtype=np.float32)
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
    source = "@compute @workgroup_size(1) fn main() { let x = no_such_thing; }"
    with pytest.raises(hx.CompileError) as e:
        device.pipeline(source, device.layout(1, 1), "broken")
    text = str(e.value)
    assert "[broken]" in text and device.name in text and device.info.name in text
    assert text.count("no_such_thing") >= 3  # the log and its quotation, the source


def test_a_device_that_disappears_is_named():
    kind, adapter = adapters.find().adapters[0]
    device = WebGpuDevice(adapter, kind, 7)
    launch = device.compile(doubling(), False)
    x, memories = np.ones(4, np.float32), [device.allocate(16) for _ in range(3)]
    device.write(memories[0], x)
    launch(memories[:2], [0, 0], [4])
    device.synchronize()
    device.gpu.destroy()
    source = "@compute @workgroup_size(1) fn main() {}"
    for act in (
        lambda: device.allocate(64),
        lambda: device.write(memories[0], x),
        lambda: device.read(memories[1], 0, x),
        lambda: launch(memories[1:], [0, 0], [4]),
        lambda: device.pipeline(source, device.layout(2, 1), "late"),
        device.synchronize,
    ):
        with pytest.raises(hx.DeviceError, match=f"'{kind}:7'") as e:
            act()
        assert "lost" in str(e.value) and "start a new process" in str(e.value)
    for m in memories:
        device.free(m)
    assert device.used == 0


def test_another_device_of_the_adapter_goes_on(dev):
    x = hx.tensor([1.0, 2.0], device=dev)
    assert (x * 3).numpy().tolist() == [3.0, 6.0]


# ------------------------------------------------------------------------------- threads
def test_threads_share_a_device(dev):
    x = hx.tensor(np.arange(500, dtype=np.float32), device=dev)
    wrong = []

    def work(k):
        for i in range(20):
            got = (x * float(k) + float(i)).numpy()
            if not np.array_equal(got, np.arange(500, dtype=np.float32) * k + i):
                wrong.append((k, i))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(1, 4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


# --------------------------------------------------------------------------------- cache
# drivers keep their machine code themselves; what is ours is which tile was the fastest
PROGRAM = """
import numpy as np
import helix_core as hx
from helix_hal import cache
from helix_hal.webgpu.gemm import Gemm

measured = []
Gemm._seconds = lambda self, t, xs: measured.append(t) or 1.0 + (t.rows != 4)
dev = hx.Device("webgpu:0")
a = np.arange(64 * 64, dtype=np.float32).reshape(64, 64) % 7
assert np.array_equal((hx.tensor(a, device=dev) @ hx.tensor(a, device=dev)).numpy(), a @ a)
s = cache.stats
print(len(measured), s.rejected, s.stored)
"""


def start(folder):
    env = {**os.environ, "HELIX_CACHE_DIR": str(folder), "HELIX_CACHE": "1"}
    env |= {"MESA_SHADER_CACHE_DIR": str(folder / "mesa")}  # Mesa's own
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


def test_processes_that_start_together_agree_and_the_next_measures_nothing(tmp_path):
    count = len(TILES)
    for process in [start(tmp_path) for _ in range(2)]:
        (measured, rejected, _), _ = result(process)
        assert measured in (0, count) and rejected == 0
    assert result(start(tmp_path))[0] == [0, 0, 0]
    (entry,) = (tmp_path / "kernels").glob("*.hxk")
    entry.write_bytes(entry.read_bytes()[:-3])
    assert result(start(tmp_path))[0] == [count, 1, 1]
    assert result(start(tmp_path))[0] == [0, 0, 0]


def test_without_a_folder_it_measures_every_time(tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("")
    for _ in range(2):
        (measured, _, stored), err = result(start(blocker))
        assert measured == len(TILES) and stored == 0
        assert "[kernel cache]" in err


@pytest.mark.parametrize("data", [b"no json", b"[99, 1, 2, false]", b'{"a": 1}', b"3"])
def test_an_entry_that_names_no_tile_is_measured_again(device, data):
    assert Gemm(device)._known(data) is None


def test_a_tile_that_does_not_compile_is_not_chosen(dev, device, monkeypatch):
    def refuse(self, tile, xs):
        if tile != TILES[1]:
            raise hx.CompileError("too many registers")
        return 1.0

    engine = dev.backend.engine(dev)
    monkeypatch.setattr(Gemm, "_seconds", refuse)
    assert Gemm(device)._measured(engine) == TILES[1]
    monkeypatch.setattr(Gemm, "tiles", lambda self: [TILES[0]])
    with pytest.raises(hx.CompileError, match="registers"):
        Gemm(device)._measured(engine)
