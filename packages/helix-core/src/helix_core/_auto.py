"""``hx.Device.auto``: which device does some work soonest, and why not the others.

One cost model, `predict`, from a ``DeviceProfile`` and what `Graph.cost` counts: it is
what a scheduler reads too. A graph is then tried on those devices that the model finds
close, because only a run knows all.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from ._cost import Cost, NodeCost, cost_of
from ._device import Device
from ._errors import DeviceError, HelixError
from ._survey import Found, survey

_SMALL = 3e-5  # seconds: such work stays on the host, whatever else there is
_STAY = 1.05  # how many times sooner another device must be for work to leave the CPU
_CLOSE = 5.0  # devices predicted within so many times the soonest are tried
_ALIKE = 1.5  # those measured within so many times the soonest are tried once more
_HOST = ("cpu", "numpy")
_TYPICAL = {"flops": 4e9, "bytes": 4e8, "ops": 400, "moved": 1e5}


# ---------------------------------------------------------------------- the cost model
def predict(
    cost: Cost,
    profile: Any,
    *,
    moved: float = 0.0,
    load: float = 0.0,
    compiled: bool = True,
) -> float:
    """Seconds that a device needs, from what it was measured to do.

    ``start + sum(count * (launch + max(work / rate, bytes / bandwidth)))``, and the
    transfer over the link, all divided by the free share of the device. Each kind of op
    has a rate of its own; matrices and iterations of loops take time to begin, too.

    Parameters
    ----------
    cost : Cost
    profile : DeviceProfile
    moved : float
        Bytes that go over the link, there and back.
    load : float
        Busy share of the device, 0 to 1.
    compiled : bool
        A graph that is replayed; else ops one by one.
    """
    launch, total = profile.launch, 0.0
    if compiled and profile.replay >= 0.0:
        launch, total = profile.replay, max(profile.start, 0.0)
    fusion = profile.fusion if compiled else 1.0
    for n in cost.nodes:
        free = n.kind == "loop" or (compiled and n.kind == "view")
        total += n.count * (_seconds(n, profile, fusion) + (0.0 if free else launch))
    if moved:
        total += 2.0 * profile.link_latency + moved / profile.link_bandwidth
    return total / max(1.0 - load, 0.05)


def _seconds(n: NodeCost, profile: Any, fusion: float) -> float:
    """Of one run of a node on a device, once it has begun."""
    flops, rates = profile.flops, profile.rates
    single = flops.get("float32") or max(flops.values())
    if n.kind == "view":
        return 0.0
    if n.kind == "loop":
        return 1.0 / float(rates.get("loop", math.inf))
    if n.kind == "transfer":
        return profile.link_latency + n.bytes / float(profile.link_bandwidth)
    if n.kind == "host":  # there and back, and LAPACK at a fraction of the products
        return n.flops / (0.2 * single) + n.bytes / float(profile.link_bandwidth)
    wide = 2.0 if n.dtype in ("float64", "int64", "uint64", "complex128") else 1.0
    if n.kind == "contract":
        rate = flops.get(n.dtype) or single / wide
        begun = n.parts / rates.get("matrix", math.inf)
        slow = _slower(n.work, single, profile.curves.get("contract"))
        busy = n.work / rate * (slow if n.parts == 1.0 else 1.0) + begun
        return float(max(busy, _moving(n.bytes, profile)))
    kind = "transcendental" if n.kind == "kernel" else n.kind
    rate = rates.get(kind, single) / wide
    if n.kind not in ("elementwise", "transcendental"):
        return float(max(n.work / rate, _moving(n.bytes, profile)))
    busy = n.work / (rate * (fusion if n.kind == "elementwise" else 1.0))
    return float(max(busy, _moving(n.bytes, profile) / fusion))


def _moving(size: float, profile: Any) -> float:
    """Seconds to read and write so many bytes of the device's memory."""
    flat = size / float(profile.bandwidth)
    return flat * _slower(size, profile.bandwidth, profile.curves.get("memory"))


