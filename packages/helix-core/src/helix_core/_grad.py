"""``grad``, ``value_and_grad``, ``vjp``, ``checkpoint``: differentiation for programs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import _ops as ops
from ._cell import Cell
from ._composite import COMPOSITES, Composite
from ._device import default_device
from ._errors import GradError
from ._primitives.movement import identity_p
from ._state import STATE, free_level, open_level, scope, take_level
from ._tape import Mark, walk
from ._tensor import Tensor
from ._trace import close
from ._tree import flatten, unflatten


def _mark(t: Any, bit: int) -> Tensor:
    """The same value as the start of a level: a node that the walk stops at."""
    t = t.value if isinstance(t, Cell) else t
    s = STATE.get()
    mask = bit
    if t.node is not None:
        mask |= t.node.mask & s.active
    token = s.trace.token if s.trace is not None else None
    if not t.aval.dtype.inexact:
        raise GradError(
            f"[grad] expected float or complex tensors to differentiate; got {t.aval}"
        )
    node = Mark(identity_p, (t,), {}, (t.aval,), mask, t.device, token)
    return Tensor(t.buffer, t.aval, t.device, node)


def _drop(t: Any, bit: int) -> Any:
    """Cut what only the closed level needed."""
    traced = not isinstance(t, Tensor) or t.node is None or t.buffer is None
    return t if traced or t.node.mask & ~bit else Tensor(t.buffer, t.aval, t.device)


def _cells_once(leaves: list[Any]) -> list[int]:
    """For each leaf the first position of the same cell: a tied weight is one input."""
    first: dict[int, int] = {}
    return [
        first.setdefault(id(x), i) if isinstance(x, Cell) else i
        for i, x in enumerate(leaves)
    ]


def value_and_grad(fn: Callable[..., Any], has_aux: bool = False) -> Callable[..., Any]:
    """``(value, gradient)`` of a scalar function with respect to its first argument.

    Parameters
    ----------
    fn : callable
        ``fn(tree, *args) -> loss`` or, with ``has_aux``, ``(loss, aux)``; the tree is
        any nesting of tuples, lists and dicts of Tensors or Parameters.

    Returns
    -------
    callable
        ``(*args) -> (value, grads)`` (``((value, aux), grads)`` with ``has_aux``);
        ``grads`` has the structure of the first argument. A cell that appears twice is
        one input: each place gets its whole gradient. For complex inputs the gradient
        is that of JAX (d loss / d re - i d loss / d im).

    Examples
    --------
    >>> import helix_core as hx
    >>> value_and_grad(lambda x: (x * x).sum())(hx.tensor([1.0, 2.0]))[1].tolist()
    [2.0, 4.0]
    """

    def run(first: Any, *rest: Any, **kw: Any) -> Any:
        leaves, tree = flatten(first)
        where = _cells_once(leaves)
        with open_level() as bit:
            marks: list[Any] = []
            for i, t in enumerate(leaves):
                marks.append(_mark(t, bit) if where[i] == i else marks[where[i]])
            out = fn(unflatten(tree, marks), *rest, **kw)
            y, aux = out if has_aux else (out, None)
            y = y.value if isinstance(y, Cell) else y
            if not isinstance(y, Tensor) or y.shape != ():
                got = y.aval if isinstance(y, Tensor) else type(y).__name__
                raise GradError(f"[grad] expected a loss of shape (); got {got}")
            if y.dtype.category != "float":
                raise GradError(f"[grad] expected a real loss; got {y.aval}")
            found = walk([(y, ops.ones_like(y))], bit, [m.node for m in marks])
            grads = [found.get(m.node) for m in marks]
            grads = [
                ops.zeros_like(m) if g is None else _drop(g, bit)
                for g, m in zip(grads, marks, strict=True)
            ]
            value = _drop(y, bit)
            if has_aux:
                aux_leaves, aux_tree = flatten(aux)
                aux = unflatten(aux_tree, [_drop(a, bit) for a in aux_leaves])
                value = (value, aux)
            return value, unflatten(tree, grads)

    return run


def grad(fn: Callable[..., Any], has_aux: bool = False) -> Callable[..., Any]:
    """The gradient half of `value_and_grad` (with ``has_aux``: ``(grads, aux)``).

    >>> import helix_core as hx
    >>> grad(grad(lambda x: x * x * x))(hx.tensor(2.0)).item()
    12.0
    """
    both = value_and_grad(fn, has_aux)

    def run(*args: Any, **kw: Any) -> Any:
        value, grads = both(*args, **kw)
        return (grads, value[1]) if has_aux else grads

    return run


class Pullback:
    """What `vjp` returns: cotangents of the outputs to cotangents of the inputs."""

    def __init__(self, outs: list[Any], marks: list[Any], single: bool, bit: int):
        self._outs, self._marks, self._single, self._bit = outs, marks, single, bit

    def __call__(self, cts: Any) -> Any:
        grads = self.reached(cts)
        with scope(active=STATE.get().active & ~self._bit):
            out = tuple(
                ops.zeros_like(m) if g is None else g
                for g, m in zip(grads, self._marks, strict=True)
            )
        return out[0] if self._single else out

    def reached(self, cts: Any) -> list[Any]:
        """One gradient per input, None where nothing arrived."""
        given, _ = flatten(cts) if not _flat(cts) else (list(cts), None)
        if len(given) != len(self._outs):
            raise GradError(
                f"[vjp] expected {len(self._outs)} cotangents; got {len(given)}"
            )
        pairs = []
        for y, ct in zip(self._outs, given, strict=True):
            if ct is None:
                continue
            if ct.shape != y.shape:
                raise GradError(
                    f"[vjp] expected a cotangent of shape {y.shape}; got {ct.shape}"
                )
            pairs.append((y, ct))
        found = walk(pairs, self._bit, [m.node for m in self._marks])
        grads = [found.get(m.node) for m in self._marks]
        return [None if g is None else _drop(g, self._bit) for g in grads]

    def __del__(self) -> None:
        free_level(self._bit)


def _flat(cts: Any) -> bool:
    return isinstance(cts, tuple) and all(
        c is None or isinstance(c, Tensor) for c in cts
    )


def vjp(fn: Callable[..., Any], *xs: Any) -> tuple[Any, Pullback]:
    """The value of ``fn(*xs)`` and its pullback.

    Parameters
    ----------
    fn : callable
        Of tensors; returns a tensor or a tuple of tensors.

    Returns
    -------
    value
        What ``fn`` returned.
    pullback : callable
        Cotangents (of the value's structure; None for zero) to one gradient per input:
        a tensor for one input, else a tuple. May be called several times.

    Examples
    --------
    >>> import helix_core as hx
    >>> y, pull = vjp(lambda x: x * x, hx.tensor(3.0))
    >>> pull(hx.tensor(1.0)).item()
    6.0
    """
    bit = take_level()
    try:
        with scope(active=STATE.get().active | bit):
            marks = [_mark(t, bit) for t in xs]
            y = fn(*marks)
    except BaseException:
        free_level(bit)
        raise
    outs, tree = flatten(y)
    outs = [o.value if isinstance(o, Cell) else o for o in outs]
    pull = Pullback(outs, marks, len(marks) == 1, bit)
    return unflatten(tree, [_drop(o, bit) for o in outs]), pull


def checkpoint(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Run ``fn`` without keeping its intermediate values; compute them again backward.

    What ``fn`` uses from outside (parameters, tensors, the random state) gets its
    gradient and its value as usual; a dropout mask is the same in both passes.

    Examples
    --------
    >>> import helix_core as hx
    >>> block = checkpoint(lambda x: hx.exp(x) * x)
    >>> round(hx.grad(lambda x: block(x).sum())(hx.tensor([0.0])).item(), 3)
    1.0
    """

    def run(*args: Any) -> Any:
        leaves, tree_in = flatten(args)
        leaves = [a.value if isinstance(a, Cell) else a for a in leaves]
        dev = leaves[0].device if leaves else default_device()
        closed = close(
            lambda *ts: fn(*unflatten(tree_in, ts)), [a.aval for a in leaves], dev
        )
        out = CHECKPOINT(*leaves, *closed.captures, body=closed.graph)
        n = closed.n_out
        rest = iter(out[n:])
        for cell, live in zip(closed.cells_out, closed.live, strict=True):
            cell.value = next(rest) if live else None
        return unflatten(closed.tree, out[:n])

    return run


# the inputs alone are kept; the backward pass runs the body again
CHECKPOINT = COMPOSITES["checkpoint"] = Composite(
    "checkpoint", lambda *ts, body: body.replay(*ts), opaque=True
)
