"""The selective scan of Mamba, in two layouts.

On GPUs a point is a channel, whose states are lanes; on CPUs it is sixteen channels,
which are lanes, with their states written out one by one.

The forward program keeps the states before every chunk. The backward one runs over the
chunks from the last to the first: it computes a chunk's states again, then walks back
through them. Gradients of B and C are sums over all channels: first over groups of them
(of the points in shared memory, or of the lanes), then over the groups, always in one
order.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from helix_core._composites.selective_scan import CHUNK, OPTIONAL
from helix_core.loop import Builder, Expr, LoopProgram, Ref, Scratch

from helix_hal.loop.buffer import Buffer
from helix_hal.programs._kernels import Kernel, floats, serves, wide
from helix_hal.programs._many import Many, Values, listed, total
from helix_hal.programs._math import sigmoid, softplus
from helix_hal.programs._run import channels_last, dense, empty, flat, launch, vectors
from helix_hal.programs.sums import add_up

KERNELS: list[Kernel] = []
GROUP = 64  # points that add up their gradients of B and C
LANES = 16  # channels of a point on CPUs
_STATES = 64


class Form(NamedTuple):
    """What a program is made for.

    ``lanes``: channels of a point, 1 or `LANES`; ``even``: they divide the channels.
    """

    dtype: str
    n: int
    softplus: bool
    D: bool
    z: bool
    dt_bias: bool
    h0: bool
    lanes: int
    even: bool


class _Scan:
    """The arguments that both directions read, and one step's numbers."""

    def __init__(self, b: Builder, f: Form) -> None:
        self.b, self.f, self.real = b, f, wide(f.dtype)
        names = ["u", "dt", "B", "C", *(["z"] if f.z else [])]
        self.batch, self.time, self.d = b.size("batch"), b.size("time"), b.size("d")
        self.points, self.chunks = b.size("points"), b.size("chunks")
        self.strides = {k: (b.size(f"{k}_b"), b.size(f"{k}_t")) for k in names}
        self.args: dict[str, Ref] = {k: b.input(k, f.dtype) for k in ("u", "dt", "A")}
        for k in ("B", "C", *[k for k in ("D", "z", "dt_bias") if getattr(f, k)]):
            self.args[k] = b.input(k, f.dtype)

    def axes(self) -> None:
        """After the last argument: the grid, and what a point knows from the start."""
        b, f = self.b, self.f
        self.i, self.point = b.axis(self.batch), b.axis(self.points)
        self.c = self.point
        if f.lanes > 1:
            self.c = self.point * f.lanes + b.lane(f.lanes)
        self.inside = None if f.even else self.c < self.d
        self.A = self.states(lambda j: self.read(self.args["A"], self.c * f.n + j))
        for k in ("D", "dt_bias"):
            if getattr(f, k):
                setattr(self, k, self.read(self.args[k], self.c))

    def states(self, f: Callable[[Expr], Expr]) -> Values:
        """``f`` of the number of each state."""
        if self.f.lanes == 1:
            return f(self.b.lane(self.f.n))
        return Many([f(self.b.const(j, "index")) for j in range(self.f.n)])

    def split(self, values: tuple[Expr, ...]) -> tuple[Values, tuple[Expr, ...]]:
        """The first of a scan's states as those of the recurrence, and the others."""
        if self.f.lanes == 1:
            return values[0], values[1:]
        return Many(values[: self.f.n]), values[self.f.n :]

    @property
    def widths(self) -> list[int]:
        """Of what `listed` makes of states."""
        f = self.f
        return [f.n] if f.lanes == 1 else [f.lanes] * f.n

    # ------------------------------------------------------------------------- memory
    def read(self, x: Ref, at: Expr) -> Expr:
        e = x[at] if self.inside is None else x.load(at, self.inside)
        return e.cast(self.real)

    def write(self, x: Ref, at: Expr, value: Expr, gate: Expr | None = None) -> None:
        gates = [g for g in (self.inside, gate) if g is not None]
        both = gates[0] & gates[1] if len(gates) == 2 else None
        x.store(at, value.cast(x.arg.dtype), both or (gates[0] if gates else None))

    def read_states(self, x: Ref, at: Callable[[Expr], Expr]) -> Values:
        return self.states(lambda j: self.read(x, at(j)))

    def write_states(
        self, x: Ref, at: Callable[[Expr], Expr], h: Values, gate: Expr | None = None
    ) -> None:
        places = listed(self.states(at))
        for place, value in zip(places, listed(h), strict=True):
            self.write(x, place, value, gate)

    def end(self, k: Expr) -> Callable[[Expr], Expr]:
        """Where the states before chunk k are kept: (batch, chunk, n, d)."""
        row = (self.i * self.chunks + k) * self.f.n
        return lambda j: (row + j) * self.d + self.c

    def state(self, j: Expr) -> Expr:
        """Where a state (batch, d, n) is."""
        return (self.i * self.d + self.c) * self.f.n + j

    def at(self, t: Expr) -> Expr:
        """A place of (batch, time, d)."""
        return (self.i * self.time + t) * self.d + self.c

    # ------------------------------------------------------------------------- a step
    def channel(self, name: str, t: Expr) -> Expr:
        i, s = self.strides[name]
        return self.read(self.args[name], self.i * i + t * s + self.c)

    def vector(self, name: str, t: Expr) -> Values:
        """B or C."""
        i, s = self.strides[name]
        row = self.i * i + t * s
        return self.states(lambda j: self.args[name][row + j].cast(self.real))

    def raw(self, t: Expr) -> Expr:
        """The step size before softplus."""
        dt = self.channel("dt", t)
        return dt + self.dt_bias if self.f.dt_bias else dt  # type: ignore[attr-defined]

    def step(self, t: Expr) -> tuple[Expr, Expr]:
        """The step size, and the input."""
        raw = self.raw(t)
        return softplus(raw) if self.f.softplus else raw, self.channel("u", t)

    def skip(self, y: Expr, u: Expr) -> Expr:
        return y + u * self.D if self.f.D else y  # type: ignore[attr-defined]