def _slower(size: float, rate: float, points: Any) -> float:
    """How many times longer than at this rate a size takes, between measured ones."""
    if not points or size <= 0.0:
        return 1.0
    x = math.log(size)
    at = [(math.log(s), math.log(max(t, 1e-12) * rate / s)) for s, t in points]
    if x <= at[0][0]:
        return math.exp(at[0][1])
    for (x0, y0), (x1, y1) in pairwise(at):
        if x <= x1:
            return math.exp(y0 + (y1 - y0) * (x - x0) / (x1 - x0))
    return math.exp(at[-1][1])


def work(flops: float, bytes: float, ops: float = 1, dtype: str = "float32") -> Cost:
    """An unknown workload: so many products' FLOPs and bytes, in so many ops."""
    for name, value in (("flops", flops), ("bytes", bytes)):
        if not (value >= 0 and math.isfinite(value)):
            raise HelixError(f"[auto] expected {name} >= 0; got {value!r}")
    if not (ops > 0 and math.isfinite(ops)):
        raise HelixError(f"[auto] expected ops > 0; got {ops!r}")
    each = flops / ops
    return Cost((NodeCost("work", "contract", dtype, each, bytes / ops, each, ops),))


# ------------------------------------------------------------------------- the choice
@dataclass(frozen=True, slots=True)
class Candidate:
    """A device, in seconds: ``predicted``, and ``measured`` where it was tried; or why
    it was not asked."""

    name: str
    predicted: float | None = None
    measured: float | None = None
    why: str = ""

    @property
    def seconds(self) -> float:
        known = self.predicted if self.measured is None else self.measured
        return math.inf if known is None else known


@dataclass(frozen=True)
class AutoTable:
    """``device``: the choice; ``why``: in words; ``rows``: every device, soonest first."""

    device: Device
    why: str
    rows: tuple[Candidate, ...]

    @property
    def line(self) -> str:
        """The choice and its reason in one line."""
        best = next(r for r in self.rows if r.name == self.device.name)
        how = "predicted" if best.measured is None else "measured"
        others = [
            f"{r.name} {r.seconds / best.seconds:.2g}x"
            for r in self.rows
            if r is not best and r.seconds < math.inf
        ]
        beside = f"; beside it {', '.join(others)}" if others else ""
        taken = f"{best.seconds * 1e3:.3g} ms {how}"
        return f"{self.device.name}, {taken}: {self.why}{beside}"

    def __str__(self) -> str:
        lines = [f"{'device':12} {'predicted':>12} {'measured':>12}  why"]
        for r in self.rows:
            why = "chosen: " + self.why if r.name == self.device.name else r.why
            shown = [
                "-" if t is None else f"{t * 1e3:.3f} ms"
                for t in (r.predicted, r.measured)
            ]
            lines.append(f"{r.name:12} {shown[0]:>12} {shown[1]:>12}  {why}".rstrip())
        return "\n".join(lines)


