"""DLPack in host memory, with NumPy at the other end."""

import ctypes
import gc
import threading
import weakref

import helix_core as hx
import numpy as np
import pytest
from helix_core import array_api as xp
from standard_oracle import ALL

CPU = (1, 0)


class Legacy:
    """A producer or consumer of DLPack before 1.0."""

    def __init__(self, x):
        self.x = x

    def __dlpack__(self, stream=None):
        return self.x.__dlpack__()

    def __dlpack_device__(self):
        return CPU


def address(x):
    return x.__array_interface__["data"][0]


def layouts(dtype):
    base = np.arange(24).astype(dtype)
    yield base.reshape(2, 3, 4)
    yield base.reshape(4, 6).T
    yield base[::2]
    yield base[::-3]
    yield np.broadcast_to(base[:2], (3, 2))
    yield base[:0].reshape(0, 3)
    yield np.array(base[3])


@pytest.mark.parametrize("dtype", [*ALL, "float16"])
def test_numpy_reads_ours_without_a_copy_and_cannot_write(dtype):
    for a in layouts(dtype):
        x = hx.tensor(a)
        n = np.from_dlpack(x)
        np.testing.assert_array_equal(n, a)
        assert n.dtype == a.dtype and not n.flags.writeable
        assert address(n) == address(x.buffer) or n.size == 0


@pytest.mark.parametrize("dtype", [*ALL, "float16"])
def test_ours_reads_numpy_without_a_copy(dtype):
    for a in layouts(dtype):
        x = hx.from_dlpack(a)
        np.testing.assert_array_equal(x.numpy(), a)
        assert x.dtype == a.dtype and x.shape == a.shape
        assert address(x.buffer) == address(a) or a.size == 0
        own = xp.from_dlpack(a, copy=True)
        assert not np.may_share_memory(own.buffer, a)
        np.testing.assert_array_equal(own.numpy(), a)


def test_strided_views_of_ours_leave_as_they_are():
    x = hx.tensor(np.arange(12.0).reshape(3, 4))
    for y in (x.T, x[:, ::2], hx.flip(x), x[1]):
        n = np.from_dlpack(y)
        np.testing.assert_array_equal(n, y.numpy())
        assert np.may_share_memory(n, x.buffer)


def test_an_old_consumer_gets_a_copy_because_it_may_write():
    x = hx.tensor([1.0, 2.0])
    n = np.from_dlpack(Legacy(x))
    assert address(n) != address(x.buffer)
    with pytest.raises(BufferError, match="consumer of DLPack"):
        x.__dlpack__(copy=False)
    assert "dltensor_versioned" in repr(x.__dlpack__(max_version=(1, 0)))
    assert '"dltensor"' in repr(x.__dlpack__(max_version=(0, 8)))


def test_ours_reads_an_old_producer():
    a = np.arange(3.0)
    x = hx.from_dlpack(Legacy(a))
    assert address(x.buffer) == address(a) and x.tolist() == [0.0, 1.0, 2.0]


def test_copies_on_demand():
    x = hx.tensor([1.0, 2.0])
    n = np.from_dlpack(x, copy=True)
    assert address(n) != address(x.buffer) and n.tolist() == [1.0, 2.0]
    assert np.from_dlpack(x, copy=False).tolist() == [1.0, 2.0]
    assert hx.from_dlpack(x) is x
    assert hx.from_dlpack(x, copy=True) is not x


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_types_that_numpy_lacks_pass_between_our_tensors(dtype):
    x = hx.tensor([[1.0, -2.0], [0.5, 3.0]], dtype=dtype)
    for other in ("numpy", "cpu"):
        y = hx.from_dlpack(x, device=other)
        assert y.dtype == dtype and y.device == hx.Device(other)
        assert y.tolist() == x.tolist()
    y = hx.from_dlpack(Legacy(x))
    assert y.dtype == dtype and y.tolist() == x.tolist()
    with pytest.raises(RuntimeError):
        np.from_dlpack(x)
    gc.collect()


def test_memory_lives_as_long_as_its_last_user():
    x = hx.tensor(np.arange(100_000.0)) * 2.0  # from the pool, where there is one
    kept = np.from_dlpack(x)
    want = x.numpy().copy()
    del x
    gc.collect()
    for _ in range(8):  # would take the block, had it gone back
        y = hx.tensor(np.ones(100_000)) * 3.0
    np.testing.assert_array_equal(kept, want)
    del y


