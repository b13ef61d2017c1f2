"""S4D as a layer: whole sequences through transforms, steps through the recurrence."""

from __future__ import annotations

from typing import Any, NamedTuple

import helix_core as hx

from .._block import Block
from .._check import LayerError, last_axis, own_state, sequence
from .._linear import Linear
from .._normalisation import LayerNorm
from ._kernel import Discrete, S4DKernel
from ._ops import s4d_kernel, s4d_state


class S4DState(NamedTuple):
    """What a diagonal state space remembers: the same size after any number of steps.

    Attributes
    ----------
    real, imag : Tensor (batch, d_model, states)
    """

    real: hx.Tensor
    imag: hx.Tensor


class S4DMixer(hx.Module):
    """State space, GELU, dropout, projection, GLU: the paper's minimal layer.

    Parameters
    ----------
    d_model, d_state, kind, dt_min, dt_max
        See `S4DKernel`.
    dropout : float

    Attributes
    ----------
    kernel : S4DKernel
    D : Parameter (d_model,)
        Weight of what goes straight through; standard normal at first.
    out_proj : Linear (2 d_model, d_model)

    Notes
    -----
    O(time (log time + d_state)) for a sequence, O(d_state) for a step, by channel. A
    sequence may start from a state and returns its last one, both with gradients.

    References
    ----------
    Gu, Gupta, Goel, Ré, "On the Parameterization and Initialization of Diagonal State
    Space Models", 2022 (arXiv:2206.11893).
    """

    def __init__(
        self,
        d_model: int,
        d_state: int = 64,
        kind: str = "lin",
        dt_min: float = 1e-3,
        dt_max: float = 1e-1,
        dropout: float = 0.0,
        *,
        device: Any = None,
        dtype: Any = None,
        generator: Any = None,
    ) -> None:
        where = {"device": device, "dtype": dtype, "generator": generator}
        self.kernel = S4DKernel(d_model, d_state, kind, dt_min, dt_max, **where)
        self.d_model = d_model
        if not 0.0 <= dropout <= 1.0:
            raise LayerError(f"[S4D] expected dropout in [0, 1]; got {dropout}")
        self.dropout, self.generator = float(dropout), generator
        skip = hx.init.normal((d_model,), 0.0, 1.0, **where)
        self.D = hx.Parameter(skip, "D", decay=False)
        self.out_proj = Linear(d_model, 2 * d_model, **where)

    def _out(self, y: hx.Tensor) -> hx.Tensor:
        y = hx.dropout(hx.gelu(y), self.dropout, self.training, self.generator)
        return hx.glu(self.out_proj(y), -1)

    def forward(
        self, x: Any, state: S4DState | None = None, return_state: bool = False
    ) -> Any:
        """(batch, time, d_model) to the same.

        Parameters
        ----------
        state : S4DState, optional
            What came before; nothing by default.
        return_state : bool
            Also return the state after the last step.
        """
        x = hx.as_tensor(x)
        sequence("S4D", x, self.d_model)
        y, last = self.scan(x, state, return_state)
        out = self._out(y)
        return (out, last) if return_state else out

    def scan(
        self, x: hx.Tensor, state: S4DState | None = None, return_state: bool = False
    ) -> tuple[hx.Tensor, S4DState | None]:
        """The state space alone: outputs (batch, time, d_model), and the last state."""
        batch, length, _ = x.shape
        self._fits(state, batch)
        if length == 0:
            state = self.initial_state(batch) if state is None else state
            return x, state if return_state else None
        m = self.kernel.discrete()
        y = hx.long_conv(x, s4d_kernel(*m, length=length), self.D)
        if state is not None:
            y = y + _decaying(m, state, length)
        if not return_state:
            return y, None
        last = S4DState(*s4d_state(x, m.a_re, m.a_im))
        if state is not None:
            before = _turn(state, m.decay(length))
            last = S4DState(last.real + before.real, last.imag + before.imag)
        return y, last

    def step(self, x: Any, state: S4DState) -> tuple[hx.Tensor, S4DState]:
        """One step of each sequence.

        Parameters
        ----------
        x : Tensor (batch, d_model)
        state : S4DState

        Returns
        -------
        Tensor (batch, d_model), S4DState
        """
        x = hx.as_tensor(x)
        last_axis("S4D.step", x, self.d_model)
        self._fits(state, x.shape[0])
        m = self.kernel.discrete()
        s = _turn(state, m.decay())
        s = S4DState(s.real + hx.expand_dims(x, -1), s.imag)
        y = hx.sum(m.c_re * s.real - m.c_im * s.imag, -1) + x * self.D
        return self._out(y), s

    def initial_state(self, batch: int) -> S4DState:
        """The state before the first step: zeros."""
        shape = (batch, self.d_model, self.kernel.states)
        zero = hx.zeros(shape, dtype=self.D.aval.dtype, device=self.D.device)
        return S4DState(zero, zero)

    def _fits(self, state: Any, batch: int) -> None:
        shape = (batch, self.d_model, self.kernel.states)
        own_state("S4D", S4DState, state, [shape, shape])


def _turn(s: S4DState, by: tuple[hx.Tensor, hx.Tensor]) -> S4DState:
    re, im = by
    return S4DState(s.real * re - s.imag * im, s.real * im + s.imag * re)


def _decaying(m: Discrete, state: S4DState, length: int) -> hx.Tensor:
    """What a state adds to the outputs that follow it, (batch, length, d_model)."""
    s = _turn(_turn(state, m.decay()), (m.c_re, m.c_im))
    batch, d, n = s.real.shape
    a = [hx.reshape(hx.broadcast_to(x, (batch, d, n)), (-1, n)) for x in m[:2]]
    c = [hx.reshape(x, (-1, n)) for x in s]
    k = s4d_kernel(a[0], a[1], c[0], c[1], length)  # (length, batch * channel)
    return hx.swapaxes(hx.reshape(k, (length, batch, d)), 0, 1)


class S4Block(Block):
    """A residual S4D layer: ``x + mixer(norm(x))``.

    Parameters
    ----------
    d_model, d_state, kind
        See `S4DKernel`.
    norm_eps : float
        Of the layer norm.
    **settings
        Of `S4DMixer`.

    Examples
    --------
    >>> import helix_core as hx
    >>> block = S4Block(32, 16)
    >>> y, state = block(hx.ones((1, 5, 32)), return_state=True)
    >>> y.shape, state.real.shape
    ((1, 5, 32), (1, 32, 8))
    """

    def __init__(
        self,
        d_model: int,
        d_state: int = 64,
        kind: str = "lin",
        norm_eps: float = 1e-5,
        **settings: Any,
    ) -> None:
        where = {k: settings[k] for k in ("device", "dtype") if k in settings}
        mixer = S4DMixer(d_model, d_state, kind, **settings)
        super().__init__(LayerNorm(d_model, norm_eps, **where), mixer)
