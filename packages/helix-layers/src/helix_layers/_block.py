"""The residual block that every sequence model here is a stack of."""

from __future__ import annotations

from typing import Any

import helix_core as hx

from ._check import LayerError


class Block(hx.Module):
    """A pre-norm residual layer: ``x + mixer(norm(x))``.

    Parameters
    ----------
    norm : Module
        Called as ``norm(x)``, and as ``norm(x, residual)`` for a pair: the norm of the
        sum, and the sum (`RMSNorm`, `LayerNorm`).
    mixer : Module
        ``mixer(x)`` maps (batch, time, d_model) to the same. One that remembers takes
        ``(x, state, return_state)`` and has ``initial_state(batch)`` and
        ``step(x, state)``.

    Examples
    --------
    >>> import helix_core as hx
    >>> from helix_layers import Linear, RMSNorm
    >>> Block(RMSNorm(8), Linear(8, 8))(hx.ones((1, 5, 8))).shape
    (1, 5, 8)
    """

    def __init__(self, norm: hx.Module, mixer: hx.Module) -> None:
        self.norm: Any = norm
        self.mixer: Any = mixer

    @property
    def stateful(self) -> bool:
        """Whether the mixer remembers what came before."""
        return hasattr(self.mixer, "initial_state")

    def forward(self, x: Any, state: Any = None, return_state: bool = False) -> Any:
        """(batch, time, d_model) to the same.

        Parameters
        ----------
        state : NamedTuple of Tensor, optional
            What came before; nothing by default.
        return_state : bool
            Also return the state after the last step.
        """
        out = self._mix(self.norm(x), state, return_state)
        if return_state:
            return x + out[0], out[1]
        return x + out

    def branch(
        self, x: Any, residual: Any, state: Any = None, return_state: bool = False
    ) -> tuple[Any, Any]:
        """What the block adds to ``x + residual``, and that sum, added and normalised in
        one pass. A stack ends with the two to be added."""
        if residual is None:
            return self._mix(self.norm(x), state, return_state), x
        normed, total = self.norm(x, residual)
        return self._mix(normed, state, return_state), total

    def _mix(self, x: Any, state: Any, return_state: bool) -> Any:
        if self.stateful:
            return self.mixer(x, state, return_state)
        return (self.mixer(x), ()) if return_state else self.mixer(x)

    def initial_state(self, batch: int) -> Any:
        """The state before the first step; empty where nothing is remembered."""
        return self.mixer.initial_state(batch) if self.stateful else ()

    def step(self, x: Any, state: Any) -> tuple[Any, Any]:
        """One place of each sequence.

        Parameters
        ----------
        x : Tensor (batch, d_model)
        state
            Of `initial_state`, or of the step before.

        Returns
        -------
        Tensor (batch, d_model), state
        """
        h = self.norm(x)
        if hasattr(self.mixer, "step"):
            y, state = self.mixer.step(h, state)
        elif self.stateful:
            y, state = self.mixer(h[:, None], state, True)
            y = y[:, 0]
        else:
            y = self.mixer(h[:, None])[:, 0]
        return x + y, state


def same_layers(model: str, states: Any, layers: Any) -> None:
    """There is a state for each layer."""
    if len(states) != len(layers):
        raise LayerError(
            f"[{model}] expected a state of {len(layers)} layers; got one of "
            f"{len(states)}. Hint: it belongs to another model"
        )
