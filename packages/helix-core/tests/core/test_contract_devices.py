"""Devices are values: mixing, moving, defaults, threads. Contract, section 3."""

import os
import subprocess
import sys
import threading
import warnings

import helix_core as hx
import numpy as np
import pytest
from helix_core.contracts import BackendSpec

X = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]], np.float32)


@pytest.fixture
def two():
    return hx.Device("numpy"), hx.Device("cpu")


def test_equal_names_are_one_device():
    assert hx.Device("cpu") is hx.Device.cpu() is hx.Device(hx.Device("cpu"))
    assert hx.Device("cuda") is hx.Device.cuda(0) is hx.Device("cuda:0")
    with pytest.raises(hx.DeviceError, match=r"^\[device\] expected a name such as"):
        hx.Device("My GPU!")
    with pytest.raises(hx.DeviceError, match="without index"):
        hx.Device("cpu:3")


def test_a_kind_that_nobody_offers_says_what_there_is():
    with pytest.raises(hx.DeviceError, match=r"'abacus:7'; .*offered: .*numpy") as e:
        hx.ones((2,), device="abacus:7")
    assert "abacus" not in str(e.value).partition("offered: ")[2]
    assert str(e.value).endswith("Hint: `helix devices` lists what this machine has")


def refuse():
    return "no beads. Hint: pip install 'acme[beads]'."


def fail():
    raise OSError("driver of 1980")


def test_a_backend_that_cannot_work_here_is_one_message_with_the_way_out():
    for name, probe in (("abacus", "refuse"), ("slate", "fail")):
        path = f"{__name__}:{probe}"
        spec = BackendSpec(name=name, kinds=("counter",), factory="a:b", probe=path)
        hx.plugins.register(spec, "backends")
    try:
        for _ in range(2):  # the second time its record says why
            with pytest.raises(hx.DeviceError) as e:
                hx.ones((2,), device="counter:7")
            text = str(e.value)
            head, _, tail = text.partition(" (kinds that are offered: ")
            assert head == (
                "[device] expected a usable backend for 'counter:7'; got "
                "'abacus' of this process, which is unsupported: no beads; "
                "'slate' of this process, which is broken: OSError: driver of 1980"
            )
            assert "counter" not in tail and "numpy" in tail
            assert text.count("Hint: ") == text.count("expected") == 1
            assert "Hint: pip install 'acme[beads]'; " in tail
            assert tail.endswith("`helix devices` lists what this machine has")
    finally:
        hx.plugins.reset()
        hx.Device("counter:7").forget()


def test_mixed_devices_are_an_error_that_names_both(two):
    a, b = (hx.tensor(X, device=d) for d in two)
    for call in (
        lambda: a + b,
        lambda: a @ b.T,
        lambda: hx.concat([a, b]),
        lambda: hx.where(a > 0, a, b),
        lambda: hx.dropout(a, 0.5) * b,
        lambda: hx.rms_norm(a, b[0]),
        lambda: a * hx.tensor(2.0, device=b.device),  # 0-d ones too
    ):
        with pytest.raises(hx.DeviceError, match=r"one device; got .*(numpy|cpu)"):
            call()


def test_mixed_devices_in_a_trace_are_an_error(two):
    a, b = (hx.tensor(X, device=d) for d in two)
    with pytest.raises(hx.DeviceError, match="device of this trace; got one on 'cpu'"):
        hx.trace(lambda x: x + b)(a)
    with pytest.raises(hx.DeviceError, match="arguments on one device"):
        hx.trace(lambda x, y: x)(a, b)


def test_a_python_number_goes_where_the_tensor_is(two):
    for d in two:
        y = 2.0 * hx.tensor(X, device=d) + 1
        assert y.device is d
        assert hx.trace(lambda x: 2.0 * x + 1)(y).device is d


def test_moving_keeps_values_dtype_and_gradients(two):
    here, there = two
    p = hx.Parameter(hx.tensor(X, device=here))
    y = p.to(there)
    assert y.device is there and p.to(here).device is here
    (y * hx.tensor(X, device=there)).sum().backward()
    assert p.grad.device is here
    np.testing.assert_array_equal(p.grad.numpy(), X)
    for dtype in ("bool", "int8", "bfloat16", "float64", "complex64", "float8_e5m2"):
        t = hx.ones((2, 2), dtype, here).to(there)
        assert t.dtype == dtype and t.device is there


