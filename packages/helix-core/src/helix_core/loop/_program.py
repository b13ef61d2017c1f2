"""The records of a loop program: what kernel backends render, and nothing else.

A program runs one *point* for every place of a parallel grid. A point does its
``prologue``, then its stages along one serial axis, then its ``epilogue``. Everything is
numbered scalar values in single assignment form; sizes are run-time integers, so one
program serves every shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

from .._errors import HelixError

MAX_WIDTH = 64

# scalar op -> number of operands; 30 kinds, the whole vocabulary
SCALAR_OPS: dict[str, int] = {
    # floats and integers; integers wrap, div and rem truncate towards zero
    "add": 2,
    "sub": 2,
    "mul": 2,
    "div": 2,
    "rem": 2,
    "min": 2,  # NaN if an operand is NaN
    "max": 2,
    "abs": 1,
    # floats
    "floor": 1,
    "round": 1,  # half to even
    "exp": 1,
    "log": 1,
    "sqrt": 1,
    "sin": 1,
    "cos": 1,
    "tanh": 1,
    "erf": 1,
    "pow": 2,
    # integers and bool
    "mulhi": 2,  # the upper 32 bits of a product of uint32
    "and": 2,
    "or": 2,
    "xor": 2,
    "not": 1,
    "shl": 2,  # counts lie within the width; shr of signed integers keeps the sign
    "shr": 2,
    # any
    "eq": 2,
    "lt": 2,
    "where": 3,
    "cast": 1,  # to integers truncates, of integers wraps, to bool is != 0
    "bitcast": 1,
}

# what is not arithmetic: name -> number of operands (None: it depends)
STRUCTURE: dict[str, int | None] = {
    "const": 0,  # attr: the number
    "size": 0,  # attr: the name of a size
    "axis": 0,  # attr: which grid axis
    "step": 0,  # position on the serial axis
    "block": 0,  # which block of the serial axis
    "lane": 0,  # 0 .. width - 1
    "state": 0,  # attr: which state
    "left": 0,  # attr: which state; of a reduction's combine
    "right": 0,
    "load": None,  # (index,) or (index, gate, other); attr: the argument
    "store": None,  # (index, value) or (index, value, gate); attr: (argument, mode)
    "get": 0,  # attr: the scratch, at this step
    "put": 1,  # attr: the scratch, at this step
    "sum_lanes": 1,  # over the width
    "sum_group": 1,  # over the points of the group, the same in each of them
}

INDEX = "index"  # int32, or int64 where memory is larger: the backend decides


class LoopError(HelixError, ValueError):
    """A loop program is malformed, or may reach outside of its memory."""


@dataclass(frozen=True, slots=True)
class Value:
    """One scalar, or ``width`` of them side by side (lanes).

    Attributes
    ----------
    op : str
        Of `SCALAR_OPS` or `STRUCTURE`.
    dtype : str
        The name of a dtype, ``"index"``, or ``"none"`` for stores and puts.
    args : tuple of int
        Earlier values; those of width 1 are spread over the lanes.
    """

    op: str
    dtype: str
    args: tuple[int, ...] = ()
    attr: Any = None
    width: int = 1


@dataclass(frozen=True, slots=True)
class Argument:
    """Memory that a caller passes: a flat view of elements.

    ``mode`` is ``"in"``, ``"out"`` or ``"inout"``. Index 0 is the view's first element;
    a caller that passes a view with negative strides passes an offset too.
    """

    name: str
    dtype: str
    mode: str


@dataclass(frozen=True, slots=True)
class State:
    """What a reduction or a scan carries along the serial axis."""

    dtype: str
    width: int
    init: int  # a value of the prologue, or of its stage's head


@dataclass(frozen=True, slots=True)
class Scratch:
    """Private memory of a point: ``width`` numbers for each step of a block."""

    name: str
    dtype: str
    width: int


@dataclass(frozen=True, slots=True)
class Stage:
    """One pass over the serial axis (or over the present block of it).

    Attributes
    ----------
    kind : str
        ``"map"``: steps are independent. ``"reduce"``: steps are independent but for the
        states, which are combined in any grouping. ``"scan"``: in order.
    head : tuple of int
        Values computed before the first step.
    body : tuple of int
        Values computed at each step, in this order.
    reverse : bool
        From the last step to the first.
    states : tuple of int
        Positions in ``LoopProgram.states``.
    updates : tuple of int
        Of a scan: the next value of each state, all assigned at the end of the step.
        Of a reduction: the element that is combined into each state.
    combine : tuple of int
        Of a reduction: values in terms of ``left`` and ``right``, in order.
    combined : tuple of int
        Of a reduction: the result for each state, values of ``combine``.
    restart : bool
        States begin anew with each block; else with the first.
    """

    kind: str
    head: tuple[int, ...]
    body: tuple[int, ...]
    reverse: bool = False
    states: tuple[int, ...] = ()
    updates: tuple[int, ...] = ()
    combine: tuple[int, ...] = ()
    combined: tuple[int, ...] = ()
    restart: bool = False


@dataclass(frozen=True)
class LoopProgram:
    """A kernel without a language.

    Attributes
    ----------
    name : str
        An identifier.
    args : tuple of Argument
        In the order in which they are passed.
    sizes : tuple of str
        Names of run-time integers (extents, strides), in the order they are passed.
    grid : tuple of str
        The sizes that are the extents of the parallel axes; the last one is the one
        whose neighbours should be neighbours in memory.
    serial : str or None
        The size that is the length of the serial axis.
    block : int or None
        Steps of a block: all stages run over one block, each in its own direction,
        before the next block. The last block may be shorter.
    reverse : bool
        Blocks run from the last to the first.
    group : int
        Neighbours on the last grid axis among which ``sum_group`` sums; the last group
        may be smaller.
    values : tuple of Value
    states : tuple of State
        Read after their stage, they are final.
    scratch : tuple of Scratch
    prologue, epilogue : tuple of int
        Values computed once, before the first and after the last stage.
    stages : tuple of Stage
    """

    name: str
    args: tuple[Argument, ...]
    sizes: tuple[str, ...]
    grid: tuple[str, ...]
    serial: str | None
    block: int | None
    reverse: bool
    group: int
    values: tuple[Value, ...]
    states: tuple[State, ...]
    scratch: tuple[Scratch, ...]
    prologue: tuple[int, ...]
    stages: tuple[Stage, ...]
    epilogue: tuple[int, ...]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the program, in hexadecimal: a key for caches."""
        return sha256(repr(self).encode()).hexdigest()

    @cached_property
    def argument(self) -> dict[str, Argument]:
        return {a.name: a for a in self.args}

    @property
    def stored(self) -> dict[str, str]:
        """How each written argument is written: ``"set"`` or ``"add"``."""
        return {v.attr[0]: v.attr[1] for v in self.values if v.op == "store"}

    def __str__(self) -> str:
        from ._print import text

        return text(self)
