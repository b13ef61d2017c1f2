"""``hx.Device.auto``: predictions against simulated machines, and rules that it keeps."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import helix_core as hx
import numpy as np
import pytest
from helix_core import _auto
from helix_core._auto import Candidate, explain_auto, predict, work
from helix_core._cost import Cost, NodeCost
from helix_core._survey import Found
from helix_core.contracts import DeviceProfile

DTYPES = ("float32", "int32", "bool", "float64")
CPU = DeviceProfile(
    flops={"float32": 1e11, "float64": 5e10},
    bandwidth=2e10,
    launch=1e-6,
    rates={"elementwise": 4e9, "transcendental": 1e9},
    start=1e-6,
    replay=5e-7,
)
GPU = DeviceProfile(
    flops={"float32": 1e13, "float64": 2e11},
    bandwidth=1e12,
    launch=1e-5,
    link_latency=2e-5,
    link_bandwidth=1e10,
    rates={"elementwise": 2e11, "transcendental": 1e11},
)
SLOW = replace(GPU, flops={"float32": 3e9}, bandwidth=3e9, rates={})


@pytest.fixture
def machine(monkeypatch):
    """Sets what devices there are."""

    def set_devices(loads=None, dtypes=None, **profiles):
        named = {name.replace("_", ":"): p for name, p in profiles.items()}
        rows = [Found(n, p, (dtypes or {}).get(n, DTYPES)) for n, p in named.items()]
        monkeypatch.setattr(_auto, "survey", lambda names: rows)
        monkeypatch.setattr(Found, "load", lambda f: (loads or {}).get(f.name))
        monkeypatch.setattr(hx.Device, "backend", property(lambda d: d))

    return set_devices


# ------------------------------------------------------------------------ the formula
def test_time_is_launches_and_the_roofline_and_transfers():
    flat = replace(CPU, start=-1.0, replay=-1.0)
    c = work(flops=1e11, bytes=1e9, ops=100)
    assert predict(c, flat) == pytest.approx(100 * 1e-6 + 1.0)
    c = work(flops=1e9, bytes=1e11, ops=100)
    assert predict(c, flat) == pytest.approx(100 * 1e-6 + 5.0)
    far = predict(c, GPU, moved=1e9) - predict(c, GPU)
    assert far == pytest.approx(2 * 2e-5 + 0.1)


def test_load_makes_a_device_slower():
    c = work(flops=1e11, bytes=1e9)
    assert predict(c, CPU, load=0.75) == pytest.approx(4 * predict(c, CPU))
    assert math.isfinite(predict(c, CPU, load=1.0))


def test_each_kind_has_its_rate_and_wide_dtypes_cost_twice():
    def seconds(kind, dtype="float32", **more):
        n = NodeCost("op", kind, dtype, 1e9, 0.0, 1e9, 1.0, **more)
        return predict(Cost((n,)), replace(CPU, start=0.0, replay=0.0))

    assert seconds("elementwise") == pytest.approx(0.25)
    assert seconds("transcendental") == pytest.approx(1.0)
    assert seconds("kernel") == pytest.approx(1.0)
    assert seconds("contract", "float64") == pytest.approx(0.02)
    assert seconds("transcendental", "float64") == pytest.approx(2.0)
    assert seconds("reduce") == pytest.approx(0.01)  # unknown: that of products
    assert seconds("view") == 0.0
    assert seconds("host") > seconds("contract")


def test_small_matrices_and_iterations_take_time_to_begin():
    slow = replace(CPU, rates={"matrix": 1e6, "loop": 1e5}, start=0.0, replay=0.0)
    product = NodeCost("dot_general", "contract", "float32", 1e6, 0.0, 1e6, 1.0, 64.0)
    loop = NodeCost("scan", "loop", "float32", 0.0, 0.0, 1.0, 50.0)
    assert predict(Cost((product,)), slow) == pytest.approx(1e-5 + 64e-6)
    assert predict(Cost((loop,)), slow) == pytest.approx(50e-5)


def test_curves_say_what_small_sizes_cost_more():
    curves = {"contract": ((1e6, 1e-4), (1e9, 1e-2)), "memory": ((1e4, 1e-7),)}
    curved = replace(CPU, curves=curves, start=0.0, replay=0.0)

    def seconds(flops, size, kind="contract"):
        return predict(
            Cost((NodeCost("op", kind, "float32", flops, size, flops),)), curved
        )

    assert seconds(1e9, 0.0) == pytest.approx(1e-2)
    assert seconds(1e12, 0.0) == pytest.approx(10.0)  # beyond, by the last rate
    assert seconds(1e3, 0.0) == pytest.approx(1e-7)  # below, by the first
    between = seconds(10**7.5, 0.0)
    assert between == pytest.approx(1e-3)  # a power of the size
    assert seconds(0.0, 2e10, "reduce") == pytest.approx(0.2)  # faster than flat


# ------------------------------------------------------------------------- the choice
def test_small_work_stays_and_big_work_goes_to_what_is_faster(machine):
    machine(cpu=CPU, cuda_0=GPU, vulkan_0=SLOW)
    assert hx.Device.auto(flops=1e4, bytes=1e4).name == "cpu"
    assert hx.Device.auto(flops=1e13, bytes=1e9).name == "cuda:0"
    table = hx.Device.auto(flops=1e13, bytes=1e9, explain=True)
    assert [r.name for r in table.rows] == ["cuda:0", "cpu", "vulkan:0"]
    assert str(table).splitlines()[1].endswith("chosen: the soonest")
    assert table.line.startswith(
        "cuda:0, 1e+03 ms predicted: the soonest; beside it cpu "
    )


@pytest.mark.parametrize("size", [1e3, 1e6, 1e9, 1e12, 1e15])
def test_never_to_what_is_merely_present(machine, size):
    machine(cpu=CPU, vulkan_0=SLOW)
    assert hx.Device.auto(flops=size, bytes=size).name == "cpu"


def test_work_that_is_hardly_sooner_elsewhere_stays(machine):
    near = replace(CPU, flops={"float32": 1.03e11})
    machine(cpu=CPU, torch_cpu=near)
    table = explain_auto(flops=1e12, bytes=1.0)
    assert table.device.name == "cpu" and table.why == "torch:cpu is hardly sooner"


def test_transfers_keep_memory_bound_work_where_its_data_are(machine):
    machine(cpu=CPU, cuda_0=GPU)
    here = {"flops": 1e8, "bytes": 1.2e9}
    assert hx.Device.auto(**here, moved=1.2e9).name == "cpu"
    assert hx.Device.auto(**here, moved=0).name == "cuda:0"


def test_a_busy_device_is_left_alone(machine):
    machine(cpu=CPU, cuda_0=replace(GPU, flops={"float32": 4e11}))
    assert hx.Device.auto(flops=1e13, bytes=1e9).name == "cuda:0"
    loads = {"cuda:0": 0.95, "cpu": 0.0}
    machine(loads, cpu=CPU, cuda_0=replace(GPU, flops={"float32": 4e11}))
    assert hx.Device.auto(flops=1e13, bytes=1e9).name == "cpu"


def test_a_device_without_the_dtype_is_no_candidate(machine):
    x = hx.ones((2048, 2048), "float64", "numpy")
    graph = hx.trace(lambda x: x @ x).graph(x)
    machine(cpu=CPU, cuda_0=GPU)
    with pytest.raises(
        hx.DeviceError, match=r"cpu: it has no bfloat16; cuda:0: it has"
    ):
        explain_auto(flops=1e13, bytes=1e9, dtype="bfloat16")
    machine(dtypes={"cuda:0": ("float32", "int32")}, cpu=CPU, cuda_0=GPU)
    assert hx.Device.auto(flops=1e13, bytes=1e9).name == "cuda:0"
    assert hx.Device.auto(flops=1e13, bytes=1e9, dtype="float64").name == "cpu"
    table = explain_auto(graph, trial=0)
    assert table.device.name == "cpu"
    assert [r.why for r in table.rows if r.name == "cuda:0"] == ["it has no float64"]


def test_bad_arguments_are_named():
    with pytest.raises(hx.HelixError, match=r"^\[auto\] expected flops >= 0; got -1"):
        hx.Device.auto(flops=-1.0)
    with pytest.raises(hx.HelixError, match=r"^\[auto\] expected bytes >= 0; got nan"):
        hx.Device.auto(flops=1.0, bytes=math.nan)
    with pytest.raises(hx.HelixError, match="expected ops > 0; got 0"):
        hx.Device.auto(flops=1.0, ops=0)
    graph = hx.trace(lambda x: x + x).graph(hx.ones((2,)))
    with pytest.raises(hx.HelixError, match="a graph, or flops and bytes; got both"):
        hx.Device.auto(graph, flops=1.0)
    with pytest.raises(hx.DeviceError, match=r"opencl:77: this machine has no such"):
        explain_auto(flops=1.0, devices=["opencl:77"])


def test_a_graph_is_tried_where_predictions_are_close(machine, monkeypatch):
    x = hx.ones((1024, 1024), device="numpy")
    graph = hx.trace(lambda x: x @ x).graph(x)
    twin = replace(CPU, flops={"float32": 1.2e11})
    machine(cpu=CPU, torch_cpu=twin, vulkan_0=SLOW)
    tried = {"cpu": 0.5, "torch:cpu": 0.9}
    monkeypatch.setattr(
        _auto, "run_seconds", lambda g, d, seconds, transfer: tried[d.name]
    )
    table = explain_auto(graph, trial=5.0)
    assert table.device.name == "cpu"
    assert {r.name: r.measured for r in table.rows} == tried | {"vulkan:0": None}
    assert explain_auto(graph, trial=0).device.name == "torch:cpu"


def test_a_device_that_fails_in_the_trial_is_left_out(machine, monkeypatch):
    x = hx.ones((1024, 1024), device="numpy")
    graph = hx.trace(lambda x: x @ x @ x).graph(x)
    machine(cpu=CPU, cuda_0=GPU)

    def run(graph, device, seconds, transfer):
        if device.name == "cuda:0":
            raise RuntimeError("illegal address\nand a page more")
        return 1.0

    monkeypatch.setattr(_auto, "run_seconds", run)
    table = explain_auto(graph)
    assert table.device.name == "cpu"
    [lost] = [r for r in table.rows if r.name == "cuda:0"]
    assert lost.why == "RuntimeError: illegal address"


def test_a_trial_outweighs_predictions(machine, monkeypatch):
    """The second would be sooner by its prediction, but there was no time to try it."""
    x = hx.ones((1024, 1024), device="numpy")
    graph = hx.trace(lambda x: x @ x).graph(x)
    twin, other = (replace(CPU, flops={"float32": f}) for f in (1.4e11, 1.3e11))
    machine(cpu=CPU, torch_cpu=twin, xla_0=other)
    clock = [0.0]
    monkeypatch.setattr(_auto.time, "perf_counter", lambda: clock[0])

    def run(device):
        clock[0] += 10.0
        return 0.5

    table = explain_auto(graph, trial=5.0, run=run)
    assert table.device.name == "torch:cpu"
    assert (table.rows[0].name, table.rows[0].measured) == ("torch:cpu", 0.5)
    assert all(r.why.endswith("x as long, not tried") for r in table.rows[1:])


def test_close_ones_are_tried_twice_and_an_import_is_no_trial(machine, monkeypatch):
    x = hx.ones((1024, 1024), device="numpy")
    graph = hx.trace(lambda x: x @ x).graph(x)
    machine(cpu=CPU, torch_cpu=CPU, xla_0=CPU)
    clock, seen = [0.0], []
    monkeypatch.setattr(_auto.time, "perf_counter", lambda: clock[0])

    def load(device):
        clock[0] += 100.0
        return device

    monkeypatch.setattr(hx.Device, "backend", property(load))
    first = {"cpu": 0.6, "torch:cpu": 0.5, "xla:0": 5.0}

    def run(device):
        again = device.name in seen
        seen.append(device.name)
        return 0.4 if again and device.name == "cpu" else first[device.name]

    table = explain_auto(graph, trial=5.0, run=run)
    assert sorted(seen) == ["cpu", "cpu", "torch:cpu", "torch:cpu", "xla:0"]
    assert (table.device.name, table.rows[0].measured) == ("cpu", 0.4)


def test_the_work_itself_may_be_tried(machine):
    x = hx.ones((512, 512), device="numpy")
    graph = hx.trace(lambda x: x @ x).graph(x)
    machine(cpu=CPU, cuda_0=replace(CPU, launch=2e-6))
    table = explain_auto(
        graph, compiled=False, run=lambda d: {"cpu": 3.0, "cuda:0": 2.0}[d.name]
    )
    assert table.line == ("cuda:0, 2e+03 ms measured: the soonest; beside it cpu 1.5x")


def test_a_loop_that_ends_by_its_values_is_not_tried(machine, monkeypatch):
    graph = hx.trace(
        lambda x: hx.while_loop(lambda c: c.sum() < 10.0, lambda c: c @ c, x)
    ).graph(hx.ones((512, 512), device="numpy"))
    machine(cpu=CPU, cuda_0=CPU)
    monkeypatch.setattr(_auto, "run_seconds", lambda *a: pytest.fail("tried"))
    assert explain_auto(graph).device.name == "cpu"


def test_a_graph_is_run_on_made_up_inputs():
    x = hx.ones((64, 64), device="numpy")
    graph = hx.trace(lambda x, i: hx.take(x, i, axis=0) @ x).graph(
        x, hx.zeros((8,), "int32", device="numpy")
    )
    for transfer in (True, False):
        taken = _auto.run_seconds(graph, hx.Device("numpy"), 0.01, transfer)
        assert 0 < taken < 1


def test_auto_is_a_device_name(machine):
    machine(cpu=CPU, vulkan_0=SLOW)
    assert hx.Device("auto").name == "cpu"
    with hx.device("auto"):
        assert hx.default_device().name == "cpu"


def test_a_candidate_says_what_is_known():
    assert Candidate("a").seconds == math.inf
    assert Candidate("a", 2.0).seconds == 2.0
    assert Candidate("a", 2.0, 3.0).seconds == 3.0


# ------------------------------------------------------------------ simulated machines
NOISE = 0.1  # of each figure of a profile: standard deviation of its logarithm


@dataclass(frozen=True)
class Simulated:
    """A device in more detail than a profile has.

    Products run in tiles on several units: what does not fill them all wastes the rest.
    Memory has a cache in front, and a latency that small arrays feel. Computing and
    moving data overlap in part. Launches overlap with the kernel before. A rate of each
    kind falls with its own ramp.
    """

    flops: float
    tile: int
    units: int
    bandwidth: float
    cache: float  # bytes
    cached: float  # bytes/s
    ramp: float  # bytes at which half the bandwidth is reached
    launch: float
    overlap: float  # 0: compute and memory one after the other, 1: at once
    elementwise: float
    transcendental: float
    latency: float
    link: float

    def seconds(self, cost, moved):
        total = 0.0
        for n in cost.nodes:
            total += n.count * self.node(n)
        if moved:
            total += 2 * self.latency + moved / self.link
        return total

    def node(self, n):
        busy = self.memory(n.bytes)
        if n.kind == "contract":
            side = (n.flops / 2) ** (1 / 3)
            tiles = math.ceil(max(side, 1) / self.tile) ** 2
            waves = math.ceil(tiles / self.units)
            compute = waves * 2 * self.tile**2 * max(side, 1) * self.units / self.flops
        else:
            compute = n.work / getattr(self, n.kind)
        both = max(compute, busy) + (1 - self.overlap) * min(compute, busy)
        return max(self.launch, 0.2 * self.launch + both)

    def memory(self, size):
        near = min(size, self.cache)
        far = size - near
        rate = self.bandwidth * (far / (far + self.ramp) if far else 1.0)
        return near / self.cached + (far / rate if far else 0.0)

    def profile(self, noise):
        """What micro-benchmarks on it would find, each off by a factor of ``noise()``."""

        def beyond(kind, work, size):
            """Seconds of an op beyond a launch; the difference of two timings."""
            taken = noise() * self.node(
                NodeCost("x", kind, "float32", work, size, work)
            )
            return max(taken - noise() * self.launch, 0.02 * taken)

        def rate(kind, each, size):
            """Work per second of an array that takes long enough."""
            while (t := beyond(kind, each, size)) < 4 * self.launch and size < 1e9:
                each, size = each * 4, size * 4
            return each / t

        n, special = 1 << 15, 1 << 18
        adds = [12.0 * (1 << i) for i in range(12, 25, 2)]
        sides = [64, 128, 256, 512, 1024, 2048]
        products = [
            (2.0 * k**3, beyond("contract", 2.0 * k**3, 12.0 * k * k)) for k in sides
        ]
        memory = [(b, beyond("elementwise", b / 12, b)) for b in adds]
        return DeviceProfile(
            flops={"float32": products[-1][0] / products[-1][1]},
            bandwidth=memory[-1][0] / memory[-1][1],
            launch=noise() * self.launch,
            link_latency=noise() * self.latency,
            link_bandwidth=noise() * self.link,
            rates={
                "elementwise": rate("elementwise", n, 12.0 * n),
                "transcendental": rate("transcendental", 10 * special, 8.0 * special),
            },
            curves={"contract": tuple(products), "memory": tuple(memory)},
        )


def log_uniform(rng, low, high):
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def a_host(rng):
    flops = log_uniform(rng, 3e10, 3e12)
    bandwidth = log_uniform(rng, 1e10, 2e11)
    return Simulated(
        flops=flops,
        tile=16,
        units=int(rng.choice([2, 4, 8, 16, 32])),
        bandwidth=bandwidth,
        cache=log_uniform(rng, 1e6, 6e7),
        cached=bandwidth * rng.uniform(1.5, 4),
        ramp=0.0,
        launch=log_uniform(rng, 3e-7, 3e-6),
        overlap=rng.uniform(0.6, 1),
        elementwise=flops * rng.uniform(0.02, 0.1),
        transcendental=flops * rng.uniform(0.02, 0.1),
        latency=2e-7,
        link=1e12,
    )


def an_accelerator(rng):
    flops = log_uniform(rng, 3e9, 6e13)  # a simulated adapter, to a large GPU
    bandwidth = min(max(flops * rng.uniform(0.02, 0.3), 2e9), 3e12)
    shared = rng.random() < 0.3
    return Simulated(
        flops=flops,
        tile=int(rng.choice([32, 64, 128])),
        units=int(rng.choice([4, 16, 64, 128])),
        bandwidth=bandwidth,
        cache=log_uniform(rng, 1e5, 5e7),
        cached=bandwidth * rng.uniform(1.5, 5),
        ramp=log_uniform(rng, 1e4, 1e6),
        launch=log_uniform(rng, 3e-6, 1e-4),
        overlap=rng.uniform(0.6, 1),
        elementwise=flops * rng.uniform(0.05, 0.3),
        transcendental=flops * rng.uniform(0.05, 0.3),
        latency=log_uniform(rng, 1e-6, 1e-5)
        if shared
        else log_uniform(rng, 1e-5, 2e-4),
        link=bandwidth if shared else log_uniform(rng, 2e9, 5e10),
    )


def a_workload(rng):
    """Some ops of sizes around one another: products, elementwise and special functions."""
    scale, nodes = log_uniform(rng, 1e3, 3e7), []
    for _ in range(int(rng.integers(1, 30))):
        elements = max(16.0, scale * log_uniform(rng, 0.3, 3))
        count = float(rng.choice([1, 1, 1, 4, 16]))
        kind = rng.choice(["contract", "elementwise", "transcendental"])
        size = 12.0 * elements
        flops = {"elementwise": elements, "transcendental": 10 * elements}.get(kind)
        if flops is None:
            flops = 2.0 * elements**1.5
        nodes.append(NodeCost("op", str(kind), "float32", flops, size, flops, count))
    moved = 12.0 * scale * rng.uniform(0, 2) if rng.random() < 0.6 else 0.0
    return Cost(tuple(nodes)), moved


def test_the_choice_is_close_to_exhaustive_on_simulated_machines(monkeypatch):
    """1,000 machines of 2 to 6 devices, with a workload each.

    Profiles come from micro-benchmarks on the simulated devices, which know of tiles,
    caches, ramps and overlap, and each figure is some percent off; the choice sees the
    profiles alone.
    """
    monkeypatch.setattr(hx.Device, "backend", property(lambda d: d))
    monkeypatch.setattr(Found, "load", lambda f: 0.0)
    rng = np.random.default_rng(4)
    ratios, chosen = [], []

    def noise():
        return float(np.exp(rng.normal(0.0, NOISE)))

    for _ in range(1000):
        devices = {"cpu": a_host(rng)}
        for i in range(int(rng.integers(1, 6))):
            make = a_host if rng.random() < 0.3 else an_accelerator
            devices[f"sim:{i}"] = make(rng)
        cost, moved = a_workload(rng)
        rows = [
            Candidate(k, predict(cost, d.profile(noise), moved=moved))
            for k, d in devices.items()
        ]
        name = _auto._chosen(rows).device.name
        taken = {k: d.seconds(cost, moved) for k, d in devices.items()}
        ratios.append(taken[name] / min(taken.values()))
        chosen.append(name)
    close = np.array(ratios) <= 1.1
    assert close.mean() >= 0.95, f"{close.mean():.1%}"
    stayed = np.array([c == "cpu" for c in chosen])
    assert 0.2 < stayed.mean() < 0.8  # both answers are asked for
    assert close[stayed].mean() >= 0.9 <= close[~stayed].mean()
