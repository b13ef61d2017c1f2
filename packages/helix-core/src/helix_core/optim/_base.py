"""What all optimizers share: state in cells, a pure ``update``, ``step`` around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from .. import _ops as ops
from .._cell import Cell, Parameter
from .._composite import Composite
from .._errors import HelixError
from .._indexing import take
from .._state import STATE, no_grad
from .._tensor import Tensor
from ._groups import as_groups
from ._inplace import exclusive, writer
from ._rule import lists, wide_dtype

State = dict[str, Any]


class OptimizerError(HelixError, ValueError):
    """Parameters, settings or state do not fit an optimizer."""


class Optimizer:
    """Base of optimizers: subclasses say what happens to one parameter.

    Parameters
    ----------
    params : Module, iterable of Parameter, or sequence of Group
        Each parameter once; frozen ones are left out.
    lr : float
        Learning rate; ``optimizer.lr = x`` changes it, also for a traced step.
    weight_decay : float
        For parameters outside of groups, and groups that name none.

    Attributes
    ----------
    parameters : list of Parameter
    rule : Composite
        The update, from `update_rule`.
    slots : tuple of str
        What it keeps for each parameter: zeros at first, shaped like it.

    Notes
    -----
    Learning rate and step counts are tensors in cells: a traced step reads them anew at
    each call. A parameter that no gradient reached is left alone, and its step count
    too. All parameters of one dtype are one call, and where a kernel can and nobody else
    holds the values, they are overwritten in place.

    Examples
    --------
    >>> import helix_core as hx
    >>> from helix_core.optim import Optimizer, update_rule
    >>> @update_rule("doctest_sign", scalars=lambda rates, decays, steps: (rates,))
    ... def sign_update(p, g, lr, decay):
    ...     return (p - lr * hx.sign(g),)
    >>> class SignDescent(Optimizer):
    ...     rule = sign_update
    >>> p = hx.Parameter(hx.tensor([1.0, -2.0]))
    >>> opt = SignDescent([p], lr=0.5)
    >>> hx.square(p).sum().backward()
    >>> opt.step()
    >>> p.tolist()
    [0.5, -1.5]
    """

    rule: Composite
    slots: tuple[str, ...] = ()

    def __init__(self, params: Any, lr: float, weight_decay: float = 0.0) -> None:
        if not lr >= 0 or not weight_decay >= 0:
            raise OptimizerError(
                f"[optimizer] expected lr, weight_decay >= 0; got {lr}, {weight_decay}"
            )
        self.parameters: list[Parameter] = []
        self.decays: list[float] = []
        self.scales: list[float] = []
        for g in as_groups(params):
            own = weight_decay if g.weight_decay is None else g.weight_decay
            if not own >= 0 or not g.lr_scale >= 0:
                raise OptimizerError(
                    "[optimizer] expected weight_decay, lr_scale >= 0 in each group; got "
                    f"{own}, {g.lr_scale}"
                )
            self.parameters += g.params
            self.decays += [float(own)] * len(g.params)
            self.scales += [float(g.lr_scale)] * len(g.params)
        _check(self.parameters)
        state = self.init([p.value for p in self.parameters])
        self._lr = Cell(state["lr"], "lr")
        self._steps = Cell(state["steps"], "steps")
        self.lr = lr
        self.cells = {
            k: [Cell(t, f"{k}.{i}") for i, t in enumerate(state[k])] for k in self.slots
        }

    def settings(self) -> dict[str, Any]:
        """What else the rule takes: hashable, the same at every step."""
        return {}

    # ------------------------------------------------------------------ the pure pair
    def init(self, params: Sequence[Tensor]) -> State:
        """Fresh state: ``lr`` (), ``steps`` (n,) int32, and n zeros for each slot."""
        dev = params[0].device
        return {
            "lr": ops.zeros((), scalar_dtype(dev), dev),
            "steps": ops.zeros((len(params),), "int32", dev),
            **{
                k: [ops.zeros_like(p, wide_dtype(p)) for p in params]
                for k in self.slots
            },
        }

    def update(
        self, grads: Sequence[Tensor | None], state: State, params: Sequence[Tensor]
    ) -> tuple[list[Tensor], State]:
        """New parameters and new state; changes nothing.

        Parameters
        ----------
        grads : sequence of Tensor or None
            None leaves a parameter and its state as they are.
        state : dict
            As `init` makes it; a new ``lr`` may be put in.
        params : sequence of Tensor
            In the order of ``parameters``.
        """
        live = [i for i, g in enumerate(grads) if g is not None]
        steps = self._advance(state["steps"], live)
        new = [list(params), *[list(state[k]) for k in self.slots]]
        for ix in _alike(params, live):
            columns = [params, grads, *[state[k] for k in self.slots]]
            flat = [c[i] for c in columns for i in ix]
            head = _placed(state["lr"], steps, ix, flat[0].device)
            outs = self.rule(*head, *flat, **self._attrs(ix))
            for column, out in zip(new, lists(outs, len(ix)), strict=True):
                for i, t in zip(ix, out, strict=True):
                    column[i] = t
        slots = dict(zip(self.slots, new[1:], strict=True))
        return new[0], {"lr": state["lr"], "steps": steps, **slots}

    # ----------------------------------------------------------------------- stepping
    @property
    def lr(self) -> float:
        return float(self._lr.value.item())

    @lr.setter
    def lr(self, value: float | Tensor) -> None:
        old = self._lr.value
        if not isinstance(value, Tensor) and not value >= 0:
            raise OptimizerError(f"[optimizer] expected lr >= 0; got {value}")
        if isinstance(value, Tensor) and value.shape != ():
            raise OptimizerError(f"[optimizer] expected lr (); got {value.shape}")
        self._lr.value = ops.tensor(value, dtype=old.dtype, device=old.device)

    @property
    def steps(self) -> int:
        """The most updates that any parameter has had."""
        return int(self._steps.value.max().item())

    def zero_grad(self) -> None:
        """Forget gradients."""
        for p in self.parameters:
            p.grad = None

    def step(self) -> None:
        """Update every parameter that a gradient reached, and clear the gradients."""
        with no_grad():
            if not self._write():
                cells = {k: [c.value for c in cs] for k, cs in self.cells.items()}
                params, state = self.update(
                    [p.grad for p in self.parameters],
                    {"lr": self._lr.value, "steps": self._steps.value, **cells},
                    [p.value for p in self.parameters],
                )
                self._steps.value = state["steps"]
                for i, p in enumerate(self.parameters):
                    if p.grad is not None:
                        p.value = params[i]
                        for k, cs in self.cells.items():
                            cs[i].value = state[k][i]
                        p.grad = None

    def _write(self) -> bool:
        """Update in place; False, and nothing done, where that is not possible."""
        if STATE.get().trace is not None or type(self).update is not Optimizer.update:
            return False
        grads = [p._grad._value for p in self.parameters]
        live = [i for i, g in enumerate(grads) if g is not None]
        cells: list[Sequence[Cell]] = [self.parameters, *self.cells.values()]
        if not exclusive([c[i] for c in cells for i in live]):
            return False
        steps = self._advance(self._steps.value, live)
        lr = self._lr.value
        calls = []
        for ix in _alike([p._value for p in self.parameters], live):
            flat = [self.parameters[i]._value for i in ix]
            flat += [grads[i] for i in ix]
            flat += [c[i]._value for c in cells[1:] for i in ix]
            flat[:0] = _placed(lr, steps, ix, flat[0].device)
            attrs = self._attrs(ix)
            kernel = writer(self.rule.name, flat, attrs)
            if kernel is None:
                return False
            calls.append((kernel, flat, attrs))
        for kernel, flat, attrs in calls:
            kernel(flat[0].device, *[t.buffer for t in flat], **attrs)
        self._steps.value = steps
        for p in self.parameters:
            p._grad._value = None
        return True

    def _advance(self, steps: Tensor, live: list[int]) -> Tensor:
        n = len(self.parameters)
        if len(live) == n:
            return steps + 1
        one = np.zeros(n, np.int32)
        one[live] = 1
        return steps + ops.tensor(one, device=steps.device)

    def _attrs(self, ix: list[int]) -> dict[str, Any]:
        whole = len(ix) == len(self.parameters)
        decays = self.decays if whole else [self.decays[i] for i in ix]
        scales = self.scales if whole else [self.scales[i] for i in ix]
        return {
            "n": len(ix),
            "decays": tuple(decays),
            "scales": tuple(scales),
            **self.settings(),
        }

    # --------------------------------------------------------------------------- state
    def state_dict(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Arrays by ``slot.index``, and plain values: exactly what a resume needs."""
        arrays = {
            f"{k}.{i}": c.value
            for k, cs in self.cells.items()
            for i, c in enumerate(cs)
        }
        arrays["steps"] = self._steps.value
        return arrays, {"name": type(self).__name__, "lr": self.lr}

    def load_state_dict(
        self, state: tuple[Mapping[str, Any], Mapping[str, Any]]
    ) -> None:
        """Take a state over; nothing changes if it does not fit.

        Raises
        ------
        OptimizerError
            Naming what is missing, unexpected, or of another shape.
        """
        arrays, meta = state
        own = type(self).__name__
        if meta.get("name") != own:
            raise OptimizerError(
                f"[optimizer] expected the state of {own}; got that of {meta.get('name')}"
            )
        lr = meta.get("lr")
        if not isinstance(lr, (int, float)) or not lr >= 0:
            raise OptimizerError(f"[optimizer] expected a learning rate; got lr={lr!r}")
        cells = {
            f"{k}.{i}": c for k, cs in self.cells.items() for i, c in enumerate(cs)
        }
        cells["steps"] = self._steps
        extra = sorted(arrays.keys() - cells.keys())
        if extra:
            raise OptimizerError(
                f"[optimizer] expected the state of {len(self.parameters)} parameters; "
                f"got also {', '.join(extra[:4])}"
            )
        new = []
        for name, c in cells.items():
            t, old = arrays.get(name), c.value
            if t is None or tuple(t.shape) != old.shape:
                got = "nothing" if t is None else tuple(t.shape)
                raise OptimizerError(
                    f"[optimizer] expected {name} of shape {old.shape}; got {got}"
                )
            new.append((c, ops.tensor(t, dtype=old.dtype, device=old.device)))
        for c, t in new:
            c.value = t
        self.lr = float(lr)


