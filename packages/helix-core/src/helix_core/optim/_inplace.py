"""Kernels that write over their inputs, where `exclusive` says that nobody can tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .._exclusive import exclusive as exclusive
from .._kernels import choose
from .._tensor import Tensor


def writer(
    name: str, tensors: Sequence[Tensor], attrs: dict[str, Any]
) -> Callable[..., Any] | None:
    """The kernel ``name.inplace`` of the tensors' device, if one accepts them.

    It takes what ``name`` takes, writes each result over the input that it replaces, and
    returns the results that replace none.
    """
    avals = tuple([t.aval for t in tensors])
    choice = choose(f"{name}.inplace", tensors[0].device, avals, attrs)
    kernel: Callable[..., Any] | None = choice.forward
    return kernel
