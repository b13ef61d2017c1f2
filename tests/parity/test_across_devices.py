"""Tensors and checkpoints move between every two devices of this machine, bit for bit."""

from __future__ import annotations

import threading
from itertools import permutations

import helix_core as hx
import numpy as np
import pytest
from helix_core._dtypes import ALL
from helix_core.files import CheckpointStore

BACKENDS = {
    "numpy": "numpy",
    "cpu": "cpu",
    "torch:cpu": "torch",
    "opencl:0": "opencl",
    "xla:0": "xla",
    "vulkan:0": "webgpu",
}
PAIRS = list(permutations(BACKENDS, 2))


def device_or_skip(name):
    """The device; skips with the words of its backend where it is not there."""
    try:
        dev = hx.Device(name)
        dev.info  # noqa: B018  (asks the driver)
    except hx.DeviceError as e:
        pytest.skip(f"backend {BACKENDS[name]}: {e}")
    return dev


@pytest.fixture(params=PAIRS, ids="-".join)
def pair(request):
    return tuple(map(device_or_skip, request.param))


def has(dev, dtype):
    return not dev.info.dtypes or dtype.name in dev.info.dtypes


def any_bits(dtype, shape, seed=0):
    """Random bits: subnormals, infinities and NaNs with payloads are among them."""
    rng = np.random.default_rng(seed)
    if dtype.name == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    size = int(np.prod(shape)) * dtype.itemsize
    return np.frombuffer(rng.bytes(size), dtype.dtype).reshape(shape).copy()


def bits(array):
    array = np.ascontiguousarray(array)
    return array.shape, str(array.dtype), array.tobytes()


def test_every_dtype_goes_there_and_back_with_its_bits(pair):
    here, there = pair
    moved = 0
    for dtype in ALL:
        if not has(here, dtype):
            with pytest.raises(
                hx.DTypeError, match=f"'{here.name}' has .*{dtype.name}"
            ):
                hx.tensor(any_bits(dtype, (3, 5)), device=here)
            continue
        for shape in ((3, 5), (257,), (), (0, 3)):
            a = any_bits(dtype, shape)
            x = hx.tensor(a, device=here)
            if not has(there, dtype):
                with pytest.raises(
                    hx.DTypeError, match=f"'{there.name}' has .*{dtype}"
                ):
                    x.to(there)
                continue
            y = x.to(there)
            assert y.device is there and y.dtype == dtype and y.shape == shape
            assert bits(y.numpy()) == bits(y.to(here).numpy()) == bits(a)
            assert bits(x.numpy()) == bits(a)  # what was moved is still there
            moved += 1
    assert moved >= 4 * len(set(here.info.dtypes) & set(there.info.dtypes)) > 0


def test_views_of_any_strides_move(pair):
    here, there = pair
    a = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
    for view in (
        lambda x: x[:, ::2, 1:],
        lambda x: hx.flip(x, 1) if isinstance(x, hx.Tensor) else np.flip(x, 1),
        lambda x: x.T if x.ndim == 2 else x[1].T,
        lambda x: x[1:, 2, 3:4][:, 0],
        lambda x: (
            hx.broadcast_to(x[:, None], (3, 2, 4, 5))
            if isinstance(x, hx.Tensor)
            else np.broadcast_to(x[:, None], (3, 2, 4, 5))
        ),
        lambda x: x[2, 3, 4],
        lambda x: x[:, 4:],
    ):
        x = view(hx.tensor(a, device=here))
        assert bits(x.to(there).numpy()) == bits(view(a))
        assert bits((x.to(there) + 1.0).to(here).numpy()) == bits(
            view(a) + np.float32(1)
        )


def test_a_move_waits_for_what_is_queued(pair):
    here, there = pair
    n = 200
    x = hx.full((n, n), 1.0 / n, device=here)
    for _ in range(5):
        x = x @ x
    y = x.to(there) + 1.0
    for _ in range(5):
        x = x * 0.0  # later work must not be seen
    np.testing.assert_allclose(y.to(here).numpy(), 1.0 + 1.0 / n, rtol=1e-5)


def test_two_threads_move_at_once(pair):
    here, there = pair
    found, failed = {}, []

    def work(k):
        try:
            a = any_bits(hx.int32, (300, 7), seed=k)
            x = hx.tensor(a, device=here)
            for _ in range(10):
                x = x.to(there).to(here)
            found[k] = bits(x.numpy()) == bits(a)
        except Exception as e:
            failed.append(e)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failed and found == {0: True, 1: True}