def explain_auto(
    graph: Any = None,
    *,
    flops: float | None = None,
    bytes: float | None = None,
    ops: float = 1,
    dtype: str = "float32",
    moved: float | None = None,
    compiled: bool = True,
    trial: float = 2.0,
    devices: Sequence[str] | None = None,
    run: Callable[[Device], float] | None = None,
) -> AutoTable:
    """Which device does some work soonest, and why not the others.

    Parameters
    ----------
    graph : Graph, optional
        The work, as ``hx.trace(fn).graph(*args)`` gives it.
    flops, bytes : float, optional
        The work where there is no graph; ``ops`` and ``dtype`` say more of it. Without
        both, a training step of a small model.
    moved : float, optional
        Bytes that go from the host to the device and back; default the graph's inputs
        and outputs, or none. 0 where they live on the device.
    compiled : bool
        The graph is compiled; else its ops run one by one.
    trial : float
        Seconds that a compiled graph may be tried for, with made-up inputs, where the
        prediction finds several devices close. 0 predicts only. A graph with a loop
        that ends by its values is never tried.
    devices : sequence of str, optional
        Names to choose from; default all that this machine has.
    run : callable, optional
        ``run(device) -> seconds``: tries the work itself, and not the compiled graph.

    Returns
    -------
    AutoTable

    Raises
    ------
    DeviceError
        If no device can do it; the message says why for each.

    Notes
    -----
    The first call measures every device, in a process of its own, and keeps what it
    found in the cache directory; a device that crashes or hangs there is left out.
    """
    cost, free = None, graph is None
    if graph is None:
        if flops is None and bytes is None:
            flops, bytes, ops = (_TYPICAL[k] for k in ("flops", "bytes", "ops"))
            moved = _TYPICAL["moved"] if moved is None else moved
        cost = work(flops or 0.0, bytes or 0.0, ops, dtype)
    elif flops is not None or bytes is not None:
        raise HelixError("[auto] expected a graph, or flops and bytes; got both")
    found = survey(devices)
    busy = _busy(found)
    rows = [
        _predicted(f, graph, cost, dtype if free else None, moved, compiled, busy)
        for f in found
    ]
    if run is None and graph is not None and compiled and not _endless(graph):

        def run(device: Device) -> float:
            return run_seconds(graph, device, min(0.2, trial / 4), moved != 0)

    if run is not None and trial > 0:
        rows = _tried(rows, run, trial)
    return _chosen(rows)


def _predicted(
    f: Found,
    graph: Any,
    cost: Cost | None,
    dtype: str | None,
    moved: float | None,
    compiled: bool,
    busy: dict[str, float],
) -> Candidate:
    if f.profile is None:
        return Candidate(f.name, why=f.why)
    needs = {dtype} if dtype else {a.dtype.name for a in graph.avals}
    lacks = sorted(needs - set(f.dtypes)) if f.dtypes else []
    if lacks:
        return Candidate(f.name, why=f"it has no {', '.join(lacks)}")
    if cost is None:
        cost = cost_of(graph, f.kernels)
    far = float(cost.moved if moved is None else moved)
    load = busy.get(f.name, 0.0)
    seconds = predict(cost, f.profile, moved=far, load=load, compiled=compiled)
    return Candidate(f.name, seconds)


def _busy(found: Sequence[Found]) -> dict[str, float]:
    """Loads that are known; what computes on the host shares the load of the host."""
    known = {f.name: f.load() for f in found}
    host = known.get("cpu") or 0.0
    return {
        f.name: host if known[f.name] is None and f.on_host else known[f.name] or 0.0
        for f in found
    }


def _endless(graph: Any) -> bool:
    """Whether made-up inputs could run for ever."""
    inner = (v for e in graph.equations for v in e.attrs.values())
    return any(e.op.name == "while_loop" for e in graph.equations) or any(
        _endless(g) for g in inner if hasattr(g, "equations")
    )


def _chosen(rows: Sequence[Candidate]) -> AutoTable:
    """The soonest; the CPU unless another is clearly sooner. One that does not load any
    more is left out."""
    rows = _ordered(rows)
    while rows and rows[0].seconds < math.inf:
        best, why = rows[0], "the soonest"
        known = [r for r in rows if r.seconds < math.inf]
        hosts = [r for name in _HOST for r in known if r.name == name]
        stay = hosts[0] if hosts else best
        alike = (stay.measured is None) == (best.measured is None)
        if best.name != stay.name and alike:
            if stay.seconds <= _STAY * best.seconds:
                best, why = stay, f"{rows[0].name} is hardly sooner"
            elif stay.seconds < _SMALL and best.name not in _HOST:
                best, why = stay, "small work stays on the CPU"
        device = Device(best.name)
        try:
            device.backend  # noqa: B018  (loads it)
        except DeviceError as e:
            gone = replace(best, predicted=None, measured=None, why=str(e))
            rows = _ordered([gone if r is best else r for r in rows])
            continue
        tried = best.measured is not None
        said = [
            r.why
            or f"{r.seconds / best.seconds:.2g}x as long"
            + (", not tried" if tried and r.measured is None else "")
            for r in rows
        ]
        shown = [replace(r, why=w) for r, w in zip(rows, said, strict=True)]
        return AutoTable(device, why, tuple(shown))
    reasons = "; ".join(f"{r.name}: {r.why}" for r in rows) or "no device was found"
    raise DeviceError(
        f"[auto] expected a device that can do this; {reasons}. "
        "Hint: `helix devices` lists what this machine has"
    )


