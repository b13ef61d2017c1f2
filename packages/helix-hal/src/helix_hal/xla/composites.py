"""Composites in eager code: the body of each, jitted as one function.

Without these an eager composite would run its body op by op.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
from helix_core._composite import COMPOSITES, Composite
from helix_core.contracts import KernelSpec
from jax.errors import JaxRuntimeError

from .session import translated, wide
from .translate import aval_of, composite

# declared by helix-layers, which may be imported after the device was first used
_OF_LAYERS = (
    *("attention_step", "gru", "hyena", "lstm", "lstm_projected", "mamba_lm_step"),
    *("s4d_kernel", "s4d_state", "split_heads"),
)


class Jitted:
    """The kernel of one composite: traced by shapes, dtypes and attributes."""

    default_body = True  # in a graph the body is inlined instead

    def __init__(self, name: str) -> None:
        self.name = name
        self._made: dict[Any, Callable[..., Any]] = {}

    def __call__(self, device: Any, *xs: Any, **attrs: Any) -> Any:
        key = (device, *attrs.items())
        run = self._made.get(key)
        if run is None:
            if len(self._made) > 1024:
                self._made.clear()
            run = self._made[key] = jax.jit(self._function(device, attrs))
        try:
            with wide(True):
                return run(*xs)
        except JaxRuntimeError as e:
            raise translated(e, self.name, device.name) from e

    def _function(self, device: Any, attrs: dict[str, Any]) -> Callable[..., Any]:
        def run(*xs: Any) -> tuple[Any, ...]:
            avals = tuple([aval_of(x) for x in xs])
            (op,) = bodies(self.name, avals, attrs)
            return tuple(composite(op, avals, attrs, device, xs))

        return run

    def supports(self, device: Any, *avals: Any, **attrs: Any) -> Any:
        """One body must be meant, and arrays of JAX know no weak dtypes."""
        if any(a.weak for a in avals) or len(bodies(self.name, avals, attrs)) != 1:
            return None
        return True


def bodies(name: str, avals: tuple[Any, ...], attrs: dict[str, Any]) -> list[Composite]:
    """The composites of this name that operands of these types may be for.

    ``name.bwd`` has one for every pattern of differentiable inputs and residuals.
    """
    owner = COMPOSITES.get(name.removesuffix(".fwd").removesuffix(".bwd"))
    if owner is None:
        return []
    if name.endswith(".fwd"):
        return [owner.fwd] if owner.fwd is not None else []
    if not name.endswith(".bwd"):
        return [owner]
    return [
        made
        for (inexact, n_out, n_res), made in owner._bwd.items()
        if _fits(owner, inexact, n_out, n_res, avals)
    ]


def _fits(owner: Composite, inexact: Any, n_out: int, n_res: int, avals: Any) -> bool:
    read = owner.reads_inputs
    places = range(len(inexact)) if read is None else read
    cts = len(avals) - len(places) - n_out - n_res
    if cts < 1 or (n_out and cts != n_out):
        return False
    return all(
        a.dtype.inexact == inexact[i]
        for i, a in zip(places, avals[: len(places)], strict=True)
    )


def specs() -> list[KernelSpec]:
    """A kernel for every composite that is declared, forward and backward."""
    import helix_core.activations
    import helix_core.losses
    import helix_core.optim  # noqa: F401

    out = []
    for name in dict.fromkeys((*COMPOSITES, *_OF_LAYERS)):
        for op in (name, f"{name}.fwd", f"{name}.bwd"):
            kernel = Jitted(op)
            out.append(KernelSpec(op, "xla", kernel, supports=kernel.supports))
    return out
