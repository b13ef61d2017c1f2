"""Eager ops on a kernel device, against NumPy."""

import gc

import helix_core as hx
import numpy as np
import pytest
from helix_core.contracts import DeviceInfo
from helix_hal.loop.host import HostBackend, HostDevice
from helix_hal.loop.pool import Pool, size_class


def rng(seed=0):
    return np.random.default_rng(seed)


def test_operands_of_any_layout_add(dev):
    a = rng().normal(size=(3, 4)).astype(np.float32)
    x = hx.tensor(a, device=dev)
    got = x + x.T.reshape((3, 4)) * 2 + x[::-1, ::-1]
    want = a + a.T.reshape(3, 4) * 2 + a[::-1, ::-1]
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-6)


def test_one_program_serves_every_contiguous_shape(dev):
    engine = dev.backend.engine(dev)
    for shape in [(7,), (3, 5), (2, 3, 4)]:
        x = hx.tensor(np.ones(shape, np.float32), device=dev)
        assert ((x * x).numpy() == 1).all()
    named = {k[0] for k in engine._kernels}
    for shape in [(9,), (2, 2, 2, 2)]:
        x = hx.tensor(np.ones(shape, np.float32), device=dev)
        (x * x).numpy()
    assert {k[0] for k in engine._kernels} == named


def test_movement_makes_views(dev):
    x = hx.tensor(np.arange(24, dtype=np.float32).reshape(2, 3, 4), device=dev)
    for y in (x.T, x[0], x[:, ::2], x.reshape((6, 4)), hx.flip(x, (0,))):
        assert y.buffer.memory is x.buffer.memory


@pytest.mark.parametrize("shape", [(3, 5000), (5000, 3), (20000,), (2, 0, 3), ()])
def test_long_reductions_go_in_two_levels(dev, shape):
    a = rng(1).normal(size=shape).astype(np.float32)
    x = hx.tensor(a, device=dev)
    for axis in [None, *range(len(shape))]:
        got, want = x.sum(axis).numpy(), a.astype(np.float64).sum(axis)
        np.testing.assert_allclose(got, want, atol=2e-3)
        if a.size:
            np.testing.assert_array_equal(hx.max(x, axis).numpy(), a.max(axis))
            if axis is not None:
                want = a.argmax(axis)
                np.testing.assert_array_equal(hx.argmax(x, axis).numpy(), want)


def test_memory_comes_back():
    dev = hx.Device("loop:1")
    dev._backend = backend = HostBackend()
    backend.open = lambda: [_numbered(HostDevice(), "1")]
    pool = backend.engine(dev).pool
    x = hx.tensor(np.ones(1000, np.float32), device=dev)
    (x + x).numpy()
    (x * 1.0 + x[::-1]).numpy()
    before = pool.used
    for _ in range(50):
        x = x * 1.0 + x[::-1]
    assert pool.used == before
    del x
    assert pool.used < before


class Owner:
    """Memory of a library that lets go of it when it is finalized."""

    def __init__(self):
        self.there = True

    def __del__(self):
        self.there = False


class Owners:
    """A device of such memory."""

    info = DeviceInfo(index="0", name="owners", memory=1 << 20)

    def allocate(self, nbytes):
        return Owner()


def test_memory_of_a_block_in_a_cycle_is_whole_when_it_is_used_again():
    pool = Pool(Owners(), "owners:0")
    cycle = [pool.take(100)]
    cycle.append(cycle)
    del cycle
    gc.collect()
    assert pool.take(100).handle.there


def test_out_of_memory_names_size_and_device_and_leaves_it_usable():
    dev = hx.Device("loop:2")
    dev._backend = backend = HostBackend()
    backend.open = lambda: [_numbered(HostDevice(capacity=1 << 16), "2")]
    x = hx.tensor(np.ones(1 << 10, np.float32), device=dev)
    with pytest.raises(
        hx.OutOfMemory, match=r"expected room for 262144 bytes on 'loop"
    ):
        hx.tensor(np.ones(1 << 16, np.float32), device=dev)
    assert (x + x).sum().tolist() == 2048


def _numbered(device, index):
    from dataclasses import replace

    device.info = replace(device.info, index=index)
    return device


def test_size_classes_waste_an_eighth():
    for n in (1, 256, 257, 1000, 12345, 1 << 20, (1 << 20) + 1):
        assert n <= size_class(n) <= max(n + n // 8 + 256, 256)
