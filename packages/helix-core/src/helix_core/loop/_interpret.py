"""``interpret``: what a loop program means, by NumPy, slowly.

All points of the grid go side by side; stages, blocks and steps go one after another.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from .._dtypes import as_dtype
from ._program import INDEX, LoopError, LoopProgram, Stage, Value

_erf = np.vectorize(math.erf, otypes=[np.float64])


def interpret(
    p: LoopProgram,
    memory: Mapping[str, np.ndarray],
    sizes: Mapping[str, int],
    offsets: Mapping[str, int] | None = None,
) -> None:
    """Run a program on the host; arguments that it writes are changed.

    Parameters
    ----------
    memory : mapping of str to ndarray
        One-dimensional, of each argument's dtype.
    sizes : mapping of str to int
    offsets : mapping of str to int, optional
        The element of the memory that index 0 means; default 0.

    Raises
    ------
    LoopError
        If an index leaves the memory, or an argument has another dtype.
    """
    for a in p.args:
        if memory[a.name].dtype != dtype_of(a.dtype) or memory[a.name].ndim != 1:
            raise LoopError(
                f"[{p.name}] expected {a.name}: {a.dtype}, flat; got "
                f"{memory[a.name].dtype} of shape {memory[a.name].shape}"
            )
    if any(sizes[g] == 0 for g in p.grid):
        return
    with np.errstate(all="ignore"):
        _Run(p, memory, sizes, offsets or {}).run()


def dtype_of(name: str) -> np.dtype[Any]:
    return np.dtype(np.int64) if name == INDEX else as_dtype(name).dtype


class _Run:
    def __init__(
        self,
        p: LoopProgram,
        memory: Mapping[str, np.ndarray],
        sizes: Mapping[str, int],
        offsets: Mapping[str, int],
    ) -> None:
        self.p, self.memory, self.sizes, self.offsets = p, memory, sizes, offsets
        self.grid = tuple([sizes[g] for g in p.grid])
        self.env: dict[int, np.ndarray] = {}
        self.state: dict[int, np.ndarray] = {}
        self.sides: dict[Any, np.ndarray] = {}
        self.scratch: dict[Any, np.ndarray] = {}
        self.step = self.block = 0

    def run(self) -> None:
        p = self.p
        self.values(p.prologue)
        length = self.sizes[p.serial] if p.serial is not None else 0
        size = p.block or max(length, 1)
        blocks = range(max(-(-length // size), 1))
        for k in reversed(blocks) if p.reverse else blocks:
            self.block, self.scratch = k, {}
            for s in p.stages:
                self.stage(s, range(k * size, min(length, (k + 1) * size)))
        self.values(p.epilogue)

    def stage(self, s: Stage, steps: range) -> None:
        p = self.p
        self.values(s.head)
        for j in s.states:
            if s.restart or j not in self.state:
                state = p.states[j]
                init = self.env[state.init]
                shape = (*self.grid, state.width)
                self.state[j] = np.broadcast_to(init, shape).copy()
        for self.step in reversed(steps) if s.reverse else steps:
            self.values(s.body)
            given = [self.env[i] for i in s.updates]
            if s.kind == "reduce":
                for j, e in zip(s.states, given, strict=True):
                    self.sides["left", j], self.sides["right", j] = self.state[j], e
                self.values(s.combine)
                given = [self.env[i] for i in s.combined]
            for j, e in zip(s.states, given, strict=True):
                self.state[j] = np.broadcast_to(e, self.state[j].shape)

    def values(self, ids: tuple[int, ...]) -> None:
        for i in ids:
            v = self.p.values[i]
            out = self.value(v, [self.env[a] for a in v.args])
            if out is not None:
                self.env[i] = np.asarray(out).astype(dtype_of(v.dtype), copy=False)

    def value(self, v: Value, args: list[np.ndarray]) -> Any:
        rule = SCALARS.get(v.op)
        if rule is not None:
            return rule(*args)
        if v.op in ("cast", "bitcast"):
            to = dtype_of(v.dtype)
            return args[0].view(to) if v.op == "bitcast" else _cast(args[0], to)
        return getattr(self, f"do_{v.op}")(v, *args)

    def do_const(self, v: Value) -> Any:
        return np.full((1,) * (len(self.grid) + 1), v.attr, dtype_of(v.dtype))

    def do_size(self, v: Value) -> Any:
        return np.full((1,) * (len(self.grid) + 1), self.sizes[v.attr])

    def do_axis(self, v: Value) -> Any:
        shape = [1] * (len(self.grid) + 1)
        shape[v.attr] = self.grid[v.attr]
        return np.arange(self.grid[v.attr]).reshape(shape)

    def do_step(self, v: Value) -> Any:
        return np.full((1,) * (len(self.grid) + 1), self.step)

    def do_block(self, v: Value) -> Any:
        return np.full((1,) * (len(self.grid) + 1), self.block)

    def do_lane(self, v: Value) -> Any:
        return np.arange(v.width).reshape((1,) * len(self.grid) + (v.width,))

    def do_state(self, v: Value) -> Any:
        return self.state[v.attr]

    def do_left(self, v: Value) -> Any:
        return self.sides["left", v.attr]

    def do_right(self, v: Value) -> Any:
        return self.sides["right", v.attr]

    def do_get(self, v: Value) -> Any:
        return self.scratch[v.attr, self.step]

    def do_put(self, v: Value, x: np.ndarray) -> None:
        self.scratch[v.attr, self.step] = x

    def do_sum_lanes(self, v: Value, x: np.ndarray) -> Any:
        wide = self.p.values[v.args[0]].width
        x = np.broadcast_to(x, (*x.shape[:-1], wide))
        return x.sum(-1, keepdims=True, dtype=x.dtype)

    def do_sum_group(self, v: Value, x: np.ndarray) -> Any:
        x = np.broadcast_to(x, (*self.grid, x.shape[-1]))
        n, g = self.grid[-1], self.p.group
        edges = np.arange(0, n, g)
        sums = np.add.reduceat(x, edges, axis=-2, dtype=x.dtype)
        return np.repeat(sums, g, axis=-2)[..., :n, :]

    def do_load(
        self, v: Value, index: np.ndarray, gate: Any = True, other: Any = 0
    ) -> Any:
        at = self.place(v.attr, index, gate)
        return np.where(gate, self.memory[v.attr][at], other)

    def do_store(
        self, v: Value, index: np.ndarray, x: np.ndarray, gate: Any = True
    ) -> None:
        name, mode = v.attr
        wide = max(self.p.values[a].width for a in v.args)
        shape = (*self.grid, wide)
        at = np.broadcast_to(self.place(name, index, gate), shape)
        keep = np.broadcast_to(gate, shape)
        at, x = at[keep], np.broadcast_to(x, shape)[keep]
        if mode == "add":
            np.add.at(self.memory[name], at, x)
        else:
            self.memory[name][at] = x

    def place(self, name: str, index: np.ndarray, gate: Any) -> Any:
        at = np.where(gate, index + self.offsets.get(name, 0), 0)
        n = self.memory[name].size
        if at.size and (at.min() < 0 or at.max() >= n) and np.any(gate):
            raise LoopError(
                f"[{self.p.name}] expected indices of {name} below {n}; got "
                f"{at.min()} to {at.max()}"
            )
        return at if n else np.zeros_like(at)


def _cast(x: np.ndarray, to: np.dtype[Any]) -> np.ndarray:
    if to == np.bool_:
        return np.asarray(x != 0)
    return x.astype(to)


def _truncated(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    if x.dtype.kind not in "iu":
        return np.asarray(x / y)
    safe = np.where(y == 0, 1, y)
    q = x // safe
    return np.asarray(q + ((x % safe != 0) & ((x < 0) != (y < 0))).astype(q.dtype))


def _remainder(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.asarray(x - _truncated(x, y) * y)


def _mulhi(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.asarray((x.astype(np.uint64) * y.astype(np.uint64)) >> np.uint64(32))


SCALARS: dict[str, Any] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": _truncated,
    "rem": _remainder,
    "min": np.minimum,
    "max": np.maximum,
    "abs": np.abs,
    "floor": np.floor,
    "round": np.rint,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "erf": lambda x: _erf(x.astype(np.float64)),
    "pow": np.power,
    "mulhi": _mulhi,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "not": np.invert,
    "shl": np.left_shift,
    "shr": np.right_shift,
    "eq": np.equal,
    "lt": np.less,
    "where": np.where,
}
