"""``Primitive`` records, their registry, and ``bind``: how an op is run or recorded.

A primitive is declared once, in ``_primitives/``: name, category, shape-and-dtype rule,
derivative written in primitives. A backend supplies a lowering per primitive; one that
is missing is decomposed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from ._aval import Aval
from ._errors import DeviceError, HelixError, OutOfMemory, TraceError
from ._fallback import elsewhere
from ._state import STATE
from ._tape import Node, ghost
from ._tensor import Tensor

CATEGORIES = frozenset(
    "ELEMENTWISE MOVEMENT REDUCE SCAN CONTRACT INDEX SORT RANDOM FFT CREATE CONTROL "
    "TRANSFER HOST".split()
)
PRIMITIVES: dict[str, Primitive] = {}


class Primitive:
    """One operation that backends implement.

    Parameters
    ----------
    name : str
    category : str
        One of ``CATEGORIES``: all that fusion, recompute policy and scheduler look at.
    infer : callable
        ``infer(*avals, **attrs) -> tuple[Aval, ...]``. The only place that raises
        shape and dtype errors. Memoised: attributes are hashable.
    vjp : callable or None
        ``vjp(inputs, outputs, cts, wanted, **attrs) -> grads``, one per input, None
        where not wanted. An unused ct is None. Written in primitives.
    decompose : callable or None
        ``decompose(*tensors, **attrs)``: the same in other primitives.
    required : bool
        A backend must supply it.
    multi : bool
        Returns a tuple.
    reads : tuple of tuple of int, or None
        Per input (the last entry repeats): what its gradient reads, ``k`` for input k
        and ``~k`` for output k. None: everything. What is not read is not kept alive.
    pulls : tuple of callable, or None
        Of a primitive with one output and no attributes: one rule per input,
        ``pull(ct, *inputs, output) -> grad``. Only the wanted ones are called, and
        ``vjp`` is made of them.
    """

    __slots__ = (
        "_memo",
        "_saves",
        "category",
        "decompose",
        "infer",
        "multi",
        "name",
        "pulls",
        "reads",
        "reads_out",
        "required",
        "vjp",
    )

    def __init__(
        self,
        name: str,
        category: str,
        infer: Callable[..., tuple[Aval, ...]],
        vjp: Callable[..., Any] | None = None,
        decompose: Callable[..., Any] | None = None,
        required: bool = False,
        multi: bool = False,
        reads: tuple[tuple[int, ...], ...] | None = None,
        pulls: tuple[Callable[..., Any], ...] | None = None,
    ) -> None:
        if category not in CATEGORIES:
            raise ValueError(f"[primitive] unknown category {category!r} of {name!r}")
        self.name, self.category, self.infer = name, category, infer
        self.vjp = vjp if pulls is None else _vjp_of(pulls)
        self.pulls = pulls
        self.decompose, self.required, self.multi = decompose, required, multi
        self.reads = reads
        # whether any gradient reads an output, or several cotangents need their avals
        self.reads_out = reads is None or multi or any(k < 0 for r in reads for k in r)
        self._memo: dict[Any, tuple[Aval, ...]] = {}
        self._saves: dict[Any, tuple[tuple[bool, ...], tuple[bool, ...]]] = {}

    def __repr__(self) -> str:
        return self.name

    def avals(self, key: tuple[Any, ...], avals: Any, attrs: Any) -> tuple[Aval, ...]:
        """Memoised ``infer``."""
        out = self._memo.get(key)
        if out is None:
            out = self.infer(*avals, **attrs)
            if len(self._memo) > 20_000:  # a service that sees every shape once
                self._memo.clear()
            self._memo[key] = out
        return out

    def saves(
        self, wanted: tuple[bool, ...], n_out: int
    ) -> tuple[tuple[bool, ...], tuple[bool, ...]]:
        """Which inputs and outputs must stay alive for these wanted gradients."""
        hit = self._saves.get((wanted, n_out))
        if hit is None:
            n_in = len(wanted)
            if self.reads is None:
                hit = (True,) * n_in, (True,) * n_out
            else:
                read: set[int] = set()
                for i, w in enumerate(wanted):
                    if w and self.reads:
                        read |= set(self.reads[min(i, len(self.reads) - 1)])
                hit = (
                    tuple(i in read for i in range(n_in)),
                    tuple(~i in read for i in range(n_out)),
                )
            self._saves[wanted, n_out] = hit
        return hit


def _vjp_of(pulls: tuple[Callable[..., Any], ...]) -> Callable[..., Any]:
    def vjp(inputs: Any, outputs: Any, cts: Any, wanted: Any) -> tuple[Any, ...]:
        return tuple(
            [
                pull(cts[0], *inputs, outputs[0]) if w else None
                for pull, w in zip(pulls, wanted, strict=True)
            ]
        )

    return vjp


def primitive(name: str, category: str, infer: Any, vjp: Any = None, **kw: Any) -> Any:
    """Declare a primitive; see `Primitive`."""
    if name in PRIMITIVES:
        raise ValueError(f"[primitive] {name!r} is declared twice")
    PRIMITIVES[name] = p = Primitive(name, category, infer, vjp, **kw)
    return p


def bind(prim: Primitive, *args: Tensor, device: Any = None, **attrs: Any) -> Any:
    """Run a primitive, or record it when a trace is active.

    Parameters
    ----------
    *args : Tensor
        All on one device, dtypes already promoted.
    device : Device, optional
        Where to run a primitive without inputs; default the current one.

    Returns
    -------
    Tensor, or tuple of Tensor where ``prim.multi``
    """
    s = STATE.get()
    if s.trace is not None:
        return s.trace.record(prim, args, attrs, prim.multi)
    mask = 0
    if args:
        dev = args[0].device
        for a in args:
            if a.device is not dev:
                mixed_devices(prim.name, args)
            if a.node is not None:
                mask |= a.node.mask
        mask &= s.active
    else:
        dev = device or s.device or _default_device()
    key = (*[a.aval for a in args], *attrs.items())
    try:
        avals = prim._memo.get(key)
    except TypeError as e:
        raise_unhashable(prim.name, attrs, e)
    if avals is None:
        avals = prim.avals(key, tuple([a.aval for a in args]), attrs)
    try:
        out = dev.table[prim.name](dev, *[a.buffer for a in args], **attrs)
    except HelixError as e:
        out = elsewhere(e, prim, dev, [a.buffer for a in args], attrs, avals)
    except MemoryError as e:
        raise no_room(prim.name, avals, dev) from e
    except Exception:
        check_concrete(prim.name, args)
        raise
    if prim.category == "TRANSFER":
        dev = attrs["target"]
    node: Any = None
    if mask and prim.vjp is not None:
        outs = out if prim.multi else (out,)
        node = tape_node(prim, args, outs, avals, attrs, mask, dev)
    if not prim.multi:
        aval = avals[0]
        return Tensor(out, aval, dev, node if aval.dtype.inexact else None)
    return tuple(
        [
            Tensor(b, a, dev, node if a.dtype.inexact else None, i)
            for i, (b, a) in enumerate(zip(out, avals, strict=True))
        ]
    )


def tape_node(
    op: Any, args: Any, out: Any, avals: Any, attrs: Any, mask: int, dev: Any
) -> Node:
    """A tape node that keeps alive only what the op's gradient reads."""
    wanted = tuple([a.node is not None and a.node.mask & mask != 0 for a in args])
    keep_in, keep_out = op.saves(wanted, len(out))
    inputs = tuple([a if k else ghost(a) for a, k in zip(args, keep_in, strict=True)])
    outs: Any = None
    if True in keep_out:
        outs = tuple([b if k else None for b, k in zip(out, keep_out, strict=True)])
    return Node(op, inputs, attrs, avals, mask, outs, dev)


