"""Nested tuples, lists and dicts of tensors: take them apart, and put them together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ._cell import Cell
from ._tensor import Tensor


def flatten(tree: Any) -> tuple[list[Any], Any]:
    """The Tensor and Cell leaves in order, and a definition to rebuild the rest.

    The definition is hashable when the other values are. Dicts keep their order.
    """
    leaves: list[Any] = []
    return leaves, _define(tree, leaves)


_LEAF = ("leaf",)


def _define(tree: Any, leaves: list[Any]) -> Any:
    if isinstance(tree, (Tensor, Cell)):
        leaves.append(tree)
        return _LEAF
    if isinstance(tree, dict):
        parts = tuple((k, _define(v, leaves)) for k, v in tree.items())
        return ("dict", parts)
    if isinstance(tree, (tuple, list)):
        parts = tuple(_define(v, leaves) for v in tree)
        return ("seq", type(tree), parts)
    return ("static", type(tree), tree)


def unflatten(definition: Any, leaves: Iterable[Any]) -> Any:
    """The tree of this definition with these leaves."""
    return _build(definition, iter(leaves))


def _build(d: Any, it: Iterator[Any]) -> Any:
    kind = d[0]
    if kind == "leaf":
        return next(it)
    if kind == "dict":
        return {k: _build(v, it) for k, v in d[1]}
    if kind == "seq":
        values = [_build(v, it) for v in d[2]]
        # a namedtuple takes its fields one by one
        return d[1](*values) if hasattr(d[1], "_fields") else d[1](values)
    return d[2]


def tree_map(fn: Callable[..., Any], tree: Any, *rest: Any) -> Any:
    """``fn`` on every leaf of trees of one structure.

    >>> import helix_core as hx
    >>> tree_map(lambda x: (x + 1).item(), {"a": hx.tensor(1), "b": [hx.tensor(2)]})
    {'a': 2, 'b': [3]}
    """
    leaves, definition = flatten(tree)
    others = [flatten(r)[0] for r in rest]
    for o in others:
        if len(o) != len(leaves):
            raise ValueError(
                f"[tree_map] expected trees of one structure; got {len(leaves)} and "
                f"{len(o)} leaves"
            )
    return unflatten(definition, [fn(*v) for v in zip(leaves, *others, strict=True)])
