"""Attention that never holds its scores: an online softmax over the keys.

The backward pass computes scores again, once for each query (its own gradient) and once
for each key (those of keys and values). Where queries see a part of the keys, programs
run over some queries and the keys that these see at a time.

Sources: Milakov, Gimelshein, arXiv:1805.02867; Dao, arXiv:2307.08691.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from helix_core.loop import Builder, LoopProgram

from helix_hal.loop.buffer import Buffer
from helix_hal.programs._attention_forms import INF, LANES, Form, Scores
from helix_hal.programs._kernels import Kernel, floats, serves, wide
from helix_hal.programs._many import dot, listed
from helix_hal.programs._run import (
    call,
    channels_last,
    dense,
    empty,
    flat,
    launch,
    vectors,
)

KERNELS: list[Kernel] = []
_FEATURES = 128
_PIECES, _LEAST = 8, 16  # parts of the queries, and how many are in each
_FEW = 8  # queries below which even CPUs have features as lanes


@lru_cache
def attention(f: Form) -> LoopProgram:
    """y (batch, tq, heads, dv) and lse (batch, heads, tq)."""
    b = Builder("attention")
    s = Scores(b, f, ("q", "k", "v"))
    y, lse = b.output("y", f.dtype), b.output("lse", f.dtype)
    s.axes(s.heads, s.tq)
    group = s.group(s.head)
    q = s.near(s.vector("q", s.row, s.head))
    b.serial(s.tk)
    features = len(listed(s.features(f.dv, lambda j: j)))
    width = f.dv if f.rows == 1 else f.rows
    inits = [*[0.0] * features, -INF, 0.0]
    with b.scan(
        inits, s.real, width=[*[width] * features, f.rows, f.rows], restart=False
    ) as run:
        *sums, top, total = run.states
        key = run.step
        used, seen = s.used(key), s.seen(s.row, key)
        k = s.near(s.vector("k", key, group, used))
        z = s.score(q, k, s.row, key, s.head, seen)
        new = top.max(z)
        base = new.eq(-INF).where(0.0, new)
        # one of the two exponentials is that of 0
        up, e = top < z, (top.min(z) - base).exp()
        fade, p = up.where(e, 1.0), up.where(1.0, e)
        v = listed(s.near(s.vector("v", key, group, used)))
        share = s.near(p)
        sums = [a * fade + share * e for a, e in zip(sums, v, strict=True)]
        run.next(*sums, new, total * fade + p)
    *sums, top, total = run.results
    none = total.eq(0)
    total = none.where(1.0, total)
    part = 1.0 / total
    s.write(y, s.row, s.head, s.heads, s.values([a * part for a in sums]))
    base = top.eq(-INF).where(0.0, top)
    found = none.where(INF, total.log() + base)
    lse.store(s.stat(s.row, s.head), found.cast(f.dtype), s.inside)
    return b.build()


@lru_cache
def attention_queries(f: Form) -> LoopProgram:
    """dq (batch, tq, heads, d), and dy y summed over features (batch, heads, tq).

    With slopes: each query's share of their gradients.
    """
    b = Builder("attention_queries")
    s = Scores(b, f, ("q", "k", "v", "y", "dy"))
    lse = b.input("lse", f.dtype)
    dq, mean = b.output("dq", f.dtype), b.output("mean", s.real)
    dslope = b.output("dslope", s.real) if f.slopes else None
    s.axes(s.heads, s.tq)
    group = s.group(s.head)
    q = s.near(s.vector("q", s.row, s.head))
    dy = s.vector("dy", s.row, s.head)
    at = s.stat(s.row, s.head)
    average = dot(dy, s.vector("y", s.row, s.head))
    mean.store(at, average, s.inside)
    dy, level = s.near(dy), lse[at].cast(s.real)
    b.serial(s.tk)
    features = len(listed(q))
    inits = [0.0] * (features + f.slopes)
    width = f.d if f.rows == 1 else f.rows
    with b.scan(
        inits, s.real, width=[*[width] * features, *[f.rows] * f.slopes]
    ) as run:
        key = run.step
        used, seen = s.used(key), s.seen(s.row, key)
        k = s.near(s.vector("k", key, group, used))
        z = s.score(q, k, s.row, key, s.head, seen)
        v = s.near(s.vector("v", key, group, used))
        dz = (z - level).exp() * (dot(dy, v) - average)
        if seen is not None:
            dz = seen.where(dz, 0.0)
        share = s.near(dz)
        sums = [
            a + share * e for a, e in zip(run.states[:features], listed(k), strict=True)
        ]
        if f.slopes:
            sums.append(run.states[-1] - dz * s.distance(s.row, key))
        run.next(*sums)
    results = run.results
    grads = s.values([a * f.scale for a in results[:features]])
    s.write(dq, s.row, s.head, s.heads, grads)
    if dslope is not None:
        dslope.store(at, results[-1], s.inside)
    return b.build()


@lru_cache
def attention_keys(f: Form) -> LoopProgram:
    """dk (batch, tk, groups, d) and dv (batch, tk, groups, dv)."""
    b = Builder("attention_keys")
    s = Scores(b, f, ("q", "k", "v", "dy"))
    lse, mean = b.input("lse", f.dtype), b.input("mean", s.real)
    dk, dv = b.output("dk", f.dtype), b.output("dv", f.dtype)
    groups = b.size("groups")
    s.axes(groups, s.tk)
    key = s.row
    k = s.near(s.vector("k", key, s.head))
    v = s.near(s.vector("v", key, s.head))
    b.serial(b.size("steps"))
    n, m = len(listed(k)), len(listed(v))
    widths = [f.d, f.dv] if f.rows == 1 else [f.rows] * (n + m)
    with b.scan([0.0] * (n + m), s.real, width=widths) as run:
        row, head = run.step, s.head
        if f.grouped:
            row = run.step // s.repeats
            head = s.head * s.repeats + run.step % s.repeats
        at = s.stat(row, head)
        level = lse[at].cast(s.real)
        live = ~level.eq(INF)  # rows that see no key leave no trace
        q = s.near(s.vector("q", row, head, live))
        dy = s.near(s.vector("dy", row, head, live))
        seen = s.seen(row, key)
        z = s.score(q, k, row, key, head, seen)
        p = (z - level).exp()
        dz = p * (dot(dy, v) - mean[at])
        if seen is not None:
            dz = seen.where(dz, 0.0)
        p, dz = s.near(p), s.near(dz)
        sums = [a + dz * e for a, e in zip(run.states[:n], listed(q), strict=True)]
        sums += [a + p * e for a, e in zip(run.states[n:], listed(dy), strict=True)]
        run.next(*sums)
    results = run.results
    s.write(dk, key, s.head, groups, s.values([a * f.scale for a in results[:n]]))
    s.write(dv, key, s.head, groups, s.values(list(results[n:])))
    return b.build()


# ------------------------------------------------------------------------- adapters
def _narrow(device: Any, q: Any, k: Any, v: Any, *rest: Any, **attrs: Any) -> Any:
    widest = max(q.shape[3], v.shape[3])
    if widest > _FEATURES:
        return f"expected heads of at most {_FEATURES} features; got {widest}"
    return floats(device, q, k, v)


def _differentiable(device: Any, *avals: Any, **attrs: Any) -> Any:
    if attrs["bias"]:
        return "expected no bias: its gradient is as large as all scores"
    return _narrow(device, *avals)


class _Call:
    """The arguments of one call as programs take them."""

    def __init__(self, dev: Any, args: tuple[Any, ...], attrs: dict[str, Any]) -> None:
        q, k, v, *rest = args
        it = iter(rest)
        self.dev, self.causal, self.window = dev, attrs["causal"], attrs["window"]
        (self.batch, self.tq, self.heads, d), (_, self.tk, self.groups, _) = (
            q.shape,
            k.shape,
        )
        self.dtype, self.real = q.dtype, wide(q.dtype.name)
        self.bufs = {
            n: channels_last(dev, x) for n, x in zip("qkv", args, strict=False)
        }
        if attrs["bias"]:
            shape = (self.batch, self.heads, self.tq, self.tk)
            self.bufs["bias"] = next(it).broadcast(shape)
        for name in ("slopes", "lengths"):
            if attrs[name]:
                self.bufs[name] = flat(dev, next(it))
        self.rest = list(it)
        half = attrs["compute"] == "bfloat16" and self.dtype.name == "float32"
        self.form = Form(
            dtype=self.dtype.name,
            d=d,
            dv=v.shape[3],
            scale=attrs["scale"],
            causal=self.causal,
            window=self.window is not None,
            bias=attrs["bias"],
            slopes=attrs["slopes"],
            lengths=attrs["lengths"],
            grouped=self.heads != self.groups,
            half=half,
            rows=1,
        )

    def lanes(self, rows: int) -> Form:
        many = vectors(self.dev) and rows >= _FEW
        return self.form._replace(rows=LANES if many else 1)

    def fresh(self, name: str, time: int, heads: int, features: int) -> None:
        shape = (self.batch, time, heads, features)
        self.bufs[name] = empty(self.dev, shape, self.dtype)

    def stat(self, name: str, dtype: Any) -> None:
        shape = (self.batch, self.heads, self.tq)
        self.bufs[name] = empty(self.dev, shape, dtype)

    def pieces(self, by_key: bool) -> Iterator[tuple[int, int, int, int]]:
        """Queries ``r0 <= row < r1`` and keys ``k0 <= key < k1`` that may meet."""
        n, m = (self.tk, self.tq) if by_key else (self.tq, self.tk)
        lead = self.tk - self.tq
        parts = 1
        if self.causal or self.window is not None:
            parts = max(1, min(_PIECES, n // _LEAST))
        each = -(-n // parts)
        each = -(-each // LANES) * LANES if parts > 1 else n
        back = self.window - 1 if self.window is not None else n + m
        ahead = 0 if self.causal else back
        for low in range(0, n, each):
            high = min(n, low + each)
            if by_key:
                other = low - lead - ahead, high - lead + back
            else:
                other = low + lead - back, high + lead + ahead
            start = max(0, min(other[0], m - 1))
            stop = min(m, max(other[1], start + 1))
            yield (start, stop, low, high) if by_key else (low, high, start, stop)

    def run(self, make: Any, by_key: bool) -> None:
        """A program over all pieces."""
        lead = self.tk - self.tq
        form = self.lanes(self.tk if by_key else self.tq)
        program = make(form)
        for r0, r1, k0, k1 in self.pieces(by_key):
            cut = {"t": (r0, r1), "k": (k0, k1)}
            bufs = [_part(a.name, self.bufs[a.name], cut) for a in program.args]
            sizes = {
                "batch": self.batch,
                "heads": self.heads,
                "groups": self.groups,
                "repeats": self.heads // self.groups,
                "tiles": -(-(k1 - k0 if by_key else r1 - r0) // form.rows),
                "tq": r1 - r0,
                "tk": k1 - k0,
                "steps": (r1 - r0) * (self.heads // self.groups),
                "offset": lead + r0 - k0,
                "near": lead - k0,
                "first": k0,
                "window": self.window or 0,
                "stat_b": self.heads * self.tq,
                "stat_h": self.tq,
            }
            for a, x in zip(program.args, bufs, strict=True):
                axes = "bhts" if a.name == "bias" else "bth"
                named = zip(axes, x.strides, strict=False)
                sizes |= {f"{a.name}_{axis}": n for axis, n in named}
            launch(self.dev, program, bufs, **sizes)


_BY_QUERY = {"q": 1, "y": 1, "dy": 1, "dq": 1, "lse": 2, "mean": 2, "dslope": 2}
_BY_KEY = {"k": 1, "v": 1, "dk": 1, "dv": 1}


def _part(name: str, x: Buffer, cut: dict[str, tuple[int, int]]) -> Buffer:
    """Those queries or keys of an argument."""
    start, stop = [0] * x.ndim, list(x.shape)
    where = {2: "t", 3: "k"} if name == "bias" else {}
    if name in _BY_QUERY:
        where = {_BY_QUERY[name]: "t"}
    if name in _BY_KEY:
        where = {_BY_KEY[name]: "k"}
    for axis, which in where.items():
        start[axis], stop[axis] = cut[which]
    return x.slice(tuple(start), tuple(stop), (1,) * x.ndim)


@serves(KERNELS, "attention.fwd", supports=_narrow)
def _fwd(dev: Any, *args: Any, **attrs: Any) -> tuple[Buffer, Buffer]:
    c = _Call(dev, args, attrs)
    c.fresh("y", c.tq, c.heads, c.form.dv)
    c.stat("lse", c.dtype)
    c.run(attention, False)
    return c.bufs["y"], c.bufs["lse"]


@serves(KERNELS, "attention", supports=_narrow)
def _plain(dev: Any, *args: Any, **attrs: Any) -> Any:
    return _fwd(dev, *args, **attrs)[0]


@serves(KERNELS, "attention.bwd", supports=_differentiable)
def _bwd(dev: Any, *args: Any, **attrs: Any) -> tuple[Buffer, ...]:
    c = _Call(dev, args, attrs)
    y, lse, dy = c.rest
    c.bufs |= {"y": channels_last(dev, y), "dy": channels_last(dev, dy)}
    c.bufs["lse"] = dense(dev, lse)
    c.fresh("dq", c.tq, c.heads, c.form.d)
    c.stat("mean", c.real)
    if c.form.slopes:
        c.stat("dslope", c.real)
    c.run(attention_queries, False)
    c.fresh("dk", c.tk, c.groups, c.form.d)
    c.fresh("dv", c.tk, c.groups, c.form.dv)
    c.run(attention_keys, True)
    grads = [c.bufs[k] for k in ("dq", "dk", "dv")]
    if c.form.slopes:
        total = call(dev, "reduce_sum", c.bufs["dslope"], axes=(0, 2))
        grads.append(call(dev, "cast", total, dtype=c.dtype))
    return tuple(grads)
