"""What a `Builder` hands out: values with operators, memory, and the steps of a stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._program import INDEX, SCALAR_OPS, Argument, LoopError

if TYPE_CHECKING:
    from ._build import Builder


class Expr:
    """A value; operators and methods make others. Numbers take its dtype."""

    __slots__ = ("builder", "dtype", "id", "width")

    def __init__(self, builder: Builder, id: int, dtype: str, width: int) -> None:
        self.builder, self.id, self.dtype, self.width = builder, id, dtype, width

    def __repr__(self) -> str:
        return f"%{self.id}: {self.dtype} x {self.width}"

    def _coerce(self, x: Any) -> Expr:
        return x if isinstance(x, Expr) else self.builder.const(x, self.dtype)

    def _with(self, op: str, *others: Any, dtype: str | None = None) -> Expr:
        args = (self, *[self._coerce(x) for x in others])
        if len(args) != SCALAR_OPS[op] or len({a.dtype for a in args}) != 1:
            raise LoopError(f"[{op}] expected operands of one dtype; got {args}")
        return self.builder.value(op, dtype or self.dtype, args)

    def __add__(self, y: Any) -> Expr:
        return self._with("add", y)

    def __radd__(self, y: Any) -> Expr:
        return self._coerce(y)._with("add", self)

    def __sub__(self, y: Any) -> Expr:
        return self._with("sub", y)

    def __rsub__(self, y: Any) -> Expr:
        return self._coerce(y)._with("sub", self)

    def __mul__(self, y: Any) -> Expr:
        return self._with("mul", y)

    def __rmul__(self, y: Any) -> Expr:
        return self._coerce(y)._with("mul", self)

    def __truediv__(self, y: Any) -> Expr:
        return self._with("div", y)

    def __rtruediv__(self, y: Any) -> Expr:
        return self._coerce(y)._with("div", self)

    def __floordiv__(self, y: Any) -> Expr:
        """Truncates: of operands >= 0."""
        return self._with("div", y)

    def __mod__(self, y: Any) -> Expr:
        """Of operands >= 0."""
        return self._with("rem", y)

    def __neg__(self) -> Expr:
        return self._with("mul", -1)

    def __and__(self, y: Any) -> Expr:
        return self._with("and", y)

    def __or__(self, y: Any) -> Expr:
        return self._with("or", y)

    def __xor__(self, y: Any) -> Expr:
        return self._with("xor", y)

    def __invert__(self) -> Expr:
        return self._with("not")

    def __lshift__(self, y: Any) -> Expr:
        return self._with("shl", y)

    def __rshift__(self, y: Any) -> Expr:
        return self._with("shr", y)

    def __lt__(self, y: Any) -> Expr:
        return self._with("lt", y, dtype="bool")

    def __gt__(self, y: Any) -> Expr:
        return self._coerce(y)._with("lt", self, dtype="bool")

    def __le__(self, y: Any) -> Expr:
        return (self < y) | self.eq(y)

    def __ge__(self, y: Any) -> Expr:
        return (self > y) | self.eq(y)

    def eq(self, y: Any) -> Expr:
        return self._with("eq", y, dtype="bool")

    def where(self, x: Any, y: Any) -> Expr:
        """``x`` where this is true, else ``y``: at least one is a value."""
        like = x if isinstance(x, Expr) else y
        x, y = like._coerce(x), like._coerce(y)
        if self.dtype != "bool" or x.dtype != y.dtype:
            raise LoopError(f"[where] expected bool and one dtype; got {self, x, y}")
        return self.builder.value("where", x.dtype, (self, x, y))

    def cast(self, dtype: str) -> Expr:
        if dtype == self.dtype:
            return self
        return self.builder.value("cast", dtype, (self,))

    def bitcast(self, dtype: str) -> Expr:
        if dtype == self.dtype:
            return self
        return self.builder.value("bitcast", dtype, (self,))

    def max(self, y: Any) -> Expr:
        return self._with("max", y)

    def min(self, y: Any) -> Expr:
        return self._with("min", y)

    def pow(self, y: Any) -> Expr:
        return self._with("pow", y)

    def mulhi(self, y: Any) -> Expr:
        return self._with("mulhi", y)

    def clamp(self, low: Any, high: Any) -> Expr:
        return self.max(low).min(high)

    def abs(self) -> Expr:
        return self._with("abs")

    def floor(self) -> Expr:
        return self._with("floor")

    def round(self) -> Expr:
        return self._with("round")

    def exp(self) -> Expr:
        return self._with("exp")

    def log(self) -> Expr:
        return self._with("log")

    def sqrt(self) -> Expr:
        return self._with("sqrt")

    def sin(self) -> Expr:
        return self._with("sin")

    def cos(self) -> Expr:
        return self._with("cos")

    def tanh(self) -> Expr:
        return self._with("tanh")

    def erf(self) -> Expr:
        return self._with("erf")

    def sum_lanes(self) -> Expr:
        """The sum over the lanes, of width 1."""
        if self.width == 1:
            return self
        return self.builder.value("sum_lanes", self.dtype, (self,), width=1)

    def sum_group(self) -> Expr:
        """The sum over the points of the group."""
        return self.builder.value("sum_group", self.dtype, (self,))


class Ref:
    """Memory of an argument: ``x[index]`` loads, ``y[index] = value`` stores."""

    __slots__ = ("arg", "builder")

    def __init__(self, builder: Builder, arg: Argument) -> None:
        self.builder, self.arg = builder, arg

    def _index(self, i: Any) -> Expr:
        e = i if isinstance(i, Expr) else self.builder.const(i, INDEX)
        return e.cast(INDEX)

    def __getitem__(self, index: Any) -> Expr:
        i = self._index(index)
        return self.builder.value("load", self.arg.dtype, (i,), self.arg.name)

    def load(self, index: Any, gate: Expr, other: Any = 0) -> Expr:
        """The element where ``gate`` is true, else ``other``: nothing is read then."""
        i = self._index(index)
        if not isinstance(other, Expr):
            other = self.builder.const(other, self.arg.dtype)
        return self.builder.value(
            "load", self.arg.dtype, (i, gate, other), self.arg.name
        )

    def __setitem__(self, index: Any, value: Any) -> None:
        self.store(index, value)

    def store(
        self, index: Any, value: Any, gate: Expr | None = None, mode: str = "set"
    ) -> None:
        """Write, where ``gate`` is true. ``mode="add"`` adds, in any order."""
        if not isinstance(value, Expr):
            value = self.builder.const(value, self.arg.dtype)
        if value.dtype != self.arg.dtype:
            raise LoopError(
                f"[store] expected {self.arg.dtype} for {self.arg.name}; got {value}"
            )
        args = (self._index(index), value, *(() if gate is None else (gate,)))
        self.builder.value("store", "none", args, (self.arg.name, mode))

    def add(self, index: Any, value: Any, gate: Expr | None = None) -> None:
        self.store(index, value, gate, "add")


class Steps:
    """The inside of a stage: ``step``, ``state``; ``take`` or ``next``; then ``result``.

    Attributes
    ----------
    given : tuple of Expr
        The elements of a reduction, the next states of a scan.
    """

    def __init__(
        self, builder: Builder, kind: str, states: list[tuple[int, str, int]]
    ) -> None:
        self.builder, self.kind, self._states = builder, kind, states
        self.given: tuple[Expr, ...] = ()

    @property
    def step(self) -> Expr:
        """The position on the serial axis."""
        return self.builder.value("step", INDEX)

    @property
    def states(self) -> tuple[Expr, ...]:
        """Of a scan: the states before this step. After the stage: the final ones."""
        return tuple(
            [
                self.builder.value("state", d, attr=j, width=w)
                for j, d, w in self._states
            ]
        )

    results = states

    @property
    def state(self) -> Expr:
        return self.states[0]

    result = state

    def next(self, *new: Expr) -> None:
        """Of a scan: the states after this step."""
        self.given = new

    def take(self, *elements: Expr) -> None:
        """Of a reduction: what this step adds."""
        self.given = elements

    def check(self) -> None:
        for given, (_, d, _w) in zip(self.given, self._states, strict=False):
            if given.dtype != d:
                raise LoopError(f"[{self.kind}] expected {d}; got {given}")
        if len(self.given) != len(self._states):
            raise LoopError(
                f"[{self.kind}] expected {len(self._states)} values in next or take; "
                f"got {len(self.given)}"
            )
