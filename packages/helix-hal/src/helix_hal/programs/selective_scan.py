"""The selective scan of Mamba: a point per channel, its states side by side as lanes.

The forward program keeps the states before every chunk. The backward one runs over the
chunks from the last to the first: it computes a chunk's states again, then walks back
through them. Gradients of B and C are sums over all channels: first over groups of them
in shared memory, then over the groups, in a fixed order.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from helix_core._composites.selective_scan import CHUNK, OPTIONAL
from helix_core.loop import Builder, Expr, LoopProgram, Ref

from helix_hal.loop.buffer import Buffer
from helix_hal.programs._kernels import Kernel, floats, serves, wide
from helix_hal.programs._math import sigmoid, softplus
from helix_hal.programs._run import channels_last, dense, empty, flat, launch
from helix_hal.programs.sums import add_up

KERNELS: list[Kernel] = []
GROUP = 64  # channels that add up their gradients of B and C
_STATES = 64  # lanes


class Form(NamedTuple):
    """What a program is made for."""

    dtype: str
    n: int
    softplus: bool
    D: bool
    z: bool
    dt_bias: bool
    h0: bool


class _Scan:
    """The arguments that both directions read, and one step's numbers."""

    def __init__(self, b: Builder, f: Form) -> None:
        self.b, self.f, self.real = b, f, wide(f.dtype)
        names = ["u", "dt", "B", "C", *(["z"] if f.z else [])]
        self.batch, self.time, self.d = b.size("batch"), b.size("time"), b.size("d")
        self.chunks = b.size("chunks")
        self.strides = {k: (b.size(f"{k}_b"), b.size(f"{k}_t")) for k in names}
        self.args: dict[str, Ref] = {k: b.input(k, f.dtype) for k in ("u", "dt", "A")}
        for k in ("B", "C", *[k for k in ("D", "z", "dt_bias") if getattr(f, k)]):
            self.args[k] = b.input(k, f.dtype)
        self.i, self.c, self.lane = Expr, Expr, Expr

    def axes(self) -> None:
        """After the last argument: the grid, and what a point knows from the start."""
        b, f = self.b, self.f
        self.i, self.c = b.axis(self.batch), b.axis(self.d)
        self.lane = b.lane(f.n)
        self.A = self.args["A"][self.c * f.n + self.lane].cast(self.real)
        for k in ("D", "dt_bias"):
            if getattr(f, k):
                setattr(self, k, self.args[k][self.c].cast(self.real))

    def channel(self, name: str, t: Expr) -> Expr:
        i, s = self.strides[name]
        return self.args[name][self.i * i + t * s + self.c].cast(self.real)

    def lanes(self, name: str, t: Expr) -> Expr:
        i, s = self.strides[name]
        return self.args[name][self.i * i + t * s + self.lane].cast(self.real)

    def raw(self, t: Expr) -> Expr:
        """The step size before softplus."""
        dt = self.channel("dt", t)
        return dt + self.dt_bias if self.f.dt_bias else dt

    def step(self, t: Expr) -> tuple[Expr, Expr]:
        """The step size, and the input."""
        raw = self.raw(t)
        return softplus(raw) if self.f.softplus else raw, self.channel("u", t)

    def end(self, k: Expr) -> Expr:
        """Where the states before chunk k are kept: (batch, chunk, n, d)."""
        return ((self.i * self.chunks + k) * self.f.n + self.lane) * self.d + self.c

    def state(self) -> Expr:
        """Where a state (batch, d, n) is."""
        return (self.i * self.d + self.c) * self.f.n + self.lane