def _ordered(rows: Sequence[Candidate]) -> list[Candidate]:
    """Soonest first; where some were tried, before those that are only predicted."""
    tried = any(r.measured is not None for r in rows)
    return sorted(
        rows,
        key=lambda r: (r.seconds == math.inf, tried and r.measured is None, r.seconds),
    )


# ------------------------------------------------------------------------- the trial
def _tried(
    rows: list[Candidate], run: Callable[[Device], float], budget: float
) -> list[Candidate]:
    """Run the work on those that are close, the most promising first; the host too,
    before work leaves it."""
    soonest = min((r.seconds for r in rows), default=math.inf)
    host = min((r.seconds for r in rows if r.name in _HOST), default=math.inf)
    if host < _SMALL:  # not worth importing a library for
        close = [r for r in rows if r.name in _HOST and r.seconds < math.inf]
    else:
        close = [r for r in rows if r.seconds <= _CLOSE * soonest or r.seconds == host]
        close = [r for r in close if r.seconds < math.inf]
    if len(close) < 2 or soonest > budget:
        return rows
    end = time.perf_counter() + budget
    out = {r.name: r for r in rows}
    best = math.inf
    for again in (False, True):
        for r in sorted(close, key=lambda r: out[r.name].seconds):
            known = out[r.name].measured
            if again and (known is None or known > _ALIKE * best):
                continue  # no doubt about it
            try:
                device = Device(r.name)
                begin = time.perf_counter()
                device.backend  # noqa: B018  (importing a library is no trial)
                end += time.perf_counter() - begin
                left = end - time.perf_counter()
                if left <= budget * again / 2 or 2 * r.seconds > left:
                    break
                taken = min(run(device), math.inf if known is None else known)
                out[r.name] = replace(r, measured=taken)
                best = min(best, taken)
            except Exception as e:  # whatever a backend raises, the others can do it
                why = f"{type(e).__name__}: {e}".partition("\n")[0]
                out[r.name] = replace(r, predicted=None, why=why)
    return list(out.values())


def run_seconds(
    graph: Any, device: Device, seconds: float = 0.2, transfer: bool = True
) -> float:
    """Best time of a graph on a device with made-up inputs, after a first run.

    Parameters
    ----------
    seconds : float
        To repeat it for; at least twice.
    transfer : bool
        From host arrays to host arrays; else from and to buffers of the device.
    """
    import numpy as np

    backend = device.backend
    plan = backend.compile(graph, device)
    arrays = [_made_up(graph.avals[v]) for v in (*graph.inputs, *graph.captures)]
    n = len(graph.inputs)
    fixed = [backend.from_host(a.copy(), device) for a in arrays]

    def once() -> float:
        mine = [a.copy() for a in arrays[:n]] if transfer else []  # to be taken over
        begin = time.perf_counter()
        given = [backend.from_host(a, device) for a in mine] or fixed[:n]
        outs = plan(*given, *fixed[n:])
        if transfer:
            for b in outs:
                np.asarray(backend.to_host(b))
        backend.synchronize(device)
        return time.perf_counter() - begin

    once()
    best, end, rounds = math.inf, time.perf_counter() + seconds, 0
    while rounds < 2 or time.perf_counter() < end:
        best, rounds = min(best, once()), rounds + 1
    return best


def _made_up(aval: Any) -> Any:
    """Numbers in (0.5, 1): no op overflows soon; zeros for integers, which may index."""
    import numpy as np

    if not aval.dtype.inexact:
        return np.zeros(aval.shape, aval.dtype.dtype)
    values = np.random.default_rng(0).random(aval.shape) * 0.5 + 0.5
    return values.astype(aval.dtype.dtype)