def test_a_trace_may_move_tensors(two):
    here, there = two
    f = hx.trace(lambda x: (x * 2.0).to(there))
    y = f(hx.tensor(X, device=here))
    assert y.tolist() == (X * 2).tolist()


def test_the_default_device_is_of_the_context(two):
    for d in two:
        with hx.device(d):
            assert hx.default_device() is d
            assert hx.ones((2,)).device is d is hx.Parameter([1.0]).value.device
            assert hx.random_uniform((2,)).device is d is hx.arange(3).device
            assert hx.zeros((2,), device=two[0]).device is two[0]


def test_synchronize_returns_when_nothing_is_queued(device):
    y = hx.ones((3,)) + 1.0
    assert device.synchronize() is None and y.tolist() == [2.0] * 3


def test_cpu_is_served_by_the_best_backend_that_offers_it():
    served = hx.Device("cpu").backend.name
    best = hx.plugins.providers("cpu")[0]
    assert served == best.name
    assert hx.Device("numpy").backend.name == "numpy"


def test_core_alone_serves_cpu_with_the_reference():
    code = """
import helix_core as hx
assert hx.Device("cpu").backend.name == "numpy"
p = hx.Parameter(hx.ones((3,)))
(hx.softmax(p) * p).sum().backward()
assert p.grad.shape == (3,)
"""
    env = {**os.environ, "HELIX_PLUGINS": "numpy"}
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, env=env)


@pytest.mark.parametrize("n", [0, -1, 1.5, True, "2"])
def test_a_number_of_threads_is_a_whole_number(n):
    with pytest.raises(ValueError, match=r"^\[set_num_threads\] expected an integer"):
        hx.set_num_threads(n)


def test_results_do_not_depend_on_the_number_of_threads():
    with hx.device("cpu"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the reference cannot bound BLAS
        n = 300_000
        x = hx.random_normal((n,), generator=hx.Generator(5))

        def results():
            g = hx.Generator(9)
            return [
                hx.random_bits((n,), generator=g),
                hx.random_bits((n,), 64, generator=g),
                hx.random_uniform((n,), generator=g),
                hx.random_integers((n,), -5, 100, generator=g),
                hx.random_bernoulli((n,), 0.3, generator=g),
                hx.random_normal((n,), generator=g),
                hx.random_exponential((n,), generator=g),
                hx.random_permutation(5000, generator=g),
                hx.dropout(x, 0.5, generator=g),
                hx.softmax(x.reshape(300, 1000)),
                hx.rms_norm(x.reshape(300, 1000), hx.ones((1000,))),
                hx.silu(x),
            ]

        hx.set_num_threads(1)
        one = results()
        try:
            for threads in (2, 3):
                hx.set_num_threads(threads)
                for a, b in zip(one, results(), strict=True):
                    np.testing.assert_array_equal(a.numpy(), b.numpy())
        finally:
            hx.set_num_threads(os.cpu_count() or 1)


def test_threads_compute_at_the_same_time():
    found = []

    def work(k):
        p = hx.Parameter(hx.full((64, 64), 0.01 * k))
        f = hx.trace(lambda x: (hx.tanh(x @ p) * p).sum().backward())
        for _ in range(20):
            f(hx.ones((64, 64)))
        found.append((k, p.grad.sum().item()))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(1, 5)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    alone = dict(found)
    assert len(alone) == 4
    found.clear()
    for k in alone:
        work(k)
    assert dict(found) == alone


def test_iteration_is_explicit_and_bounded():
    x = hx.tensor(X)
    assert [r.tolist() for r in x] == X.tolist()
    assert list(hx.zeros((0, 3))) == []
    with pytest.raises(TypeError, match=r"\[len\] expected at least one axis"):
        iter(hx.tensor(1.0))
    assert (hx.tensor([1.0, 2.0]).tolist() == [1.0, 2.0]) and 2.0 in x[0].tolist()