def test_gradients_come_back_over_the_move(pair):
    here, there = pair
    p = hx.Parameter(hx.tensor(np.float32([1.0, 2.0, 3.0]), device=here))
    (
        p.to(there) * hx.tensor(np.float32([4.0, 5.0, 6.0]), device=there)
    ).sum().backward()
    assert p.grad.device is here and p.grad.tolist() == [4.0, 5.0, 6.0]


def test_mixed_devices_are_an_error_that_names_both(pair):
    here, there = pair
    x, y = hx.ones((2, 2), device=here), hx.ones((2, 2), device=there)
    for mix in (
        lambda: x + y,
        lambda: x @ y,
        lambda: hx.concat([x, y]),
        lambda: hx.rms_norm(x, y[0]),
        lambda: hx.trace(lambda a, b: a + b)(x, y),
        lambda: hx.losses.cross_entropy(x, hx.zeros((2,), "int32", there)),
    ):
        with pytest.raises(hx.DeviceError) as e:
            mix()
        assert here.name in str(e.value) and there.name in str(e.value)


# -------------------------------------------------------------------------- fallback
@pytest.mark.parametrize("name", BACKENDS)
def test_linear_algebra_falls_back_to_the_cpu_and_is_counted(name):
    dev = device_or_skip(name)
    a = np.random.default_rng(2).normal(size=(5, 5)).astype(np.float32)
    x = hx.tensor(a, device=dev)
    with hx.fallback("cpu") as moved:
        y = hx.linalg.solve(x, hx.ones((5, 1), device=dev))
        z = hx.sort(x * 2.0)  # every device can do that
    assert y.device is z.device is dev
    np.testing.assert_allclose(
        y.numpy(), np.linalg.solve(a, np.ones((5, 1))), rtol=1e-3
    )
    own = "solve" in dev.backend.lowerings
    assert moved == ({} if own else {"solve": (1, 100 + 20 + 20)})


# ----------------------------------------------------------------------- checkpoints
class Classifier(hx.Module):
    """A small network: a table, a norm and a product."""

    def __init__(self):
        super().__init__()
        self.table = hx.Parameter(hx.random_normal((11, 8)))
        self.scale = hx.Parameter(hx.ones((8,)))
        self.out = hx.Parameter(hx.random_normal((8, 11)) * 0.3)

    def loss(self, x, y):
        h = hx.rms_norm(hx.embedding(x, self.table), self.scale)
        return hx.losses.cross_entropy(hx.silu(h) @ self.out, y)


IDS = np.random.default_rng(1).integers(0, 11, (2, 30)).astype(np.int32)


def trained(device):
    with hx.device(device):
        hx.seed(3)
        model = Classifier()
        return model, hx.optim.AdamW(list(model.parameters()), lr=0.05)


def step(model, optimizer, device):
    with hx.device(device):
        loss = model.loss(hx.tensor(IDS[0]), hx.tensor(IDS[1]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item(), hx.random_bits((4,)).numpy()


def saved(root, device):
    """A checkpoint after two steps, and what the third one does."""
    model, optimizer = trained(device)
    for _ in range(2):
        step(model, optimizer, device)
    moments, meta = optimizer.state_dict()
    groups = {"model": model.state_dict(), "optim": moments}
    content = {g: {k: np.asarray(v) for k, v in t.items()} for g, t in groups.items()}
    content["state"] = {
        "optimizer": meta,
        "random": hx.default_generator().state_dict(),
    }
    CheckpointStore(root).save(2, content)
    return step(model, optimizer, device)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """One per device that is there, made when it is asked for."""
    made = {}

    def of(device):
        if device.name not in made:
            root = tmp_path_factory.mktemp("ckpt")
            made[device.name] = root, saved(root, device)
        return made[device.name]

    return of


def test_a_checkpoint_of_one_device_goes_on_on_another(pair, checkpoints):
    here, there = pair
    root, (loss, random) = checkpoints(here)
    ckpt = CheckpointStore(root).load()
    model, optimizer = trained(there)
    model.load_state_dict(ckpt.arrays["model"])
    optimizer.load_state_dict((ckpt.arrays["optim"], ckpt.meta["state"]["optimizer"]))
    for name, p in model.named_parameters():
        assert p.value.device is there
        assert bits(p.numpy()) == bits(ckpt.arrays["model"][name])
    with hx.device(there):
        hx.default_generator().load_state_dict(ckpt.meta["state"]["random"])
    again, same = step(model, optimizer, there)
    assert again == pytest.approx(loss, rel=1e-4)
    np.testing.assert_array_equal(same, random)
