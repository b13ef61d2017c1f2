"""Composites: named functions with a default body, and kernels that may replace it.

A composite is correct everywhere through its body of primitives, and fast where someone
wrote a kernel. Forward-with-residuals and backward are themselves composites,
``name.fwd`` and ``name.bwd``: residuals are ordinary outputs, so kernels need no
pairing and plans treat them like anything else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._aval import Aval
from ._cell import Cell
from ._device import Device
from ._errors import HelixError
from ._kernels import Choice, choose
from ._primitive import check_concrete, mixed_devices, raise_unhashable, tape_node
from ._state import STATE, scope
from ._tensor import Tensor
from ._trace import close

COMPOSITES: dict[str, Composite] = {}


class Composite:
    """A function of tensors with a body in primitives.

    Parameters
    ----------
    name : str
    default : callable
        ``default(*tensors, **attrs) -> Tensor | tuple``.
    fwd : callable, optional
        ``fwd(*tensors, **attrs) -> tuple``: the outputs, then residuals.
    bwd : callable, optional
        ``bwd(inputs, outputs, residuals, cts, **attrs) -> grads``, one per input;
        None for no gradient. Without them the tape differentiates the body.
    reads_inputs : tuple of int, optional
        The inputs that ``bwd`` uses; default all. Others are not kept alive, and
        ``inputs`` holds these only.
    reads_outputs : bool
        False where ``bwd`` does not use the outputs: they are not kept alive then, and
        ``outputs`` is empty.
    opaque : bool
        Keep the inputs only, and recompute the body in the backward pass.
    infer : callable, optional
        ``infer(*avals, **attrs)``, the Aval of the result or a tuple of them. For
        composites whose shapes change from call to call: otherwise the body is traced
        once for each.

    Kernels for ``name``, ``name.fwd`` and ``name.bwd`` are found by name. ``name.bwd``
    takes ``(*inputs, *outputs, *residuals, *cts)``, those that it reads, and returns the
    gradients of the inexact inputs.
    """

    category = "COMPOSITE"
    reads_out = True
    pulls = None
    made_from: tuple[Composite, str, Any] | None = None  # of name.fwd and name.bwd

    def __init__(
        self,
        name: str,
        default: Callable[..., Any],
        fwd: Callable[..., Any] | None = None,
        bwd: Callable[..., Any] | None = None,
        reads_inputs: tuple[int, ...] | None = None,
        reads_outputs: bool = True,
        opaque: bool = False,
        infer: Callable[..., Any] | None = None,
    ) -> None:
        self.name = name
        self.default = default
        self.infer_rule = infer
        self.bwd_rule = bwd
        self.reads_inputs = reads_inputs
        self.reads_outputs = reads_outputs
        self.opaque = opaque
        self.fwd = _Forward(self, fwd) if fwd is not None else None
        self._infer: dict[Any, tuple[tuple[Aval, ...], bool]] = {}
        self._bodies: dict[Any, Any] = {}
        self._bwd: dict[Any, Composite] = {}

    def __repr__(self) -> str:
        return self.name

    # ------------------------------------------------------------- shapes and bodies
    def body(self, avals: tuple[Aval, ...], attrs: dict[str, Any], device: Any) -> Any:
        """The default body as a closed graph, memoised by avals and attributes."""
        key = (avals, *attrs.items(), device)
        hit = self._bodies.get(key)
        if hit is None:
            with scope(compute="float32"):  # a body obeys its attributes alone
                closed = close(lambda *t: self.default(*t, **attrs), avals, device)
            if len(self._bodies) > 4096:
                self._bodies.clear()
            hit = self._bodies[key] = closed
        return hit

    def avals(self, key: Any, avals: Any, attrs: dict[str, Any]) -> tuple[Aval, ...]:
        return self.infer(avals, attrs)[0]

    def infer(
        self, avals: tuple[Aval, ...], attrs: dict[str, Any]
    ) -> tuple[tuple[Aval, ...], bool]:
        """Output avals, and whether a tuple is returned."""
        key = (avals, *attrs.items())
        try:
            hit = self._infer.get(key)
        except TypeError as e:
            raise_unhashable(self.name, attrs, e)
        if hit is None:
            hit = self._shapes(avals, attrs)
            if len(self._infer) > 20_000:  # a service that sees every shape once
                self._infer.clear()
            self._infer[key] = hit
        return hit

    def _shapes(
        self, avals: tuple[Aval, ...], attrs: dict[str, Any]
    ) -> tuple[tuple[Aval, ...], bool]:
        if self.infer_rule is not None:
            found = self.infer_rule(*avals, **attrs)
            multi = isinstance(found, tuple)
            return (found if multi else (found,)), multi
        closed = self.body(avals, attrs, STATE.get().device or Device("numpy"))
        g = closed.graph
        return tuple([g.avals[v] for v in g.outputs]), closed.tree[0] == "seq"

    # ------------------------------------------------------------------------- calls
    def __call__(self, *xs: Any, **attrs: Any) -> Any:
        args = tuple([x.value if isinstance(x, Cell) else x for x in xs])
        s = STATE.get()
        if self.fwd is not None and _tracked(args, s.active):
            out = self.fwd._run(args, attrs, s)
            n_out, multi = self.fwd.n_out(args, attrs)
            return out[:n_out] if multi else out[0]
        return self._run(args, attrs, s)

    def _run(self, args: tuple[Tensor, ...], attrs: dict[str, Any], s: Any) -> Any:
        if s.trace is not None:
            dev = s.trace.device
            with scope(device=dev):
                multi = self.infer(tuple([a.aval for a in args]), attrs)[1]
                return s.trace.record(self, args, attrs, multi)
        if args:
            dev = args[0].device
            for a in args:
                if a.device is not dev:
                    mixed_devices(self.name, args)
        else:
            dev = s.device or Device("cpu")
        avals = tuple([a.aval for a in args])
        try:
            choice = choose(self.name, dev, avals, attrs)
        except TypeError as e:
            raise_unhashable(self.name, attrs, e)
        tracked = _tracked(args, s.active)
        if choice.kernel == "default":
            if not tracked or not (self.opaque or self._has_rule()):
                with scope(device=dev, compute="float32"):
                    return self.default(*args, **attrs)
            with scope(device=dev, active=0, compute="float32"):
                out = self.default(*args, **attrs)
            multi = isinstance(out, tuple)
            outs = out if multi else (out,)
            bufs = tuple([t.buffer for t in outs])
            out_avals = tuple([t.aval for t in outs])
        else:
            with scope(device=dev, trace=None):
                out_avals, multi = self.infer(avals, attrs)
            bufs = call_kernel(choice, dev, args, attrs)
        mask = 0
        if tracked:
            for a in args:
                if a.node is not None:
                    mask |= a.node.mask
            mask &= s.active
            node = tape_node(self, args, bufs, out_avals, attrs, mask, dev)
            outs = tuple(
                [
                    Tensor(b, a, dev, node if a.dtype.inexact else None, i)
                    for i, (b, a) in enumerate(zip(bufs, out_avals, strict=True))
                ]
            )
        else:
            outs = tuple(
                [Tensor(b, a, dev) for b, a in zip(bufs, out_avals, strict=True)]
            )
        return outs if multi else outs[0]

    def backward_for(self, inexact: tuple[bool, ...], n_out: int, n_res: int) -> Any:
        """``name.bwd`` for these inputs, outputs read, and residuals."""
        key = (inexact, n_out, n_res)
        hit = self._bwd.get(key)
        if hit is None:
            hit = self._bwd[key] = _make_backward(self, *key)
        return hit

    def _has_rule(self) -> bool:
        return False

    # --------------------------------------------------------------------- gradients
    def saves(self, wanted: Any, n_out: int) -> tuple[Any, Any]:
        return (True,) * len(wanted), (False,) * n_out

    def vjp(
        self, inputs: Any, outputs: Any, cts: Any, wanted: Any, **attrs: Any
    ) -> tuple[Any, ...]:
        """Differentiate the body, computing it again."""
        return _recompute(self, inputs, cts, wanted, attrs)


class _Forward(Composite):
    """``name.fwd``: outputs and residuals of its owner; knows the backward rule."""

    def __init__(self, owner: Composite, fwd: Callable[..., Any]) -> None:
        self.owner = owner
        super().__init__(f"{owner.name}.fwd", fwd)
        self.made_from = owner, "fwd", None
        self._n_out: dict[Any, tuple[int, bool]] = {}

    def n_out(self, args: Any, attrs: dict[str, Any]) -> tuple[int, bool]:
        """How many outputs are the owner's, and whether it returns a tuple."""
        avals = tuple([a.aval for a in args])
        key = (avals, *attrs.items())
        hit = self._n_out.get(key)
        if hit is None:
            dev = args[0].device if args else Device("numpy")
            with scope(device=dev, trace=None):
                out, multi = self.owner.infer(avals, attrs)
            if len(self._n_out) > 20_000:
                self._n_out.clear()
            hit = self._n_out[key] = len(out), multi
        return hit

    def _has_rule(self) -> bool:
        return True

    def saves(self, wanted: Any, n_out: int) -> tuple[Any, Any]:
        read = self.owner.reads_inputs
        ins = tuple([read is None or i in read for i in range(len(wanted))])
        return ins, (True,) * n_out

    def vjp(
        self, inputs: Any, outputs: Any, cts: Any, wanted: Any, **attrs: Any
    ) -> tuple[Any, ...]:
        n, _ = self.n_out(inputs, attrs)
        rule = self.owner.bwd_rule
        if rule is None or any(c is not None for c in cts[n:]):
            # a second derivative reached the residuals: only the body knows them
            return _recompute(self, inputs, cts, wanted, attrs)
        outs = outputs[:n] if self.owner.reads_outputs else ()
        read = self.owner.reads_inputs
        ins = inputs if read is None else tuple([inputs[i] for i in read])
        filled = _fill(cts[:n], outputs[:n])
        residuals = outputs[n:]
        inexact = tuple([x.aval.dtype.inexact for x in inputs])
        bwd = self.owner.backward_for(inexact, len(outs), len(residuals))
        grads = list(bwd(*ins, *outs, *residuals, *filled, **attrs))
        grads.reverse()
        return tuple([grads.pop() if f else None for f in inexact])


