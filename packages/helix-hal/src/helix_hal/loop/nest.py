"""Axes of an iteration space, merged where every operand allows it, and their indices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from helix_core.loop import Builder, Expr

Strides = tuple[int, ...]


class Nest(NamedTuple):
    """A shape without axes of size 1, and the strides of each operand on it."""

    shape: tuple[int, ...]
    strides: tuple[Strides, ...]

    @property
    def kinds(self) -> tuple[str, ...]:
        """Per operand, a letter for each axis: what its stride is.

        ``"0"``, ``"1"``, or ``"n"`` for a run-time size.
        """
        return tuple([_kind(s) for s in self.strides])


def collapse(shape: Sequence[int], strides: Iterable[Strides]) -> Nest:
    """Merge neighbouring axes that lie one behind the other in every operand."""
    given = list(strides)
    out: list[int] = []
    kept: list[list[int]] = [[] for _ in given]
    for i, n in enumerate(shape):
        if n == 1:
            continue
        if out and all(k[-1] == s[i] * n for k, s in zip(kept, given, strict=True)):
            out[-1] *= n
            for k, s in zip(kept, given, strict=True):
                k[-1] = s[i]
            continue
        out.append(n)
        for k, s in zip(kept, given, strict=True):
            k.append(s[i])
    return Nest(tuple(out), tuple([tuple(k) for k in kept]))


def _kind(strides: Strides) -> str:
    return "".join(["0" if s == 0 else "1" if s == 1 else "n" for s in strides])


def index(b: Builder, name: str, kinds: str, axes: Sequence[Expr]) -> Expr:
    """The index of an operand at a place; strides of kind ``n`` are sizes."""
    total: Expr | None = None
    for i, (kind, axis) in enumerate(zip(kinds, axes, strict=True)):
        if kind == "0":
            continue
        term = axis if kind == "1" else axis * b.size(f"{name}_{i}")
        total = term if total is None else total + term
    return b.const(0, "index") if total is None else total


def sizes_of(names: Iterable[str], nest: Nest) -> dict[str, int]:
    """The values of the sizes that `index` made."""
    return {
        f"{name}_{i}": s
        for name, strides in zip(names, nest.strides, strict=True)
        for i, s in enumerate(strides)
        if s not in (0, 1)
    }


def unravel(b: Builder, flat: Expr, extents: Sequence[Expr]) -> list[Expr]:
    """Places on axes of these extents from a position in C order."""
    out: list[Expr] = []
    for n in reversed(extents[1:]):
        out.append(flat % n)
        flat = flat // n
    return [flat, *reversed(out)]


def span(shape: Sequence[int], strides: Sequence[int]) -> tuple[int, int]:
    """The lowest index of a view, and the one behind its highest; (0, 0) if empty."""
    if 0 in shape:
        return 0, 0
    reach = [(n - 1) * s for n, s in zip(shape, strides, strict=True)]
    return sum(r for r in reach if r < 0), sum(r for r in reach if r > 0) + 1


def ordered(names: Sequence[str], values: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple([int(values[n]) for n in names])
