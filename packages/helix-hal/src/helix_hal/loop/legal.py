"""``legal``: a program in terms of what a device can do.

Arithmetic of small floats is done in float32 and rounded, that of small integers in 32
bits and wrapped; scalar ops that the language lacks are written in others.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from helix_core.loop import SCALAR_OPS, Expr, LoopError, LoopProgram, Value

from helix_hal.loop.device import Features

_WIDER = {
    "float16": "float32",
    "bfloat16": "float32",
    "int8": "int32",
    "int16": "int32",
    "uint8": "uint32",
    "uint16": "uint32",
}
# the attribute of sums whose product need not be rounded: those of expansions
FREE = "free"
_SELF = frozenset({"where", "cast", "bitcast"})


def legal(program: LoopProgram, features: Features) -> LoopProgram:
    """The same program without what the device lacks; itself where nothing is."""
    made = _Rewriter(program, features)
    return made.run() if made.needed() else program


class _Rewriter:
    """Copies a program value by value; also the builder behind the new `Expr`."""

    def __init__(self, p: LoopProgram, features: Features) -> None:
        self.p, self.features = p, features
        self.values: list[Value] = []
        self.exprs: dict[int, Expr] = {}
        self.here: list[int] = []
        self.free = False  # whether an expansion is being written

    def needed(self) -> bool:
        return any(
            (v.op in SCALAR_OPS and v.op not in self.features.scalar_ops)
            or self._wide(v.dtype) is not None
            or any(self._wide(self.p.values[a].dtype) is not None for a in v.args)
            for v in self.p.values
        )

    def _wide(self, dtype: str) -> str | None:
        wider = _WIDER.get(dtype)
        return None if dtype in self.features.arithmetic else wider

    def run(self) -> LoopProgram:
        p = self.p
        prologue = self.section(p.prologue)
        stages = []
        for s in p.stages:
            head, body = self.section(s.head), self.section(s.body)
            combine = self.section(s.combine)
            stages.append(
                replace(
                    s,
                    head=head,
                    body=body,
                    combine=combine,
                    updates=self.ids(s.updates),
                    combined=self.ids(s.combined),
                )
            )
        epilogue = self.section(p.epilogue)
        states = [replace(s, init=self.exprs[s.init].id) for s in p.states]
        return replace(
            p,
            values=tuple(self.values),
            states=tuple(states),
            prologue=prologue,
            stages=tuple(stages),
            epilogue=epilogue,
        )

    def section(self, ids: tuple[int, ...]) -> tuple[int, ...]:
        self.here = []
        for i in ids:
            v = self.p.values[i]
            args = tuple([self.exprs[a] for a in v.args])
            self.exprs[i] = self.value(v.op, v.dtype, args, v.attr, v.width)
        return tuple(self.here)

    def ids(self, old: tuple[int, ...]) -> tuple[int, ...]:
        return tuple([self.exprs[i].id for i in old])

    # ------------------------------------------------- the builder that `Expr` expects
    def value(
        self,
        op: str,
        dtype: str,
        args: tuple[Expr, ...] = (),
        attr: Any = None,
        width: int | None = None,
    ) -> Expr:
        if width is None:
            width = max([a.width for a in args], default=1)
        if op == "const" and self._wide(dtype) == "float32":
            return self.const(attr, "float32").cast(dtype)
        if op in ("sum_lanes", "sum_group") and self._wide(dtype):
            wide = args[0].cast(str(self._wide(dtype)))
            return self.value(op, wide.dtype, (wide,), attr, width).cast(dtype)
        if op == "cast":
            return self._cast(args[0], dtype)
        if op in SCALAR_OPS and op not in _SELF:
            given = args[-1].dtype
            wide_type = self._wide(given)
            if wide_type is not None:
                wide_args = tuple([a.cast(wide_type) for a in args])
                result = dtype if dtype == "bool" else wide_type
                return self.value(op, result, wide_args).cast(dtype)
            if op not in self.features.scalar_ops:
                return self._expanded(op, args)
        return self._plain(op, dtype, args, attr, width)

    def const(self, value: Any, dtype: str) -> Expr:
        kind = float if "float" in dtype else bool if dtype == "bool" else int
        return self.value("const", dtype, (), kind(value))

    def _plain(
        self, op: str, dtype: str, args: tuple[Expr, ...], attr: Any, width: int
    ) -> Expr:
        ids = tuple([a.id for a in args])
        if self.free and op in ("add", "sub"):
            attr = FREE
        self.values.append(Value(op, dtype, ids, attr, width))
        self.here.append(len(self.values) - 1)
        return Expr(self, self.here[-1], dtype, width)  # type: ignore[arg-type]

    def _cast(self, x: Expr, dtype: str) -> Expr:
        """Small types are converted from and to their wider one alone."""
        if x.dtype == dtype:
            return x
        wide = self._wide(x.dtype)
        if wide is not None and dtype != wide:
            return x.cast(wide).cast(dtype)
        wide = self._wide(dtype)
        if wide is not None and x.dtype != wide:
            return x.cast(wide).cast(dtype)
        return self._plain("cast", dtype, (x,), None, x.width)

    def _expanded(self, op: str, args: tuple[Expr, ...]) -> Expr:
        from helix_hal.loop.expansions import EXPANSIONS

        rule = EXPANSIONS.get(op)
        if rule is None:
            raise LoopError(
                f"[{self.p.name}] expected a device with {op}; it lacks it, and {op} "
                "cannot be written in other ops"
            )
        before, self.free = self.free, True
        try:
            found: Expr = rule(*args)
            return found
        finally:
            self.free = before
