"""DLPack with torch at the other end, in one memory, both ways."""

import gc

import helix_core as hx
import numpy as np
import pytest
import torch

DTYPES = (
    "bool int8 int16 int32 int64 uint8 float16 bfloat16 float32 float64 "
    "complex64 complex128"
).split()


@pytest.fixture(autouse=True, params=["numpy", "cpu"])
def device(request):
    with hx.device(request.param):
        yield


def layouts(dtype):
    base = torch.arange(24).to(getattr(torch, dtype))
    yield base.reshape(2, 3, 4)
    yield base.reshape(4, 6).T
    yield base[::3]
    yield base[:2].expand(3, 2)
    yield base[:0].reshape(0, 3)
    yield base[3]


def same(x, t):
    assert x.shape == tuple(t.shape) and str(x.dtype) == str(t.dtype)[6:]
    wide = complex if t.dtype.is_complex else float
    assert np.array(x.astype("complex128").tolist()).ravel().tolist() == [
        complex(wide(v)) for v in t.reshape(-1).tolist()
    ]


@pytest.mark.parametrize("dtype", DTYPES)
def test_ours_reads_torch_in_the_same_memory(dtype):
    for t in layouts(dtype):
        x = hx.from_dlpack(t)
        same(x, t)
        if t.numel():
            assert x.buffer.__array_interface__["data"][0] == t.data_ptr()
        own = hx.from_dlpack(t, copy=True)
        same(own, t)
        assert not np.may_share_memory(own.buffer, x.buffer) or not t.numel()


@pytest.mark.parametrize("dtype", DTYPES)
def test_torch_reads_ours_in_the_same_memory(dtype):
    for t in layouts(dtype):
        x = hx.from_dlpack(t)
        for y in (x, x + x if dtype != "bool" else x):
            back = torch.from_dlpack(y)
            same(y, back)
            if t.numel():
                assert back.data_ptr() == y.buffer.__array_interface__["data"][0]


def test_what_torch_writes_shows_until_a_copy_is_made():
    t = torch.zeros(3)
    shared, own = hx.from_dlpack(t), hx.from_dlpack(t, copy=True)
    t += 1
    assert shared.tolist() == [1.0] * 3 and own.tolist() == [0.0] * 3


def test_memory_lives_as_long_as_its_last_user():
    x = hx.tensor(np.arange(100_000.0)) * 2.0
    t = torch.from_dlpack(x)
    del x
    gc.collect()
    for _ in range(8):
        hx.tensor(np.ones(100_000)) * 3.0
    assert t[-1].item() == 199_998.0
    u = torch.arange(5.0)
    y = hx.from_dlpack(u)
    del u
    gc.collect()
    torch.full((5,), 7.0)
    assert y.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_torch_asks_for_a_copy():
    x = hx.tensor([1.0, 2.0])
    t = torch.from_dlpack(x, copy=True)
    t += 1
    assert x.tolist() == [1.0, 2.0]


def test_conjugated_and_differentiable_tensors_say_what_to_do():
    with pytest.raises(BufferError, match="conjugate"):
        hx.from_dlpack(torch.ones(2, dtype=torch.complex64).conj())
    with pytest.raises(BufferError, match="detach"):
        hx.from_dlpack(torch.ones(2, requires_grad=True))