def _make_backward(
    owner: Composite, inexact: tuple[bool, ...], n_out: int, n_res: int
) -> Composite:
    rule, read = owner.bwd_rule, owner.reads_inputs
    assert rule is not None
    n_in = len(inexact) if read is None else len(read)
    place = range(len(inexact)) if read is None else read

    def body(*flat: Tensor, **attrs: Any) -> tuple[Any, ...]:
        from ._ops import zeros_like

        a, b = n_in + n_out, n_in + n_out + n_res
        xs = flat[:n_in]
        grads = rule(xs, flat[n_in:a], flat[a:b], flat[b:], **attrs)
        given = dict(zip(place, xs, strict=True))
        out = []
        for i, (g, wanted) in enumerate(zip(grads, inexact, strict=True)):
            if wanted and g is None:
                out.append(zeros_like(given[i]))
            elif wanted:
                out.append(_fit(g, given[i]) if i in given else g)
        return tuple(out)

    made = Composite(f"{owner.name}.bwd", body)
    made.made_from = owner, "bwd", (inexact, n_out, n_res)
    return made


def _fit(g: Tensor, x: Tensor) -> Tensor:
    from ._tape import unbroadcast

    return g if g.aval is x.aval else unbroadcast(g, x.aval)


def _fill(cts: Any, outputs: Any) -> tuple[Tensor, ...]:
    from ._ops import zeros_like

    return tuple(
        [zeros_like(y) if c is None else c for c, y in zip(cts, outputs, strict=True)]
    )