@lru_cache
def scan(f: Form) -> LoopProgram:
    """y (batch, time, d), the last states, and those before every chunk."""
    b = Builder("selective_scan")
    s = _Scan(b, f)
    h0 = b.input("h0", f.dtype) if f.h0 else None
    y, last = b.output("y", f.dtype), b.output("last", f.dtype)
    ends = b.output("ends", f.dtype)
    s.axes()
    first: Any = 0.0 if h0 is None else h0[s.state()].cast(s.real)
    b.serial(s.time)
    with b.scan([first], s.real, width=f.n) as run:
        t = run.step
        ends.store(s.end(t // CHUNK), run.state.cast(f.dtype), (t % CHUNK).eq(0))
        dt, u = s.step(t)
        h = run.state * (dt * s.A).exp() + (dt * u) * s.lanes("B", t)
        out = (h * s.lanes("C", t)).sum_lanes()
        if f.D:
            out = out + u * s.D
        if f.z:
            z = s.channel("z", t)
            out = out * (z * sigmoid(z))
        y[(s.i * s.time + t) * s.d + s.c] = out.cast(f.dtype)
        run.next(h)
    last[s.state()] = run.state.cast(f.dtype)
    return b.build()


@lru_cache
def scan_backward(f: Form) -> LoopProgram:
    """du, ddt, dz (batch, time, d); sums over time for each batch; over groups of d."""
    b = Builder("selective_scan_backward")
    s, real, n = _Scan(b, f), wide(f.dtype), f.n
    ends, dy, dlast = (b.input(k, f.dtype) for k in ("ends", "dy", "dlast"))
    s.strides["dy"] = b.size("dy_b"), b.size("dy_t")
    s.args["dy"] = dy
    du, ddt = b.output("du", f.dtype), b.output("ddt", f.dtype)
    dz = b.output("dz", f.dtype) if f.z else None
    dA, dB, dC = (b.output(k, real) for k in ("dA", "dB", "dC"))
    dD = b.output("dD", real) if f.D else None
    dbias = b.output("dbias", real) if f.dt_bias else None
    dh0 = b.output("dh0", f.dtype) if f.h0 else None
    s.axes()
    b.groups(GROUP)
    b.serial(s.time, block=CHUNK, reverse=True)
    before = b.scratch("before", real, n)
    start = dlast[s.state()].cast(real)
    group, head = s.c // GROUP, (s.c % GROUP).eq(0)

    def begin() -> Expr:
        return ends[s.end(b.block_index())].cast(real)

    with b.scan([begin], real, width=n, restart=True) as run:
        t = run.step
        b.put(before, run.state)
        dt, u = s.step(t)
        run.next(run.state * (dt * s.A).exp() + (dt * u) * s.lanes("B", t))
    sums = [0] * (f.D + f.dt_bias)
    inits, widths = [start, 0, *sums], [n, n, *[1] * len(sums)]
    with b.scan(inits, real, width=widths, reverse=True) as run:
        t = run.step
        dt, u = s.step(t)
        B, C = s.lanes("B", t), s.lanes("C", t)
        decay = (dt * s.A).exp()
        kept = b.get(before) * decay
        h = kept + (dt * u) * B
        at = (s.i * s.time + t) * s.d + s.c
        g = s.channel("dy", t)
        if dz is not None:
            z = s.channel("z", t)
            gate = sigmoid(z)
            out = (h * C).sum_lanes()
            out = out + u * s.D if f.D else out
            dz[at] = (g * out * (gate * (1.0 + z * (1.0 - gate)))).cast(f.dtype)
            g = g * (z * gate)
        row = ((group * s.batch + s.i) * s.time + t) * n + s.lane
        dC.store(row, (g * h).sum_group(), head)
        dh, dA_sum, *others = run.states
        dh = dh + g * C
        dB.store(row, (dh * (dt * u)).sum_group(), head)
        inner = (dh * B).sum_lanes()
        dkept = dh * kept
        dt_grad = inner * u + (dkept * s.A).sum_lanes()
        u_grad = inner * dt + g * s.D if f.D else inner * dt
        du[at] = u_grad.cast(f.dtype)
        if f.softplus:
            dt_grad = dt_grad * sigmoid(s.raw(t))
        ddt[at] = dt_grad.cast(f.dtype)
        more = [*([g * u] if f.D else []), *([dt_grad] if f.dt_bias else [])]
        added = [a + m for a, m in zip(others, more, strict=True)]
        run.next(dh * decay, dA_sum + dkept * dt, *added)
    dh, dA_sum, *others = run.states
    dA[s.state()] = dA_sum
    if dh0 is not None:
        dh0[s.state()] = dh.cast(f.dtype)
    totals = [r for r in (dD, dbias) if r is not None]
    for out_, total in zip(totals, others, strict=True):
        out_[s.i * s.d + s.c] = total
    return b.build()


# ------------------------------------------------------------------------- adapters
def _narrow(device: Any, u: Any, dt: Any, A: Any, *avals: Any, **flags: Any) -> Any:
    ok = floats(device, u, dt, A)
    if ok is True and A.shape[1] > _STATES:
        return f"expected at most {_STATES} states; got {A.shape[1]}"
    return ok


def _grouped(device: Any, *avals: Any, **flags: Any) -> Any:
    """The backward pass sums over groups of channels."""
    room = device.backend.engine(device).features.group
    if room < 2:
        return "expected a device whose points act in groups"
    return floats(device, *avals)


def _given(
    dev: Any, args: tuple[Any, ...], flags: dict[str, Any]
) -> tuple[Form, dict[str, Buffer], dict[str, int], tuple[Any, ...]]:
    """The form, the arguments by name, the sizes, and what follows the inputs."""
    u, dt, A, B, C, *rest = args
    it = iter(rest)
    named = {k: next(it) for k in OPTIONAL if flags[k]}
    f = Form(u.dtype.name, A.shape[1], **{k: bool(v) for k, v in flags.items()})
    (n, t, d), sizes = u.shape, {}
    bufs = {"u": u, "dt": dt, "A": dense(dev, A), "B": B, "C": C, **named}
    for k in ("u", "dt", "B", "C", "z"):
        if k in bufs:
            x = bufs[k] = channels_last(dev, bufs[k])
            sizes |= {f"{k}_b": x.strides[0], f"{k}_t": x.strides[1]}
    for k in ("D", "dt_bias"):
        if k in bufs:
            bufs[k] = flat(dev, bufs[k])
    if "h0" in bufs:
        bufs["h0"] = dense(dev, bufs["h0"])
    sizes |= {"batch": n, "time": t, "d": d, "chunks": -(-t // CHUNK)}
    return f, bufs, sizes, tuple(it)


def _inputs(program: LoopProgram, bufs: dict[str, Buffer]) -> list[Buffer]:
    return [bufs[a.name] for a in program.args]


@serves(KERNELS, "selective_scan.fwd", supports=_narrow)
def _fwd(dev: Any, *args: Any, **flags: Any) -> Any:
    f, bufs, sizes, _ = _given(dev, args, flags)
    n, t, d = args[0].shape
    dtype = args[0].dtype
    bufs["y"] = empty(dev, (n, t, d), dtype)
    bufs["last"] = empty(dev, (n, d, f.n), dtype)
    bufs["ends"] = empty(dev, (n, sizes["chunks"], f.n, d), dtype)
    program = scan(f)
    launch(dev, program, _inputs(program, bufs), **sizes)
    return bufs["y"], bufs["last"], bufs["ends"]


@serves(KERNELS, "selective_scan", supports=_narrow)
def _plain(dev: Any, *args: Any, **flags: Any) -> Any:
    return _fwd(dev, *args, **flags)[:2]


@serves(KERNELS, "selective_scan.bwd", supports=_grouped)
def _bwd(dev: Any, *args: Any, **flags: Any) -> Any:
    f, bufs, sizes, (ends, dy, dlast) = _given(dev, args, flags)
    (n, t, d), dtype, real = args[0].shape, args[0].dtype, wide(f.dtype)
    bufs |= {"ends": dense(dev, ends), "dlast": dense(dev, dlast)}
    bufs["dy"] = channels_last(dev, dy)
    sizes |= {"dy_b": bufs["dy"].strides[0], "dy_t": bufs["dy"].strides[1]}
    groups = -(-d // GROUP)
    for k in ("du", "ddt", "dz"):
        bufs[k] = empty(dev, (n, t, d), dtype)
    for k in ("dB", "dC"):
        bufs[k] = empty(dev, (groups, n * t * f.n), real)
    bufs["dA"] = empty(dev, (n, d * f.n), real)
    bufs["dD"], bufs["dbias"] = (empty(dev, (n, d), real) for _ in range(2))
    bufs["dh0"] = empty(dev, (n, d, f.n), dtype)
    program = scan_backward(f)
    launch(dev, program, _inputs(program, bufs), **sizes)

    def total(name: str, shape: tuple[int, ...]) -> Buffer:
        part = bufs[name]
        if part.shape[0] > 1 or real != f.dtype:
            part = add_up(dev, part, f.dtype)
        out = part.reshape(shape)
        assert out is not None
        return out

    grads = [bufs["du"], bufs["ddt"], total("dA", (d, f.n))]
    grads += [total(k, (n, t, f.n)) for k in ("dB", "dC")]
    if f.D:
        grads.append(total("dD", (d,)))
    if f.z:
        grads.append(bufs["dz"])
    if f.dt_bias:
        grads.append(total("dbias", (d,)))
    if f.h0:
        grads.append(bufs["dh0"])
    return tuple(grads)
