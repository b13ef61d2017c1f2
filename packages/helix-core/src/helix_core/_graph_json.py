"""Graphs as JSON: operations by name, attributes with their types.

A program that reads one needs the same composites declared: import the modules that do
so first.
"""

from __future__ import annotations

import json
import math
from typing import Any

from ._aval import Aval
from ._composite import COMPOSITES, Composite
from ._device import Device
from ._dtypes import DType, as_dtype
from ._errors import HelixError
from ._graph import Equation, Graph
from ._primitive import PRIMITIVES

FORMAT = 1


class GraphFormatError(HelixError, ValueError):
    """A text is not a graph, or a graph has no text."""


def to_json(graph: Graph) -> str:
    """The same text for equal graphs, in any process.

    Raises
    ------
    GraphFormatError
        Where an attribute is not made of numbers, texts, dtypes, devices, graphs and
        tuples of them.
    """
    return json.dumps(_plain(graph), separators=(",", ":"))


def from_json(text: str) -> Graph:
    """The graph of a text.

    Raises
    ------
    GraphFormatError
        If it is not the text of a graph, or names an operation that is not declared.
    """
    try:
        data = json.loads(text)
        if data["format"] != FORMAT:
            raise GraphFormatError(
                f"[graph] expected format {FORMAT}; got {data['format']!r}"
            )
        return _graph(data)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as e:
        if isinstance(e, HelixError):
            raise
        raise GraphFormatError(
            f"[graph] expected the JSON of a graph; got {type(e).__name__}: {e}"
        ) from None


def _plain(g: Graph) -> dict[str, Any]:
    equations = [
        {
            "op": _op_name(e.op),
            "in": e.inputs,
            "out": e.outputs,
            "attrs": {k: _value(e.op, k, v) for k, v in sorted(e.attrs.items())},
        }
        for e in g.equations
    ]
    return {
        "format": FORMAT,
        "inputs": g.inputs,
        "captures": g.captures,
        "outputs": g.outputs,
        "avals": [[a.shape, a.dtype.name, a.weak] for a in g.avals],
        "equations": equations,
    }


def _op_name(op: Any) -> Any:
    if isinstance(op, Composite) and op.made_from is not None:
        owner, role, key = op.made_from
        return {"of": owner.name, "role": role, "key": key}
    return op.name


def _value(op: Any, name: str, v: Any) -> Any:
    if v is None or isinstance(v, (bool, int, str)):
        return v
    if isinstance(v, float):
        return v if math.isfinite(v) else {"float": repr(v)}
    if isinstance(v, complex):
        return {"complex": [_value(op, name, v.real), _value(op, name, v.imag)]}
    if isinstance(v, tuple):
        return {"tuple": [_value(op, name, x) for x in v]}
    if isinstance(v, DType):
        return {"dtype": v.name}
    if isinstance(v, Device):
        return {"device": v.name}
    if isinstance(v, Graph):
        return {"graph": _plain(v)}
    raise GraphFormatError(
        f"[graph] expected attributes of numbers, texts, dtypes, devices, graphs and "
        f"tuples; got {name}={v!r} of {op.name}"
    )


def _graph(d: Any) -> Graph:
    avals = [Aval(tuple(s), as_dtype(t), bool(w)) for s, t, w in d["avals"]]
    n = len(avals)

    def vars_of(numbers: Any) -> tuple[int, ...]:
        if not all(type(v) is int and 0 <= v < n for v in numbers):
            raise GraphFormatError(
                f"[graph] expected variables below {n}; got {numbers}"
            )
        return tuple(numbers)

    equations = [
        Equation(
            _op(e["op"]),
            vars_of(e["in"]),
            vars_of(e["out"]),
            {k: _read(v) for k, v in e["attrs"].items()},
        )
        for e in d["equations"]
    ]
    heads = vars_of(d["inputs"]), vars_of(d["captures"])
    return Graph(*heads, equations, vars_of(d["outputs"]), avals)


def _op(name: Any) -> Any:
    made = isinstance(name, dict)
    found = PRIMITIVES.get(name) if not made else None
    if found is not None:
        return found
    op = COMPOSITES.get(name["of"] if made else name)
    if op is None:
        raise GraphFormatError(
            f"[graph] expected declared operations; got {name!r}. Hint: import the "
            "module that declares it"
        )
    if not made:
        return op
    if name["role"] == "fwd":
        return op.fwd
    inexact, n_out, n_res = name["key"]
    return op.backward_for(tuple(inexact), n_out, n_res)


def _read(v: Any) -> Any:
    if not isinstance(v, dict):
        return v
    ((kind, x),) = v.items()
    if kind == "float":
        return float(x)
    if kind == "complex":
        return complex(_read(x[0]), _read(x[1]))
    if kind == "tuple":
        return tuple([_read(y) for y in x])
    if kind == "dtype":
        return as_dtype(x)
    if kind == "device":
        return Device(x)
    if kind == "graph":
        return _graph(x)
    raise GraphFormatError(f"[graph] expected a known kind of attribute; got {kind!r}")
