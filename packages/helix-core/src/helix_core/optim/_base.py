"""What all optimizers share: parameter groups, state in cells, ``step``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from .. import _ops as ops
from .._cell import Cell, Parameter
from .._errors import HelixError
from .._state import no_grad
from .._tensor import Tensor

State = dict[str, list[Tensor]]


class OptimizerError(HelixError, ValueError):
    """Parameters, settings or state do not fit an optimizer."""


class Group(NamedTuple):
    """Parameters with settings of their own.

    ``weight_decay`` None is the optimizer's; ``lr_scale`` multiplies its learning rate.
    """

    params: list[Parameter]
    weight_decay: float | None = None
    lr_scale: float = 1.0


def groups(module: Any, weight_decay: float) -> list[Group]:
    """Two groups: parameters that decay, and those marked ``decay=False`` (norms, biases,
    ``A_log``, ``D``)."""
    params = list(module.parameters())
    return [
        Group([p for p in params if p.decay], weight_decay),
        Group([p for p in params if not p.decay], 0.0),
    ]


class Optimizer:
    """Base of optimizers.

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
    steps : int
        Updates so far.

    Notes
    -----
    Learning rate and step count are 0-d tensors in cells: a traced step reads them anew
    at each call. All parameters of one dtype are updated by one composite call.
    """

    slots: tuple[str, ...] = ()  # names of the state kept per parameter

    def __init__(self, params: Any, lr: float, weight_decay: float = 0.0) -> None:
        if lr < 0 or weight_decay < 0:
            raise OptimizerError(
                f"[optimizer] expected lr, weight_decay >= 0; got {lr}, {weight_decay}"
            )
        found = _as_groups(params)
        self.parameters: list[Parameter] = []
        self.decays: list[float] = []
        self.scales: list[float] = []
        for g in found:
            for p in g.params:
                self.parameters.append(p)
                own = weight_decay if g.weight_decay is None else g.weight_decay
                self.decays.append(float(own))
                self.scales.append(float(g.lr_scale))
        if len({id(p) for p in self.parameters}) != len(self.parameters):
            raise OptimizerError("[optimizer] expected each parameter once")
        if not self.parameters:
            raise OptimizerError(
                "[optimizer] expected at least one trainable parameter"
            )
        dev = self.parameters[0].device
        self._lr = Cell(ops.tensor(float(lr), dtype="float64", device=dev), "lr")
        self._step = Cell(ops.tensor(0, device=dev), "step")
        state = self.init([p.value for p in self.parameters])
        self.cells = {
            k: [Cell(t, f"{k}.{i}") for i, t in enumerate(ts)]
            for k, ts in state.items()
        }

    # ------------------------------------------------------------------ the pure pair
    def init(self, params: Sequence[Tensor]) -> State:
        """Fresh state for these parameters: zeros, shaped like them."""
        return {k: [ops.zeros_like(p) for p in params] for k in self.slots}

    def update(
        self,
        grads: Sequence[Tensor],
        state: State,
        params: Sequence[Tensor],
        lr: Tensor,
        step: Tensor,
        decays: Sequence[float],
        scales: Sequence[float],
    ) -> tuple[list[Tensor], State]:
        """New parameters and state. ``step`` counts from 1. Touches no cell."""
        raise NotImplementedError

    # ----------------------------------------------------------------------- stepping
    @property
    def lr(self) -> float:
        return float(self._lr.value.item())

    @lr.setter
    def lr(self, value: float) -> None:
        old = self._lr.value
        self._lr.value = ops.tensor(float(value), dtype=old.dtype, device=old.device)

    @property
    def steps(self) -> int:
        return int(self._step.value.item())

    def zero_grad(self) -> None:
        """Forget gradients."""
        for p in self.parameters:
            p.grad = None

    def step(self) -> None:
        """Update every parameter that a gradient reached, and clear the gradients."""
        with no_grad():
            live = [i for i, p in enumerate(self.parameters) if p.grad is not None]
            self._step.value = self._step.value + 1
            for some in _by_dtype(self.parameters, live).values():
                self._step_some(some)

    def _step_some(self, live: list[int]) -> None:
        state = {k: [self.cells[k][i].value for i in live] for k in self.slots}
        params, new = self.update(
            [self.parameters[i].grad for i in live],
            state,
            [self.parameters[i].value for i in live],
            self._lr.value,
            self._step.value,
            [self.decays[i] for i in live],
            [self.scales[i] for i in live],
        )
        for j, i in enumerate(live):
            self.parameters[i].value = params[j]
            self.parameters[i].grad = None
            for k in self.slots:
                self.cells[k][i].value = new[k][j]

    # --------------------------------------------------------------------------- state
    def state_dict(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Arrays by ``slot.index``, and plain values: exactly what a resume needs."""
        arrays = {
            f"{k}.{i}": c.value
            for k, cs in self.cells.items()
            for i, c in enumerate(cs)
        }
        meta = {"name": type(self).__name__, "step": self.steps, "lr": self.lr}
        return arrays, meta

    def load_state_dict(
        self, state: tuple[Mapping[str, Any], Mapping[str, Any]]
    ) -> None:
        """Take a state over; nothing changes if it does not fit.

        Raises
        ------
        OptimizerError
            Naming what is missing or of another shape.
        """
        arrays, meta = state
        if meta.get("name") != type(self).__name__:
            raise OptimizerError(
                f"[optimizer] expected the state of {type(self).__name__}; got that of "
                f"{meta.get('name')}"
            )
        new = []
        for k, cells in self.cells.items():
            for i, c in enumerate(cells):
                t = arrays.get(f"{k}.{i}")
                old = c.value
                if t is None or tuple(t.shape) != old.shape:
                    got = "nothing" if t is None else tuple(t.shape)
                    raise OptimizerError(
                        f"[optimizer] expected {k}.{i} of shape {old.shape}; got {got}"
                    )
                new.append((c, ops.tensor(t, dtype=old.dtype, device=old.device)))
        for c, t in new:
            c.value = t
        dev = self._step.value.device
        self._step.value = ops.tensor(int(meta["step"]), device=dev)
        self.lr = float(meta["lr"])


def _as_groups(params: Any) -> list[Group]:
    if hasattr(params, "parameters"):
        params = params.parameters()
    items: Iterable[Any] = list(params)
    out: list[Group] = []
    loose: list[Parameter] = []
    for x in items:
        if isinstance(x, Group):
            out.append(x._replace(params=[p for p in x.params if p.trainable]))
        elif isinstance(x, Parameter):
            if x.trainable:
                loose.append(x)
        else:
            raise OptimizerError(
                f"[optimizer] expected Parameters or Groups; got {type(x).__name__}"
            )
    return [*out, Group(loose)] if loose else out


def _by_dtype(params: list[Parameter], live: list[int]) -> dict[Any, list[int]]:
    out: dict[Any, list[int]] = {}
    for i in live:
        out.setdefault((params[i].aval.dtype, params[i].device), []).append(i)
    return out


def flat_lists(flat: Sequence[Tensor], n: int, count: int) -> list[Sequence[Tensor]]:
    """``count`` consecutive lists of n tensors."""
    return [flat[i * n : (i + 1) * n] for i in range(count)]


def rate(lr: Tensor, like: Tensor, scale: float) -> Tensor:
    """The learning rate in the parameter's dtype."""
    out = ops.cast(lr, like.dtype)
    return out if scale == 1.0 else out * scale