def _check(params: Sequence[Parameter]) -> None:
    if not params:
        raise OptimizerError("[optimizer] expected at least one trainable parameter")
    if len({id(p) for p in params}) != len(params):
        raise OptimizerError("[optimizer] expected each parameter once")
    for p in params:
        if p.aval.dtype.category != "float":
            raise OptimizerError(
                f"[optimizer] expected float parameters; got {p.name or 'one'} of "
                f"{p.aval}. Hint: keep real and imaginary parts as two parameters"
            )


@cache
def scalar_dtype(device: Any) -> str:
    """float64 for learning rates and powers of betas, where the device has it."""
    found = {d.index: d for d in device.backend.devices()}
    info = found.get(device.index)
    return "float64" if info is None or "float64" in info.dtypes else "float32"


def _alike(params: Sequence[Tensor], live: list[int]) -> list[list[int]]:
    """The positions in ``live``, apart by dtype and device."""
    kinds = [(params[i].aval.dtype, params[i].device) for i in live]
    if len(set(kinds)) == 1:
        return [live]
    out: dict[Any, list[int]] = {}
    for i, kind in zip(live, kinds, strict=True):
        out.setdefault(kind, []).append(i)
    return list(out.values())


def _placed(lr: Tensor, steps: Tensor, ix: list[int], device: Any) -> list[Tensor]:
    """Learning rate and step counts of these parameters, on their device."""
    if len(ix) != steps.shape[0]:
        steps = take(steps, ops.tensor(ix, device=steps.device), 0)
    return [ops.copy_to(lr, device), ops.copy_to(steps, device)]