def _default_device() -> Any:
    from ._device import default_device

    return default_device()


def mixed_devices(name: str, args: Any) -> None:
    names = [a.device.name for a in args]
    raise DeviceError(
        f"[{name}] expected tensors on one device; got {', '.join(names)}. "
        f"Hint: move one with x.to({names[0]!r})"
    )


def no_room(name: str, avals: tuple[Aval, ...], dev: Any) -> OutOfMemory:
    """The error of an op whose result a host library had no memory for."""
    size = sum(a.nbytes for a in avals)
    return OutOfMemory(
        f"[{name}] expected room for {size} bytes on {dev.name!r}, for "
        f"{', '.join(map(repr, avals))}. Hint: a smaller batch, or let go of tensors"
    )


def raise_unhashable(name: str, attrs: dict[str, Any], error: TypeError) -> NoReturn:
    """Name the attribute that made ``error``; raise it again if that was none."""
    for k, v in attrs.items():
        try:
            hash(v)
        except TypeError:
            raise TypeError(
                f"[{name}] expected hashable attributes; got {k}={v!r}. "
                "Hint: a tuple instead of a list"
            ) from None
    raise error


def check_concrete(name: str, args: Any) -> None:
    for i, a in enumerate(args):
        if a.buffer is None:
            raise TraceError(
                f"[{name}] expected tensors with values; input {i} of type {a.aval} is "
                "a traced tensor that left its trace (or one that a gradient rule "
                "reads without declaring it). Hint: return it from the traced function"
            ) from None
