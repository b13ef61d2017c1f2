"""``Graph.cost()``: FLOPs and bytes by node, for choice of device and scheduling.

A multiply-add is 2 FLOPs. Transcendental functions count 10, a random word 40, an FFT of
length n takes 5 n log2 n, a sort n log2 n. Bytes are what an op must read and write at
least: its operands and results once, but for a gather or scatter what it touches, and for
a view nothing. A composite counts the FLOPs of its body, and the bytes of a kernel that
does it at once.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import log2, prod
from typing import Any

from ._aval import Aval

_HEAVY = 10.0  # FLOPs of a transcendental function
_RANDOM = 40.0  # of 32 random bits
_TRANSCENDENTAL = frozenset(
    "pow atan2 exp log expm1 log1p sin cos tanh erf rsqrt sqrt".split()
)
_VIEWS = frozenset("identity stop_gradient reshape permute broadcast slice".split())
_KINDS = {
    "REDUCE": "reduce",
    "SCAN": "scan",
    "INDEX": "index",
    "SORT": "sort",
    "RANDOM": "random",
    "FFT": "fft",
    "CREATE": "copy",
    "MOVEMENT": "copy",
    "TRANSFER": "transfer",
    "HOST": "host",
}


@dataclass(frozen=True, slots=True)
class NodeCost:
    """What one equation costs.

    Attributes
    ----------
    op : str
    kind : str
        Which rate of a ``DeviceProfile`` bounds it: "contract", "conv", "elementwise",
        "transcendental", "reduce", "scan", "sort", "fft", "index", "copy", "random",
        "host", "transfer", "view", "kernel", "loop" (an iteration, without its ops).
    dtype : str
        That of products: "bfloat16" where they round to it.
    flops, bytes : float
    work : float
        What the rate of its kind counts: FLOPs, but elements where nothing is computed.
    count : float
        How often it runs: more than once in the body of a loop.
    parts : float
        Independent matrices of a product.
    """

    op: str
    kind: str
    dtype: str
    flops: float
    bytes: float
    work: float
    count: float = 1.0
    parts: float = 1.0


@dataclass(frozen=True)
class Cost:
    """FLOPs and bytes of a graph by node; ``str`` is a table by op.

    Attributes
    ----------
    nodes : tuple of NodeCost
        One per equation, but those of loops and of composites without a kernel.
    moved : int
        Bytes of the inputs and outputs.
    """

    nodes: tuple[NodeCost, ...]
    moved: int = 0

    @cached_property
    def flops(self) -> float:
        return sum(n.flops * n.count for n in self.nodes)

    @cached_property
    def bytes(self) -> float:
        return sum(n.bytes * n.count for n in self.nodes)

    def by_op(self) -> dict[str, tuple[float, float, float]]:
        """``op -> (calls, FLOPs, bytes)``, the most FLOPs first."""
        out: dict[str, tuple[float, float, float]] = {}
        for n in self.nodes:
            c, f, b = out.get(n.op, (0.0, 0.0, 0.0))
            out[n.op] = c + n.count, f + n.flops * n.count, b + n.bytes * n.count
        return dict(sorted(out.items(), key=lambda kv: (-kv[1][1], -kv[1][2])))

    def __str__(self) -> str:
        lines = [f"{'op':24} {'calls':>8} {'MFLOP':>12} {'MiB':>10}"]
        rows = [*self.by_op().items()]
        calls = sum(n.count for n in self.nodes)
        rows.append(("total", (calls, self.flops, self.bytes)))
        for op, (count, flops, size) in rows:
            lines.append(
                f"{op:24} {count:8.0f} {flops / 1e6:12.3f} {size / 2**20:10.3f}"
            )
        return "\n".join(lines)


def cost_of(graph: Any, kernels: Container[str] | None = None) -> Cost:
    """FLOPs and bytes of a graph.

    Parameters
    ----------
    graph : Graph
    kernels : container of str, optional
        The composites that one kernel does at once; the others count as the ops of
        their bodies. Default all.

    Returns
    -------
    Cost
    """
    ends = [graph.avals[v] for v in (*graph.inputs, *graph.outputs)]
    nodes = tuple(_nodes(graph, kernels))
    return Cost(nodes, sum(a.nbytes for a in ends))


def _nodes(
    graph: Any, kernels: Container[str] | None, count: float = 1.0
) -> Iterator[NodeCost]:
    for e in graph.equations:
        ins = [graph.avals[v] for v in e.inputs]
        outs = [graph.avals[v] for v in e.outputs]
        if e.op.category == "COMPOSITE":
            body = _body(e, ins)
            if kernels is None or e.op.name in kernels:
                yield _composite(e, ins, outs, body, count)
            else:
                yield from _nodes(body, kernels, count)
        elif e.op.category == "CONTROL":
            yield from _control(e, kernels, count)
        else:
            yield _primitive(e.op, ins, outs, e.attrs, count)


def _body(e: Any, ins: list[Aval]) -> Any:
    from ._device import Device

    return e.op.body(tuple(ins), e.attrs, Device("numpy")).graph


def _composite(
    e: Any, ins: list[Aval], outs: list[Aval], body: Any, count: float
) -> NodeCost:
    """A kernel that does the body at once: what it keeps inside costs no bytes."""
    inner = list(_nodes(body, None))
    flops = sum(n.flops * n.count for n in inner)
    size = float(sum(a.nbytes for a in (*ins, *outs)))
    products = [n for n in inner if n.kind in ("contract", "conv")]
    main = max(products, key=lambda n: n.flops * n.count, default=None)
    if main is not None and 2.0 * sum(n.flops * n.count for n in products) > flops:
        return NodeCost(e.op.name, main.kind, main.dtype, flops, size, flops, count)
    if flops == 0.0:  # as in an embedding, which only reads
        size = min(
            size, 2.0 * sum(a.nbytes for a in outs) + sum(n.bytes for n in inner)
        )
    return NodeCost(e.op.name, "kernel", _dtype(outs), flops, size, flops, count)


def _control(e: Any, kernels: Any, count: float) -> Iterator[NodeCost]:
    """The body of a loop as often as it runs: once where that depends on values."""
    if e.op.name == "scan":
        count *= e.attrs["length"]
        yield _iteration(e.op.name, count)
        yield from _nodes(e.attrs["body"], kernels, count)
    elif e.op.name == "while_loop":
        yield _iteration(e.op.name, count)
        yield from _nodes(e.attrs["cond"], kernels, count)
        yield from _nodes(e.attrs["body"], kernels, count)
    elif e.op.name == "cond":
        branches = [list(_nodes(e.attrs[k], kernels, count)) for k in ("true", "false")]
        yield from max(branches, key=lambda ns: sum(n.flops + n.bytes for n in ns))


def _iteration(name: str, count: float) -> NodeCost:
    return NodeCost(name, "loop", "float32", 0.0, 0.0, 1.0, count)


def _primitive(
    op: Any, ins: list[Aval], outs: list[Aval], attrs: dict[str, Any], count: float
) -> NodeCost:
    name = op.name
    size = float(sum(a.nbytes for a in (*ins, *outs)))
    dtype = _dtype(outs)
    if name in _VIEWS:
        return NodeCost(name, "view", dtype, 0.0, 0.0, 0.0, count)
    flops = _flops(name, op.category, [a.shape for a in ins], outs, attrs)
    work = flops or float(sum(a.size for a in outs))
    parts = 1.0
    if name == "dot_general":
        kind = "contract"
        parts = float(prod(ins[0].shape[i] for i in attrs["dims"][1][0]))
        if attrs["compute"] == "bfloat16" and dtype == "float32":
            dtype = "bfloat16"
    elif name == "conv":
        kind = "conv"
    elif op.category == "ELEMENTWISE":
        kind = "transcendental" if name in _TRANSCENDENTAL else "elementwise"
    else:
        kind = _KINDS[op.category]
    if name == "gather":
        size = 2.0 * outs[0].nbytes + ins[1].nbytes
    elif name == "scatter":
        size = 3.0 * ins[2].nbytes + ins[1].nbytes + 2.0 * outs[0].nbytes
        work = float(ins[2].size)
    elif kind == "random":
        size = float(outs[0].nbytes)
    return NodeCost(name, kind, dtype, flops, size, work, count, parts)


def _dtype(outs: Sequence[Aval]) -> str:
    return outs[0].dtype.name if outs else "float32"


def work_of(
    name: str, shapes: Sequence[tuple[int, ...]], attrs: dict[str, Any]
) -> float:
    """What the rate of a float32 primitive counts, for operands of these shapes."""
    from . import _dtypes as dt
    from ._primitive import PRIMITIVES

    op = PRIMITIVES[name]
    kinds = {"gather": (dt.float32, dt.int32), "random_bits": (dt.uint32,)}
    kinds |= {"fft": (dt.complex64,)}
    own = kinds.get(name, (dt.float32,) * len(shapes))
    ins = [Aval(s, d) for s, d in zip(shapes, own, strict=True)]
    return _primitive(op, ins, list(op.infer(*ins, **attrs)), attrs, 1.0).work


def _flops(
    name: str,
    category: str,
    shapes: Sequence[tuple[int, ...]],
    outs: Sequence[Aval],
    attrs: dict[str, Any],
) -> float:
    n_out = float(sum(a.size for a in outs))
    if name == "dot_general":
        return 2.0 * n_out * prod(shapes[0][i] for i in attrs["dims"][0][0])
    if name == "conv":  # (batch, channel, *spatial), (out, in of a group, *spatial)
        return 2.0 * n_out * prod(shapes[1][1:])
    if category == "ELEMENTWISE":
        cheap = name in ("cast", "bitcast", "real", "imag", "complex")
        each = _HEAVY if name in _TRANSCENDENTAL else 0.0 if cheap else 1.0
        return each * n_out
    n_in = float(prod(shapes[0])) if shapes else 0.0
    if name == "reduce_window":
        return n_out * prod(attrs["window"])
    if category == "REDUCE":
        return n_in
    if category == "SCAN":
        return n_in * (2.0 if name == "linear_scan" else 1.0)
    if category == "SORT":
        return n_in * max(log2(max(shapes[0][attrs["axis"]], 1)), 1.0)
    if category == "FFT":
        each = 5.0 if attrs["kind"] in ("fft", "ifft") else 2.5  # per complex number
        return each * max(n_in, n_out) * log2(max(prod(attrs["sizes"]), 2))
    if category == "RANDOM":
        return _RANDOM * n_out * attrs["bits"] / 32
    if category == "HOST":  # elimination; a decomposition by its leading term alone
        side = shapes[0][-1] if shapes[0] else 1
        return 2.0 * max(n_in, n_out) * side
    return 0.0
