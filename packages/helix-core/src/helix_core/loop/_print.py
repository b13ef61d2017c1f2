"""A loop program as text, for people and for golden tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._program import LoopProgram


def text(p: LoopProgram) -> str:
    """One line per value; stages indented."""
    args = ", ".join(f"{a.mode} {a.name}: {a.dtype}" for a in p.args)
    lines = [f"{p.name}({args}; {', '.join(p.sizes)})"]
    head = f"grid [{', '.join(p.grid)}]"
    if p.serial is not None:
        head += f" serial {p.serial}"
    if p.block is not None:
        head += f" blocks of {p.block}" + (" reversed" if p.reverse else "")
    if p.group > 1:
        head += f" groups of {p.group}"
    lines.append(head)
    lines += [f"scratch {s.name}: {s.dtype} x {s.width}" for s in p.scratch]
    lines += _values(p, p.prologue, "  ")
    for s in p.stages:
        lines += _values(p, s.head, "  ")
        states = ", ".join(f"s{j} = %{p.states[j].init}" for j in s.states)
        turn = " reversed" if s.reverse else ""
        again = " in each block" if s.restart else ""
        lines.append(f"  {s.kind}{turn}{f' ({states}{again})' if states else ''}:")
        lines += _values(p, s.body, "    ")
        if s.kind == "reduce":
            given = ", ".join(f"s{j} with %{u}" for j, u in _pairs(s.states, s.updates))
            lines.append(f"    combine {given}:")
            lines += _values(p, s.combine, "      ")
            result = ", ".join(f"s{j} = %{u}" for j, u in _pairs(s.states, s.combined))
            lines.append(f"      {result}")
        elif s.states:
            result = ", ".join(f"s{j} = %{u}" for j, u in _pairs(s.states, s.updates))
            lines.append(f"    {result}")
    lines += _values(p, p.epilogue, "  ")
    return "\n".join(lines)


def _pairs(a: tuple[int, ...], b: tuple[int, ...]) -> list[tuple[int, int]]:
    return list(zip(a, b, strict=True))


def _values(p: LoopProgram, ids: tuple[int, ...], indent: str) -> list[str]:
    lines = []
    for i in ids:
        v = p.values[i]
        attr = "" if v.attr is None else f" {v.attr}"
        args = ", ".join(f"%{a}" for a in v.args)
        width = f" x {v.width}" if v.width > 1 else ""
        left = "" if v.dtype == "none" else f"%{i}: {v.dtype}{width} = "
        lines.append(f"{indent}{left}{v.op}{attr}({args})")
    return lines
