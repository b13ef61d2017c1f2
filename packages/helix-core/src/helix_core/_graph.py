"""``Graph``: a typed program of primitives and composites in single assignment form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ._aval import Aval

if TYPE_CHECKING:
    from ._cost import Cost


class Equation(NamedTuple):
    """``outputs = op(*inputs, **attrs)``; inputs and outputs are variable numbers."""

    op: Any
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    attrs: dict[str, Any]


class Graph:
    """A closed program. Equal when its equations are equal.

    Attributes
    ----------
    inputs, captures : tuple of int
        Variables that a caller supplies, in this order: arguments, then what was
        captured from outside.
    equations : tuple of Equation
    outputs : tuple of int
    avals : tuple of Aval
        Of every variable.
    """

    __slots__ = ("_hash", "_key", "avals", "captures", "equations", "inputs", "outputs")

    def __init__(
        self,
        inputs: Sequence[int],
        captures: Sequence[int],
        equations: Sequence[Equation],
        outputs: Sequence[int],
        avals: Sequence[Aval],
    ) -> None:
        self.inputs = tuple(inputs)
        self.captures = tuple(captures)
        self.equations = tuple(equations)
        self.outputs = tuple(outputs)
        self.avals = tuple(avals)
        self._key: Any = None
        self._hash: int | None = None

    def _content(self) -> Any:
        if self._key is None:
            self._key = (
                self.inputs,
                self.captures,
                tuple(
                    (e.op.name, e.inputs, e.outputs, tuple(sorted(e.attrs.items())))
                    for e in self.equations
                ),
                self.outputs,
                self.avals,
            )
        return self._key

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(self._content())
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Graph) or hash(self) != hash(other):
            return False
        same_ops = all(
            a.op is b.op for a, b in zip(self.equations, other.equations, strict=False)
        )
        return same_ops and self._content() == other._content()

    def __lt__(self, other: Graph) -> bool:  # attributes are sorted by name, then value
        return hash(self) < hash(other)

    def to_json(self) -> str:
        """The graph as text: the same for equal graphs, in any process."""
        from ._graph_json import to_json

        return to_json(self)

    @staticmethod
    def from_json(text: str) -> Graph:
        """The graph of a text that `to_json` made.

        Raises
        ------
        HelixError
            If the text is no graph, or names an operation that nobody has declared.
        """
        from ._graph_json import from_json

        return from_json(text)

    def digest(self) -> str:
        """SHA-256 of the text, in hexadecimal: a name for files and caches."""
        from hashlib import sha256

        return sha256(self.to_json().encode()).hexdigest()

    def cost(self, device: Any = None) -> Cost:
        """FLOPs and bytes by node.

        Parameters
        ----------
        device : Device, optional
            Composites without a kernel on it count as the ops of their bodies.

        >>> import helix_core as hx
        >>> g = hx.trace(lambda x: x @ x).graph(hx.ones((8, 8)))
        >>> g.cost().flops
        1024.0
        """
        from ._cost import cost_of

        return cost_of(self, None if device is None else device.kernels)

    def __reduce__(self) -> tuple[Any, ...]:
        return Graph.from_json, (self.to_json(),)

    def __len__(self) -> int:
        return len(self.equations)

    def replay(self, *tensors: Any) -> tuple[Any, ...]:
        """Bind every equation again: eager, taped or traced, whatever is in force."""
        from ._composite import Composite
        from ._primitive import bind

        env = dict(zip((*self.inputs, *self.captures), tensors, strict=True))
        for e in self.equations:
            args = [env[i] for i in e.inputs]
            if isinstance(e.op, Composite):
                out = e.op(*args, **e.attrs)
            else:
                out = bind(e.op, *args, **e.attrs)
            if len(e.outputs) == 1 and not isinstance(out, tuple):
                env[e.outputs[0]] = out
            else:
                env.update(zip(e.outputs, out, strict=True))
        return tuple([env[o] for o in self.outputs])

    def __repr__(self) -> str:
        return f"Graph({len(self.inputs)} inputs, {len(self.equations)} equations)"

    def __str__(self) -> str:
        def name(v: int) -> str:
            return f"%{v}"

        def typed(vs: Sequence[int]) -> str:
            return ", ".join(f"{name(v)}:{self.avals[v]}" for v in vs)

        lines = [f"graph({typed(self.inputs)}; {typed(self.captures)}) {{"]
        for e in self.equations:
            attrs = ", ".join(f"{k}={_short(v)}" for k, v in sorted(e.attrs.items()))
            args = ", ".join(name(v) for v in e.inputs)
            both = ", ".join(p for p in (args, attrs) if p)
            lines.append(f"  {typed(e.outputs)} = {e.op.name}({both})")
        lines.append(f"  return {', '.join(name(v) for v in self.outputs)}")
        lines.append("}")
        return "\n".join(lines)


def _short(v: Any) -> str:
    if isinstance(v, Graph):
        return f"<{len(v.equations)} equations>"
    return repr(v)
