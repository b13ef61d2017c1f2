"""``Builder``: loop programs from expressions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ._expr import Expr, Ref, Steps
from ._program import (
    INDEX,
    Argument,
    LoopError,
    LoopProgram,
    Scratch,
    Stage,
    State,
    Value,
)

_IMPURE = ("store", "put", "get", "load")
Init = Expr | float | Callable[[], Expr]


class Builder:
    """Makes one `LoopProgram`.

    Values made outside of a stage run once per point; those between two stages run
    before the later one (in a blocked program: in each block). Equal values are made
    once.

    Parameters
    ----------
    name : str
        An identifier.

    Examples
    --------
    >>> b = Builder("softmax")
    >>> rows, n = b.size("rows"), b.size("n")
    >>> x, y = b.input("x", "float32"), b.output("y", "float32")
    >>> i = b.axis(rows)
    >>> b.serial(n)
    >>> with b.reduce("max", "float32") as r:
    ...     r.take(x[i * n + r.step])
    >>> top = r.result
    >>> with b.reduce("add", "float32") as r:
    ...     r.take((x[i * n + r.step] - top).exp())
    >>> with b.map() as m:
    ...     y[i * n + m.step] = (x[i * n + m.step] - top).exp() / r.result
    >>> softmax = b.build()
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._args: list[Argument] = []
        self._sizes: list[str] = []
        self._grid: list[str] = []
        self._serial: str | None = None
        self._block: int | None = None
        self._reverse = False
        self._group = 1
        self._values: list[Value] = []
        self._states: list[State] = []
        self._scratch: list[Scratch] = []
        self._prologue: list[int] = []
        self._stages: list[Stage] = []
        self._pending: list[int] = []
        self._here = self._prologue
        self._seen: list[dict[Any, Expr]] = [{}]

    # ------------------------------------------------------------------ declarations
    def size(self, name: str) -> Expr:
        """A run-time integer: an extent, a stride."""
        if name not in self._sizes:
            self._sizes.append(name)
        return self.value("size", INDEX, attr=name)

    def input(self, name: str, dtype: str) -> Ref:
        return self._argument(name, dtype, "in")

    def output(self, name: str, dtype: str) -> Ref:
        return self._argument(name, dtype, "out")

    def inout(self, name: str, dtype: str) -> Ref:
        return self._argument(name, dtype, "inout")

    def _argument(self, name: str, dtype: str, mode: str) -> Ref:
        self._args.append(Argument(name, dtype, mode))
        return Ref(self, self._args[-1])

    def axis(self, extent: Expr) -> Expr:
        """The next parallel axis: 0 <= axis < extent, the name of a size."""
        self._grid.append(self._name(extent, "axis"))
        return self.value("axis", INDEX, attr=len(self._grid) - 1)

    def serial(
        self, length: Expr, block: int | None = None, reverse: bool = False
    ) -> None:
        """The serial axis, whole or in blocks of so many steps."""
        self._serial = self._name(length, "serial")
        self._block, self._reverse = block, reverse

    def groups(self, points: int) -> None:
        """Points of the last grid axis among which ``sum_group`` sums."""
        self._group = points

    def scratch(self, name: str, dtype: str, width: int = 1) -> Scratch:
        """Private memory for each step of a block; see `put` and `get`."""
        self._scratch.append(Scratch(name, dtype, width))
        return self._scratch[-1]

    def _name(self, size: Expr, what: str) -> str:
        v = self._values[size.id]
        if v.op != "size":
            raise LoopError(f"[{self.name}] expected a size for {what}; got {v.op}")
        return str(v.attr)

    # ------------------------------------------------------------------------ values
    def value(
        self,
        op: str,
        dtype: str,
        args: tuple[Expr, ...] = (),
        attr: Any = None,
        width: int | None = None,
    ) -> Expr:
        """A value of the vocabulary; the methods of `Expr` are easier."""
        if width is None:
            width = max([a.width for a in args], default=1)
        ids = tuple([a.id for a in args])
        # -0.0 equals 0.0, and True equals 1
        key = (op, dtype, ids, attr, repr(attr) if op == "const" else None, width)
        known = None if op in _IMPURE else self._find(key)
        if known is None and op == "load" and self._constant(attr):
            known = self._find(key)
        if known is not None:
            return known
        self._values.append(Value(op, dtype, ids, attr, width))
        made = Expr(self, len(self._values) - 1, dtype, width)
        self._here.append(made.id)
        self._seen[-1][key] = made
        return made

    def _find(self, key: Any) -> Expr | None:
        for table in self._seen:
            if key in table:
                return table[key]
        return None

    def _constant(self, name: str) -> bool:
        return any(a.name == name and a.mode == "in" for a in self._args)

    def const(self, value: Any, dtype: str) -> Expr:
        """A number, as Python's float, int or bool."""
        kind = float if "float" in dtype else bool if dtype == "bool" else int
        value = kind(value)
        return self.value("const", dtype, attr=value)

    def lane(self, width: int) -> Expr:
        """0, 1, ... side by side."""
        if width == 1:
            return self.const(0, INDEX)
        return self.value("lane", INDEX, width=width)

    def block_index(self) -> Expr:
        """Which block of the serial axis this is, counted from the axis' start."""
        return self.value("block", INDEX)

    def put(self, scratch: Scratch, x: Expr) -> None:
        """Keep a value of this step for later stages of the same block."""
        self.value("put", "none", (x,), scratch.name, scratch.width)

    def get(self, scratch: Scratch) -> Expr:
        """What an earlier stage kept at this step."""
        return self.value("get", scratch.dtype, attr=scratch.name, width=scratch.width)

    # ------------------------------------------------------------------------ stages
    @contextmanager
    def map(self) -> Iterator[Steps]:
        """A pass of independent steps."""
        with self._stage("map", False, [], "", 1, False) as steps:
            yield steps

    @contextmanager
    def reduce(
        self,
        combine: str | Callable[..., Sequence[Expr]],
        dtype: str | Sequence[str],
        init: Any = None,
        width: int = 1,
    ) -> Iterator[Steps]:
        """A reduction: ``take(*elements)`` once in its body; then ``result(s)``.

        ``combine`` is ``"add"``, ``"mul"``, ``"min"``, ``"max"``, ``"and"``, ``"or"``,
        ``"xor"``, or a function ``(left, right) -> new`` of tuples of values that is
        associative. ``init``, one per state, is its neutral element.
        """
        dtypes = [dtype] if isinstance(dtype, str) else list(dtype)
        if init is None:
            init = [neutral(str(combine), d) for d in dtypes]
        with self._stage("reduce", False, init, dtypes, width, False) as steps:
            yield steps
            steps.check()
        made = self._stages[-1]
        with self._body([]) as here:
            pairs = list(zip(made.states, dtypes, strict=True))
            left, right = (
                [self.value(side, d, attr=j, width=width) for j, d in pairs]
                for side in ("left", "right")
            )
            if isinstance(combine, str):
                new: Sequence[Expr] = [left[0]._with(combine, right[0])]
            else:
                new = combine(tuple(left), tuple(right))
        combined = tuple([e.id for e in new])
        self._stages[-1] = _with(made, combine=tuple(here), combined=combined)

    @contextmanager
    def scan(
        self,
        init: Sequence[Init],
        dtype: str | Sequence[str],
        width: int | Sequence[int] = 1,
        reverse: bool = False,
        restart: bool = False,
    ) -> Iterator[Steps]:
        """A pass in order: ``state`` before the step, ``next(*states)`` once.

        ``init``: values, numbers, or functions that make a value in the stage's head
        (in each block). ``width``: of all states, or of each. ``restart``: begin anew
        with each block.
        """
        dtypes = [dtype] * len(init) if isinstance(dtype, str) else list(dtype)
        with self._stage("scan", reverse, init, dtypes, width, restart) as steps:
            yield steps
            steps.check()

    @contextmanager
    def _stage(
        self,
        kind: str,
        reverse: bool,
        init: Any,
        dtypes: Any,
        width: int | Sequence[int],
        restart: bool,
    ) -> Iterator[Steps]:
        if self._serial is None:
            raise LoopError(f"[{self.name}] expected a serial axis before a {kind}")
        head, self._pending = self._pending, []
        outer, self._here = self._here, head
        first = len(self._states)
        widths = [width] * len(init) if isinstance(width, int) else list(width)
        for value, dtype, wide in zip(init, dtypes, widths, strict=True):
            made = value() if callable(value) else value
            if not isinstance(made, Expr):
                made = self.const(made, dtype)
            self._states.append(State(dtype, wide, made.id))
        own = range(first, len(self._states))
        self._here = outer
        with self._body([]) as body:
            carried = zip(own, dtypes, widths, strict=True)
            steps = Steps(self, kind, list(carried))
            yield steps
        updates = tuple([e.id for e in steps.given])
        self._stages.append(
            Stage(
                kind,
                tuple(head),
                tuple(body),
                reverse,
                tuple(own),
                updates,
                restart=restart,
            )
        )
        self._here = self._pending

    @contextmanager
    def _body(self, here: list[int]) -> Iterator[list[int]]:
        outer, self._here = self._here, here
        self._seen.append({})
        try:
            yield here
        finally:
            self._seen.pop()
            self._here = outer

    def build(self) -> LoopProgram:
        """The program, checked.

        Raises
        ------
        LoopError
        """
        from ._check import check

        program = LoopProgram(
            self.name,
            tuple(self._args),
            tuple(self._sizes),
            tuple(self._grid),
            self._serial,
            self._block,
            self._reverse,
            self._group,
            tuple(self._values),
            tuple(self._states),
            tuple(self._scratch),
            tuple(self._prologue),
            tuple(self._stages),
            tuple(self._pending),
        )
        check(program)
        return program


def _with(stage: Stage, **changes: Any) -> Stage:
    from dataclasses import replace

    return replace(stage, **changes)


def neutral(combine: str, dtype: str) -> Any:
    """The neutral element of a reduction, as a Python number."""
    from .._dtypes import as_dtype
    from .._primitives.cumulative import highest, lowest

    if combine in ("add", "or", "xor"):
        return 0
    if combine == "mul":
        return 1
    if combine == "and":
        return True if dtype == "bool" else -1
    if combine in ("min", "max"):
        edge = highest if combine == "min" else lowest
        return edge(as_dtype(dtype))
    raise LoopError(f"[reduce] expected init for combine={combine!r}")
