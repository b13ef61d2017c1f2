"""The backend itself: devices, memory shared with the host, errors, threads, kernels."""

import helix_core as hx
import numpy as np
import pytest
import torch
from helix_core._dtypes import ALL, as_dtype
from helix_hal.torch.kernels import SPECS
from helix_hal.torch.kernels import specs as kernel_specs


def test_devices_say_what_they_are(dev):
    info = dev.info
    assert info.kind == "torch" and info.index == "cpu" and info.memory > 2**20
    assert torch.__version__ in info.driver
    assert set(info.dtypes) == {d.name for d in ALL}
    assert str(hx.zeros((2,), device=dev).buffer.device) == "cpu"


@pytest.mark.parametrize("name", ["torch", "torch:1", "torch:cpu1", "torch:cuda9"])
def test_a_device_that_is_not_there_names_those_that_are(name):
    with pytest.raises(hx.DeviceError, match="torch:cpu"):
        hx.zeros((2,), device=name)


@pytest.mark.parametrize("dtype", [d.name for d in ALL])
def test_memory_is_shared_with_the_host(dev, dtype):
    array = np.arange(6).reshape(2, 3).astype(as_dtype(dtype).dtype)
    buffer = dev.backend.from_host(array, dev)
    assert buffer.data_ptr() == array.ctypes.data
    back = dev.backend.to_host(buffer)
    assert back.ctypes.data == array.ctypes.data and not back.flags.writeable
    assert back.dtype == array.dtype and back.tolist() == array.tolist()


def test_arrays_that_are_not_ours_to_write_are_copied(dev):
    base = np.arange(6.0)
    for array in (np.broadcast_to(base[:1], 3), base[::-1]):
        want = array.tolist()
        buffer = dev.backend.from_host(array, dev)
        assert buffer.tolist() == want and buffer.data_ptr() != array.ctypes.data
    frozen = base.copy()
    frozen.flags.writeable = False
    assert dev.backend.from_host(frozen, dev).data_ptr() != frozen.ctypes.data


def test_who_owns_memory(dev):
    owns = dev.backend.owns
    x = torch.zeros(4, 4)
    assert owns(x) and owns(dev.backend.from_host(np.zeros(3), dev))
    view = x[1:]
    assert not owns(x) and not owns(view)
    del view
    assert owns(x)
    array = dev.backend.to_host(x)
    assert not owns(x)
    del array
    assert owns(x) and not owns(torch.zeros(1).expand(3))


def test_dlpack_both_ways(dev):
    t = torch.arange(4.0)
    x = hx.from_dlpack(t, device=dev)
    t[0] = 9.0  # a copy: the device writes over what it alone holds
    assert x.tolist() == [0.0, 1.0, 2.0, 3.0] and x.device is dev
    assert torch.from_dlpack(x.to("cpu")).tolist() == [0.0, 1.0, 2.0, 3.0]


def test_no_gradient_of_torch_is_recorded(dev):
    x = hx.ones((3,), device=dev)
    g = hx.grad(lambda v: hx.sum(hx.exp(v) * 2.0))(x)
    assert not g.buffer.requires_grad and g.buffer.grad_fn is None


def test_out_of_memory_names_size_and_device_and_leaves_the_device_usable(dev):
    n = 1 << 24
    x = hx.broadcast_to(hx.ones((1, 1), device=dev), (n, n))
    with pytest.raises(
        hx.OutOfMemory, match=r"expected room for 1125899906842624 bytes"
    ):
        x + 1.0
    with pytest.raises(hx.OutOfMemory, match=r"torch:cpu"):
        hx.zeros((n, n), device=dev)
    assert (hx.ones((2,), device=dev) + 1.0).tolist() == [2.0, 2.0]


def test_threads_are_bounded_and_do_not_change_results(dev):
    before = torch.get_num_threads()
    x = hx.tensor(np.random.default_rng(0).normal(size=(300, 200)), device=dev)
    out = []
    try:
        for n in (1, 2):
            dev.backend.set_num_threads(n)
            assert torch.get_num_threads() == n
            out.append(hx.softmax(x).numpy())
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(*out)


def test_synchronize_load_and_profile(dev):
    dev.synchronize()
    assert 0.0 <= dev.backend.load(dev) <= 1.0
    assert dev.profile.flops["float32"] > 1e6 and dev.profile.bandwidth > 1e6


def test_float32_and_16_bit_composites_have_a_kernel(dev):
    x, w = hx.Aval((2, 3, 8), hx.float32), hx.Aval((8,), hx.float32)
    for name in ("softmax", "log_softmax", "silu", "gelu"):
        assert hx.which(f"{name}.fwd", dev, x).kernel.backend == "torch"
    for op in ("layer_norm.fwd", "layer_norm"):
        assert hx.which(op, dev, x, w, w, eps=1e-5).kernel.backend == "torch"
    half = hx.Aval((2, 3, 8), hx.bfloat16)
    assert hx.which("silu", dev, half).kernel.backend == "torch"
    q = hx.Aval((2, 5, 4, 8), hx.float32)
    flags = {"bias": False, "slopes": False, "lengths": False, "window": None}
    how = {"causal": True, "scale": 1.0, "compute": "float32", **flags}
    for op in ("attention", "attention.fwd"):
        assert hx.which(op, dev, q, q, q, **how).kernel.backend == "torch"
    longer = hx.Aval((2, 6, 4, 8), hx.float32)  # torch aligns the mask at the other end
    assert hx.which("attention", dev, q, longer, longer, **how).kernel == "default"


def test_every_kernel_serves_an_op_once():
    ops = [s.op for s in SPECS]
    assert len(set(ops)) == len(ops) and kernel_specs.SPECS is SPECS


@pytest.mark.parametrize("repeat", range(3))
def test_of_repeated_indices_the_last_wins_in_every_run(dev, repeat):
    idx = hx.tensor(np.tile(np.arange(7, dtype=np.int32), 50), device=dev)
    rows = hx.tensor(np.arange(350 * 64, dtype=np.float32).reshape(350, 64), device=dev)
    got = hx.zeros((9, 64), device=dev).at[idx].set(rows).numpy()
    np.testing.assert_array_equal(got[:7], rows.numpy()[-7:])
    np.testing.assert_array_equal(got[7:], 0)
