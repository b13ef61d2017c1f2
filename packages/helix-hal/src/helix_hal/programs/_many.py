"""``Many``: values written out one by one, used like one value of many lanes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from helix_core.loop import Expr


class Many(tuple[Expr, ...]):
    """Expressions that take part in arithmetic together; one expression meets all."""

    def _each(self, other: Any, op: Callable[[Any, Any], Any]) -> Many:
        if not isinstance(other, Many):
            return Many([op(a, other) for a in self])
        return Many([op(a, b) for a, b in zip(self, other, strict=True)])

    def __add__(self, other: Any) -> Any:
        return self._each(other, lambda a, b: a + b)

    def __mul__(self, other: Any) -> Any:
        return self._each(other, lambda a, b: a * b)

    __radd__, __rmul__ = __add__, __mul__

    def exp(self) -> Many:
        return Many([a.exp() for a in self])

    def cast(self, dtype: str) -> Many:
        return Many([a.cast(dtype) for a in self])


Values = Any  # an Expr of many lanes, or a Many


def listed(x: Values) -> Sequence[Expr]:
    return x if isinstance(x, Many) else [x]


def total(x: Values) -> Expr:
    """The sum of them: over the lanes, or pairwise."""
    if not isinstance(x, Many):
        found: Expr = x.sum_lanes()
        return found
    terms = list(x)
    while len(terms) > 1:
        pairs = [a + b for a, b in zip(terms[::2], terms[1::2], strict=False)]
        terms = pairs + terms[len(pairs) * 2 :]
    return terms[0]


def dot(a: Values, b: Values) -> Expr:
    """The sum of their products: over the lanes, or in four chains."""
    if not isinstance(a, Many):
        return total(a * b)
    chains: list[Any] = [None] * min(4, len(a))
    for j, (x, y) in enumerate(zip(a, b, strict=True)):
        old = chains[j % len(chains)]
        chains[j % len(chains)] = x * y if old is None else old + x * y
    return total(Many(chains))
