"""``check_bounds``: no index of a program leaves its memory, for given sizes.

Interval arithmetic over the values of the index expressions. Under a gate, the values
that the gate compares are narrowed. What is loaded may be anything of its dtype, so a
gathered index must be clamped or gated.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any

from ._program import INDEX, LoopError, LoopProgram, Value

Interval = tuple[float, float]
_ALL = (-inf, inf)
_WIDTHS = {"int8": 7, "int16": 15, "int32": 31, "int64": 63}


def check_bounds(
    p: LoopProgram,
    sizes: Mapping[str, int],
    extents: Mapping[str, tuple[int, int]],
) -> None:
    """Prove that loads and stores stay inside.

    Parameters
    ----------
    sizes : mapping of str to int
    extents : mapping of str to (int, int)
        Per argument the lowest index that exists and the one behind the highest.

    Raises
    ------
    LoopError
        That names the argument, what may be reached and what there is.
    """
    empty = any(sizes[g] == 0 for g in p.grid)
    if empty:
        return
    know = _Bounds(p, sizes)
    stepped = {i for s in p.stages for i in (*s.body,)}
    for i, v in enumerate(p.values):
        if v.op not in ("load", "store"):
            continue
        if i in stepped and p.serial is not None and sizes[p.serial] == 0:
            continue
        gate = None
        if len(v.args) == 3:
            gate = v.args[1] if v.op == "load" else v.args[2]
        found = know.under(v.args[0], gate)
        if found is None:  # the gate is never true
            continue
        name = v.attr if v.op == "load" else v.attr[0]
        low, high = extents[name]
        if found[0] < low or found[1] >= high:
            raise LoopError(
                f"[{p.name}] expected indices of {name} from {low} to {high - 1}; "
                f"%{v.args[0]} may reach {found[0]} to {found[1]} with sizes "
                f"{dict(sizes)}"
            )


class _Bounds:
    def __init__(self, p: LoopProgram, sizes: Mapping[str, int]) -> None:
        self.p, self.sizes = p, sizes
        self.plain: dict[int, Interval] = {}

    def under(self, i: int, gate: int | None) -> Interval | None:
        """The interval of a value where a gate is true; None if that is never."""
        if gate is None:
            return self.of(i, {}, self.plain)
        known: dict[int, Interval] = {}
        if not self.narrow(gate, known):
            return None
        return self.of(i, known, {})

    def narrow(self, gate: int, known: dict[int, Interval]) -> bool:
        """What a true gate says of the values it compares; False if it cannot be."""
        v = self.p.values[gate]
        if v.op == "and":
            return all([self.narrow(a, known) for a in v.args])
        if v.op == "or":  # of lt and eq of the same operands: at most
            a, b = (self.p.values[x] for x in v.args)
            if {a.op, b.op} == {"lt", "eq"}:
                lt, eq = (a, b) if a.op == "lt" else (b, a)
                if set(lt.args) == set(eq.args):
                    return self.order(lt, known, 0)
            return True
        if v.op == "not":
            lt = self.p.values[v.args[0]]
            if lt.op == "lt":  # y <= x
                turned = Value("lt", "bool", lt.args[::-1])
                return self.order(turned, known, 0)
            return True
        if v.op == "lt":
            return self.order(v, known, 1)
        return True

    def order(self, v: Value, known: dict[int, Interval], strict: int) -> bool:
        x, y = v.args
        if self.p.values[x].dtype not in (INDEX, *_WIDTHS):
            return True
        xl, xh = self.of(x, known, {})
        yl, yh = self.of(y, known, {})
        xh, yl = min(xh, yh - strict), max(yl, xl + strict)
        known[x], known[y] = (xl, xh), (yl, yh)
        return xl <= xh and yl <= yh

    def of(
        self, i: int, known: dict[int, Interval], memo: dict[int, Interval]
    ) -> Interval:
        if i in known:
            return known[i]
        if i not in memo:
            v = self.p.values[i]
            memo[i] = self.value(v, [self.of(a, known, memo) for a in self.inner(v)])
        return memo[i]

    def inner(self, v: Value) -> tuple[int, ...]:
        """The operands whose intervals matter."""
        if v.op == "where":
            return v.args[1:]
        numbers = v.op in _RULES or v.op == "cast"
        return v.args if numbers else ()

    def value(self, v: Value, args: list[Interval]) -> Interval:
        p, sizes = self.p, self.sizes
        if v.op == "const":
            return (float("-inf"), inf) if v.attr != v.attr else (v.attr, v.attr)
        if v.op == "size":
            return sizes[v.attr], sizes[v.attr]
        if v.op == "axis":
            return 0, sizes[p.grid[v.attr]] - 1
        if v.op == "step":
            return 0, max(sizes[str(p.serial)] - 1, 0)
        if v.op == "block":
            return 0, max(-(-sizes[str(p.serial)] // (p.block or 1)) - 1, 0)
        if v.op == "lane":
            return 0, v.width - 1
        if v.op == "where":
            return min(a[0] for a in args), max(a[1] for a in args)
        if v.op == "cast" and v.dtype in (INDEX, "int64", "int32"):
            source = p.values[v.args[0]].dtype
            return args[0] if source in (INDEX, *_WIDTHS) else _range(source)
        rule = _RULES.get(v.op)
        if rule is None or v.dtype == "bool":
            return _range(v.dtype)
        return rule(*args)


def _range(dtype: str) -> Interval:
    if dtype == "bool":
        return 0, 1
    bits = _WIDTHS.get(dtype)
    if bits is not None:
        return -(2**bits), 2**bits - 1
    unsigned = _WIDTHS.get(dtype[1:])
    return _ALL if unsigned is None else (0, 2 ** (unsigned + 1) - 1)


def _times(x: float, y: float) -> float:
    return 0 if 0 in (x, y) else x * y


def _corners(f: Any, a: Interval, b: Interval) -> Interval:
    found = [f(x, y) for x in a for y in b]
    return min(found), max(found)


def _div(a: Interval, b: Interval) -> Interval:
    if b[0] <= 0 <= b[1]:
        edge = max(abs(a[0]), abs(a[1]))
        return -edge, edge
    return _corners(lambda x, y: x if abs(x) == inf else int(x / y), a, b)


def _rem(a: Interval, b: Interval) -> Interval:
    edge = max(abs(b[0]), abs(b[1])) - 1
    low = 0 if a[0] >= 0 else -min(edge, -a[0])
    return low, max(0, min(edge, a[1]))


def _shr(a: Interval, b: Interval) -> Interval:
    if b[0] != b[1] or abs(a[0]) == inf or abs(a[1]) == inf:
        return min(a[0], 0), max(a[1], 0)
    return int(a[0]) >> int(b[0]), int(a[1]) >> int(b[0])


_RULES: dict[str, Any] = {
    "add": lambda a, b: (a[0] + b[0], a[1] + b[1]),
    "sub": lambda a, b: (a[0] - b[1], a[1] - b[0]),
    "mul": lambda a, b: _corners(_times, a, b),
    "div": _div,
    "rem": _rem,
    "min": lambda a, b: (min(a[0], b[0]), min(a[1], b[1])),
    "max": lambda a, b: (max(a[0], b[0]), max(a[1], b[1])),
    "shr": _shr,
    "and": lambda a, b: (0, min(a[1], b[1])) if min(a[0], b[0]) >= 0 else _ALL,
}