def _tracked(args: tuple[Tensor, ...], active: int) -> bool:
    return any(a.node is not None and a.node.mask & active for a in args)


def _recompute(
    op: Composite, inputs: Any, cts: Any, wanted: Any, attrs: dict[str, Any]
) -> tuple[Any, ...]:
    from ._grad import vjp
    from ._ops import barrier

    live = [c for c in cts if c is not None]
    if op.opaque and live:
        # the recomputation may not start before the cotangents exist
        tied = barrier(*inputs, *live)
        inputs, fresh = tied[: len(inputs)], iter(tied[len(inputs) :])
        cts = tuple([None if c is None else next(fresh) for c in cts])
    which = [i for i, w in enumerate(wanted) if w]

    def fn(*some: Tensor) -> Any:
        full = list(inputs)
        for i, t in zip(which, some, strict=True):
            full[i] = t
        out = op.default(*full, **attrs)
        return out if isinstance(out, tuple) else (out,)

    _, pull = vjp(fn, *[inputs[i] for i in which])
    out: list[Any] = [None] * len(inputs)
    # None and not zeros where nothing arrives: a residual without a cotangent leaves
    # the backward rule in force
    for i, g in zip(which, pull.reached(tuple(cts)), strict=True):
        out[i] = g
    return tuple(out)


def call_kernel(
    choice: Choice, dev: Any, args: tuple[Tensor, ...], attrs: dict[str, Any]
) -> tuple[Any, ...]:
    try:
        bufs = choice.forward(dev, *[a.buffer for a in args], **attrs)
    except HelixError:
        raise
    except Exception:
        check_concrete(choice.kernel.op, args)
        raise
    return bufs if isinstance(bufs, tuple) else (bufs,)


def composite(
    name: str,
    *,
    fwd: Callable[..., Any] | None = None,
    bwd: Callable[..., Any] | None = None,
    **kw: Any,
) -> Callable[[Callable[..., Any]], Composite]:
    """Decorator that registers a function of tensors as a composite.

    >>> import helix_core as hx
    >>> @composite("doctest_square")
    ... def square(x):
    ...     return x * x
    >>> square(hx.tensor([3.0])).tolist()
    [9.0]
    """

    def wrap(fn: Callable[..., Any]) -> Composite:
        if name in COMPOSITES:
            raise ValueError(f"[composite] {name!r} is declared twice")
        c = COMPOSITES[name] = Composite(name, fwd=fwd, bwd=bwd, default=fn, **kw)
        c.__doc__ = fn.__doc__
        return c

    return wrap