@lru_cache
def scan(f: Form) -> LoopProgram:
    """y (batch, time, d), the last states, and those before every chunk."""
    b = Builder("selective_scan")
    s = _Scan(b, f)
    h0 = b.input("h0", f.dtype) if f.h0 else None
    y, last = b.output("y", f.dtype), b.output("last", f.dtype)
    ends = b.output("ends", f.dtype)
    s.axes()
    zeros = s.states(lambda j: b.const(0, s.real))
    first = zeros if h0 is None else s.read_states(h0, s.state)
    b.serial(s.time)
    with b.scan(listed(first), s.real, width=s.widths) as run:
        t, (h, _) = run.step, s.split(run.states)
        s.write_states(ends, s.end(t // CHUNK), h, (t % CHUNK).eq(0))
        dt, u = s.step(t)
        h = h * (s.A * dt).exp() + s.vector("B", t) * (dt * u)
        out = s.skip(total(h * s.vector("C", t)), u)
        if f.z:
            z = s.channel("z", t)
            out = out * (z * sigmoid(z))
        s.write(y, s.at(t), out)
        run.next(*listed(h))
    s.write_states(last, s.state, s.split(run.states)[0])
    return b.build()


class _Kept:
    """What the way back through a chunk reads of the way there.

    On GPUs the states, and the rest is computed again; on CPUs the rest too.
    """

    def __init__(self, s: _Scan) -> None:
        self.s, self.all = s, s.f.lanes > 1
        self.h = self._scratches("h")
        self.decay = self._scratches("decay") if self.all else []
        small = ("step", "slope") if self.all else ()
        self.small = [s.b.scratch(k, s.real, s.f.lanes) for k in small]

    def _scratches(self, name: str) -> list[Scratch]:
        s = self.s
        return [s.b.scratch(f"{name}{k}", s.real, w) for k, w in enumerate(s.widths)]

    def put(self, t: Expr, h: Values, decay: Values, dt: Expr) -> None:
        values, places = [*listed(h * decay if self.all else h)], [*self.h]
        if self.all:
            slope = sigmoid(self.s.raw(t)) if self.s.f.softplus else dt
            values += [*listed(decay), dt, slope]
            places += [*self.decay, *self.small]
        for place, value in zip(places, values, strict=True):
            self.s.b.put(place, value)

    def get(self, t: Expr) -> tuple[Expr, Expr, Values, Values]:
        """The step size, the input, the decay, and the state before times it."""
        s, b = self.s, self.s.b
        h = s.split(tuple([b.get(place) for place in self.h]))[0]
        if not self.all:
            dt, u = s.step(t)
            decay = (s.A * dt).exp()
            return dt, u, decay, h * decay
        decay = Many([b.get(place) for place in self.decay])
        return b.get(self.small[0]), s.channel("u", t), decay, h

    def slope(self, t: Expr) -> Expr:
        """Of softplus."""
        if self.all:
            return self.s.b.get(self.small[1])
        return sigmoid(self.s.raw(t))


@lru_cache
def scan_backward(f: Form) -> LoopProgram:
    """du, ddt, dz (batch, time, d); sums over time for each batch; over groups of d."""
    b = Builder("selective_scan_backward")
    s, real = _Scan(b, f), wide(f.dtype)
    ends, dy, dlast = (b.input(k, f.dtype) for k in ("ends", "dy", "dlast"))
    s.strides["dy"] = b.size("dy_b"), b.size("dy_t")
    s.args["dy"] = dy
    du, ddt = b.output("du", f.dtype), b.output("ddt", f.dtype)
    dz = b.output("dz", f.dtype) if f.z else None
    dA, dB, dC = (b.output(k, real) for k in ("dA", "dB", "dC"))
    sums = [b.output(k, real) for k in ("dD", "dbias")[not f.D : 1 + f.dt_bias]]
    dh0 = b.output("dh0", f.dtype) if f.h0 else None
    s.axes()
    if f.lanes == 1:
        b.groups(GROUP)
    b.serial(s.time, block=CHUNK, reverse=True)
    kept = _Kept(s)
    end = listed(s.read_states(dlast, s.state))

    def over_channels(t: Expr, *pairs: tuple[Ref, Values]) -> None:
        """Store sums over the group's channels: (group, batch, time, n)."""
        group = s.point // GROUP if f.lanes == 1 else s.point
        row = ((group * s.batch + s.i) * s.time + t) * f.n
        if f.lanes == 1:
            head = (s.point % GROUP).eq(0)
            for out, x in pairs:
                out.store(row + b.lane(f.n), x.sum_group(), head)
            return
        # all sums in one loop over the lanes, then all stores
        sums = [(out, j, e.sum_lanes()) for out, x in pairs for j, e in enumerate(x)]
        for out, j, e in sums:
            out[row + j] = e

    starts = [
        lambda j=j: s.read(ends, s.end(b.block_index())(j))
        for j in listed(s.states(lambda j: j))
    ]
    with b.scan(starts, real, width=s.widths, restart=True) as run:
        t, (h, _) = run.step, s.split(run.states)
        dt, u = s.step(t)
        decay = (s.A * dt).exp()
        kept.put(t, h, decay, dt)
        run.next(*listed(h * decay + s.vector("B", t) * (dt * u)))
    inits: list[Any] = [*end, *[0] * len(end), *[0] * len(sums)]
    widths = [*s.widths, *s.widths, *[f.lanes] * len(sums)]
    with b.scan(inits, real, width=widths, reverse=True) as run:
        t = run.step
        dt, u, decay, before = kept.get(t)
        B, C = s.vector("B", t), s.vector("C", t)
        h = before + B * (dt * u)
        g = s.channel("dy", t)
        if dz is not None:
            z = s.channel("z", t)
            gate = sigmoid(z)
            out = s.skip(total(h * C), u)
            s.write(dz, s.at(t), g * out * (gate * (1.0 + z * (1.0 - gate))))
            g = g * (z * gate)
        dh, rest = s.split(run.states)
        dA_sum, others = s.split(rest)
        dh = dh + C * g
        inner = total(dh * B)
        slope = dh * before
        dt_grad = inner * u + total(slope * s.A)
        if f.softplus:
            dt_grad = dt_grad * kept.slope(t)
        s.write(du, s.at(t), s.skip(inner * dt, g))
        s.write(ddt, s.at(t), dt_grad)
        more = [*([g * u] if f.D else []), *([dt_grad] if f.dt_bias else [])]
        added = [a + m for a, m in zip(others, more, strict=True)]
        run.next(*listed(dh * decay), *listed(dA_sum + slope * dt), *added)
        over_channels(t, (dC, h * g), (dB, dh * (dt * u)))
    dh, rest = s.split(run.states)
    dA_sum, others = s.split(rest)
    s.write_states(dA, s.state, dA_sum)
    if dh0 is not None:
        s.write_states(dh0, s.state, dh)
    for place, e in zip(sums, others, strict=True):
        s.write(place, s.i * s.d + s.c, e)
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
    n, t, d = u.shape
    sizes: dict[str, int] = {}
    lanes = LANES if vectors(dev) else 1
    said = {k: bool(v) for k, v in flags.items()}
    f = Form(u.dtype.name, A.shape[1], **said, lanes=lanes, even=d % lanes == 0)
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
    sizes |= {"batch": n, "time": t, "d": d}
    sizes |= {"points": -(-d // lanes), "chunks": -(-t // CHUNK)}
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
    groups = sizes["points"] if f.lanes > 1 else -(-d // GROUP)
    for k in ("du", "ddt", "dz"):
        bufs[k] = empty(dev, (n, t, d), dtype)
    for k in ("dB", "dC"):
        bufs[k] = empty(dev, (groups, n * t * f.n), real)
    bufs["dA"] = empty(dev, (n, d * f.n), real)
    bufs["dD"], bufs["dbias"] = (empty(dev, (n, d), real) for _ in range(2))
    bufs["dh0"] = empty(dev, (n, d, f.n), dtype)
    program = scan_backward(f)
    launch(dev, program, _inputs(program, bufs), **sizes)

    def whole(name: str, shape: tuple[int, ...]) -> Buffer:
        part = bufs[name]
        if part.shape[0] > 1 or real != f.dtype:
            part = add_up(dev, part, f.dtype)
        out = part.reshape(shape)
        assert out is not None
        return out

    grads = [bufs["du"], bufs["ddt"], whole("dA", (d, f.n))]
    grads += [whole(k, (n, t, f.n)) for k in ("dB", "dC")]
    if f.D:
        grads.append(whole("dD", (d,)))
    if f.z:
        grads.append(bufs["dz"])
    if f.dt_bias:
        grads.append(whole("dbias", (d,)))
    if f.h0:
        grads.append(bufs["dh0"])
    return tuple(grads)
