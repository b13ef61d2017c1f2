"""``hx.scan``, ``hx.while_loop``, ``hx.cond``: loops and branches that trace once.

Bodies may use anything from outside: tensors, parameters (their gradients flow) and any
cell that they only read. What changes from step to step is the carry.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import _dtypes as dt
from ._aval import Aval
from ._cell import Cell
from ._create import as_tensor
from ._device import default_device
from ._errors import ShapeError, TraceError
from ._graph import Graph
from ._ops import cast, ne
from ._primitive import bind
from ._primitives.control import cond_of, scan_p, while_loop_p
from ._shape import reshape_p
from ._state import STATE
from ._tensor import Tensor
from ._trace import Closed, close
from ._tree import flatten, unflatten


def _tensors(tree: Any, device: Any = None) -> Any:
    """Numbers, arrays and cells of a tree as tensors of a fixed (not weak) dtype."""
    if isinstance(tree, dict):
        return {k: _tensors(v, device) for k, v in tree.items()}
    if isinstance(tree, (tuple, list)):
        parts = [_tensors(v, device) for v in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    if isinstance(tree, Cell):
        tree = tree.value
    if isinstance(tree, (bool, int, float, complex, np.ndarray, np.generic)):
        tree = as_tensor(tree, device=device)
    return cast(tree, tree.dtype) if isinstance(tree, Tensor) else tree


def _device_of(*trees: Any) -> Any:
    for tree in trees:
        for leaf in flatten(tree)[0]:
            return leaf.device
    trace = STATE.get().trace
    return trace.device if trace is not None else default_device()


def _close(name: str, fn: Callable[..., Any], avals: Any, device: Any) -> Closed:
    closed = close(lambda *ts: _tensors(fn(*ts), device), avals, device)
    if closed.cells_out:
        names = ", ".join(c.name or repr(c) for c in closed.cells_out)
        raise TraceError(
            f"[{name}] expected a body that writes no cell (a parameter, a statistic, "
            f"the random state); got a write to {names}. Hint: make it part of the "
            "carry; draw random numbers before the loop and pass them in"
        )
    return closed


def _open(closed: Closed) -> Graph:
    """The graph with what it captured as its first inputs."""
    g = closed.graph
    return Graph((*g.captures, *g.inputs), (), g.equations, g.outputs, g.avals)


def _same_tree(name: str, what: str, want: Any, got: Any) -> None:
    if want != got:
        raise ShapeError(
            f"[{name}] expected {what} of one structure; got {_drawn(want)} and "
            f"{_drawn(got)}"
        )


def _drawn(definition: Any) -> str:
    return repr(unflatten(definition, iter(lambda: _Leaf(), None)))


class _Leaf:
    def __repr__(self) -> str:
        return "*"


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    carry: Any,
    xs: Any = None,
    reverse: bool = False,
    length: int | None = None,
) -> tuple[Any, Any]:
    """A loop over the first axis of ``xs`` that passes a carry on.

    Parameters
    ----------
    f : callable
        ``f(carry, x) -> (carry, y)``, traced once. The carry keeps its structure,
        shapes and dtypes; y may be None.
    carry : tree of tensors
    xs : tree of tensors, (length, ...) each, or None
    reverse : bool
        From the last row to the first; rows of the result stay in place.
    length : int, optional
        Number of steps; needed only without ``xs``.

    Returns
    -------
    carry, ys
        The last carry, and every y stacked along a new first axis.

    Raises
    ------
    ShapeError
        If lengths differ, or the body changes the carry.
    TraceError
        If the body writes a cell.

    Notes
    -----
    The gradient runs the loop again to recover the carries, then once backward: memory
    is that of the carries, not of what happens inside the body.

    Examples
    --------
    >>> import helix_core as hx
    >>> total, sums = scan(lambda c, x: (c + x, c + x), hx.tensor(0.0), hx.ones((3,)))
    >>> sums.tolist()
    [1.0, 2.0, 3.0]
    """
    dev = _device_of(carry, xs)
    carry, xs = _tensors(carry, dev), _tensors(xs, dev)
    init, tree_c = flatten(carry)
    rows, tree_x = flatten(xs)
    if any(x.ndim == 0 for x in rows):
        got = ", ".join(repr(x.aval) for x in rows)
        raise ShapeError(
            f"[scan] expected xs with a first axis to loop over; got {got}"
        )
    sizes = {x.shape[0] for x in rows} | ({length} if length is not None else set())
    if len(sizes) != 1 or min(sizes) < 0:
        got = ", ".join(repr(x.aval) for x in rows) or "no xs"
        raise ShapeError(
            f"[scan] expected xs of one length, or length=; got {got}, length={length}"
        )
    avals = [t.aval for t in init] + [Aval(x.shape[1:], x.dtype) for x in rows]
    trees: list[Any] = []

    def body(*ts: Tensor) -> Any:
        out = f(unflatten(tree_c, ts[: len(init)]), unflatten(tree_x, ts[len(init) :]))
        if not isinstance(out, tuple) or len(out) != 2:
            raise TypeError(
                f"[scan] expected a body that returns (carry, y); got {out!r}"
            )
        new, y = _tensors(out[0], dev), _tensors(out[1], dev)
        leaves, tree = flatten(new)
        _same_tree("scan", "carries", tree_c, tree)
        outs, tree_y = flatten(y)
        trees.append(tree_y)
        return (*leaves, *outs)

    closed = _close("scan", body, avals, dev)
    out = bind(
        scan_p,
        *closed.captures,
        *init,
        *rows,
        body=_open(closed),
        n_consts=len(closed.captures),
        n_carry=len(init),
        length=sizes.pop(),
        reverse=bool(reverse),
    )
    return unflatten(tree_c, out[: len(init)]), unflatten(trees[0], out[len(init) :])


def _predicate(name: str, value: Any, device: Any) -> Tensor:
    t = as_tensor(value.value if isinstance(value, Cell) else value)
    if t.aval.size != 1:
        raise ShapeError(
            f"[{name}] expected a condition of one element; got {t.aval!r}"
        )
    t = t if t.dtype is dt.bool_ else ne(t, 0)
    return t if t.shape == () else reshape_p(t, ())


def while_loop(
    cond: Callable[[Any], Any], body: Callable[[Any], Any], state: Any
) -> Any:
    """``while cond(state): state = body(state)``. No gradient flows through it.

    Parameters
    ----------
    cond : callable
        ``cond(state)`` is one bool (or number).
    body : callable
        ``body(state)`` of the same structure, shapes and dtypes.
    state : tree of tensors

    Raises
    ------
    GradError
        When a gradient reaches it: the number of steps is not known. Use `scan`.

    Examples
    --------
    >>> import helix_core as hx
    >>> while_loop(lambda n: n < 100, lambda n: n * 3, hx.tensor(1)).item()
    243
    """
    dev = _device_of(state)
    state = _tensors(state, dev)
    leaves, tree = flatten(state)
    avals = [t.aval for t in leaves]

    def step(*ts: Tensor) -> Any:
        out, got = flatten(_tensors(body(unflatten(tree, ts)), dev))
        _same_tree("while_loop", "states", tree, got)
        return tuple(out)

    def test(*ts: Tensor) -> Any:
        return _predicate("while_loop", cond(unflatten(tree, ts)), dev)

    c, b = (
        _close("while_loop", test, avals, dev),
        _close("while_loop", step, avals, dev),
    )
    out = bind(
        while_loop_p,
        *c.captures,
        *b.captures,
        *leaves,
        cond=_open(c),
        body=_open(b),
        n_cond=len(c.captures),
        n_body=len(b.captures),
    )
    return unflatten(tree, out)


def cond(
    pred: Any,
    true_fn: Callable[..., Any],
    false_fn: Callable[..., Any],
    *args: Any,
) -> Any:
    """``true_fn(*args) if pred else false_fn(*args)``, decided when it runs.

    Parameters
    ----------
    pred : Tensor or bool
        One element.
    true_fn, false_fn : callable
        Both are traced; they return the same structure, shapes and dtypes. One runs.
    *args : trees of tensors

    Examples
    --------
    >>> import helix_core as hx
    >>> x = hx.tensor(2.0)
    >>> cond(x > 1, lambda x: x * 10.0, lambda x: x, x).item()
    20.0
    """
    dev = _device_of(args, pred if isinstance(pred, Tensor) else ())
    flag = _predicate("cond", pred, dev)
    leaves, tree = flatten(_tensors(args, dev))
    avals = [t.aval for t in leaves]
    closed = [
        _close("cond", lambda *ts, fn=fn: fn(*unflatten(tree, ts)), avals, dev)
        for fn in (true_fn, false_fn)
    ]
    _same_tree("cond", "branches", closed[0].tree, closed[1].tree)
    graphs = [(_open(c), c.captures) for c in closed]
    return unflatten(closed[0].tree, cond_of(flag, leaves, *graphs))