def test_memory_of_an_array_lives_as_long_as_the_tensor():
    class Owner(np.ndarray):
        pass

    a = np.arange(5.0).view(Owner)
    gone = weakref.ref(a)
    x = hx.from_dlpack(a)
    y = x[1:]
    del a, x
    gc.collect()
    assert gone() is not None and y.tolist() == [1.0, 2.0, 3.0, 4.0]
    del y
    gc.collect()
    assert gone() is None


def test_a_capsule_that_nobody_reads_frees_its_tensor():
    x = hx.tensor([1.0])
    gone = weakref.ref(x.buffer) if hasattr(x.buffer, "__weakref__") else None
    capsule = x.__dlpack__(max_version=(1, 0))
    del x, capsule
    gc.collect()
    assert gone is None or gone() is None


def test_an_update_in_place_leaves_exports_alone():
    p = hx.Parameter(hx.tensor(np.ones(50_000, "float32")))
    opt = hx.optim.SGD([p], lr=0.5)
    n = np.from_dlpack(p.value)
    for _ in range(2):
        (p * 2.0).sum().backward()
        opt.step()
    assert n[0] == 1.0 and p.value.numpy()[0] == -1.0


def test_an_update_never_writes_into_borrowed_memory():
    a = np.ones(50_000, "float32")
    p = hx.Parameter(hx.from_dlpack(a))
    opt = hx.optim.SGD([p], lr=0.5)
    (p * 2.0).sum().backward()
    opt.step()
    assert a[0] == 1.0 and p.value.numpy()[0] == 0.0


def test_tensors_travel_from_many_threads():
    x = hx.tensor(np.arange(1000.0))
    wrong = []

    def run():
        for _ in range(50):
            y = hx.from_dlpack(np.from_dlpack(x))
            if y.tolist()[-1] != 999.0:
                wrong.append(y)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_a_parameter_travels():
    p = hx.Parameter(hx.tensor([1.0, 2.0]))
    assert np.from_dlpack(p).tolist() == [1.0, 2.0]
    assert p.__dlpack_device__() == CPU


def test_kernels_run_on_borrowed_memory(device):
    a = np.random.default_rng(0).normal(size=(64, 128)).astype("float32")
    a.flags.writeable = False
    x, y = hx.from_dlpack(a), hx.tensor(a)
    np.testing.assert_array_equal(hx.softmax(x).numpy(), hx.softmax(y).numpy())
    np.testing.assert_array_equal(hx.exp(x).numpy(), hx.exp(y).numpy())


def test_a_borrowed_gradient_flows():
    x = hx.from_dlpack(np.array([1.0, 2.0]))
    assert hx.grad(lambda t: (t * t).sum())(x).tolist() == [2.0, 4.0]


# ------------------------------------------------------------------------------ errors
def test_bad_requests_are_refused():
    x = hx.tensor([1.0])
    with pytest.raises(TypeError, match="__dlpack__; got list"):
        hx.from_dlpack([1.0])
    with pytest.raises(BufferError, match="dl_device"):
        x.__dlpack__(max_version=(1, 0), dl_device=(2, 0))
    with pytest.raises(BufferError, match="stream=None"):
        x.__dlpack__(stream=1)
    with pytest.raises(ValueError, match="stream=None"):
        x.to_device("numpy", stream=1)
    capsule = x.__dlpack__(max_version=(1, 0))

    class Used:
        def __dlpack__(self, **kw):
            return capsule

        def __dlpack_device__(self):
            return CPU

    hx.from_dlpack(Used())
    with pytest.raises(BufferError, match="unused capsule"):
        hx.from_dlpack(Used())


def test_an_unknown_data_type_is_named():
    from helix_core import _dlpack

    class Strange:
        def __dlpack__(self, **kw):
            capsule = np.ones(2).__dlpack__()
            _dlpack._type_of(capsule).code = 42
            return capsule

        def __dlpack_device__(self):
            return CPU

    with pytest.raises(hx.DTypeError, match="code 42 with 64 bits"):
        hx.from_dlpack(Strange())


def test_a_traced_tensor_has_no_memory():
    def f(x):
        np.from_dlpack(x)
        return x

    with pytest.raises(hx.TraceError, match="traced"):
        hx.compile(f)(hx.tensor([1.0]))


def test_layouts_of_the_structs_are_those_of_the_header():
    from helix_core import _dlpack

    assert ctypes.sizeof(_dlpack._DLTensor) == 48
    assert ctypes.sizeof(_dlpack._Versioned) == 80
