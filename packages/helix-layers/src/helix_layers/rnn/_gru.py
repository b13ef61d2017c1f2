"""Gated recurrent units (Cho et al., arXiv:1406.1078)."""

from __future__ import annotations

from typing import Any, NamedTuple

import helix_core as hx

from .._linear import linear
from ._gru_op import gru, gru_cell
from ._layer import Recurrent, Weights


class GRUState(NamedTuple):
    """What a `GRU` remembers.

    Attributes
    ----------
    h : Tensor (num_layers * directions, batch, hidden_size)
        Outputs; of a `GRUCell` (batch, hidden_size).
    """

    h: hx.Tensor


class GRU(Recurrent):
    """Layers of h_t = (1 - z) n + z h_{t-1}, with gates of x_t and h_{t-1}.

    The gates r and z are sigmoids of W_ih x_t + b_ih + W_hh h_{t-1} + b_hh, and
    n = tanh(W_in x_t + b_in + r (W_hn h_{t-1} + b_hn)), as torch has it. Weights and
    their names are torch's.

    Parameters
    ----------
    input_size, hidden_size : int
    num_layers : int
        Each reads the outputs of the one before.
    bias : bool
    dropout : float in [0, 1]
        Of what is between layers, in training.
    bidirectional : bool
        Also read each sequence from its end; outputs are those of both directions.
    device, dtype, generator
        Where the weights live, their dtype (float32), and what draws them and dropout.

    Attributes
    ----------
    weight_ih_l0 : Parameter (3 hidden_size, input_size)
        Rows of r, z, n. All weights start uniform in +-1 / sqrt(hidden_size).
    weight_hh_l0 : Parameter (3 hidden_size, hidden_size)
    bias_ih_l0, bias_hh_l0 : Parameter (3 hidden_size,)

    Examples
    --------
    >>> import helix_core as hx
    >>> y, state = GRU(8, 16, bidirectional=True)(hx.ones((4, 5, 8)))
    >>> y.shape, state.h.shape
    ((4, 5, 32), (2, 4, 16))
    """

    n_gates = 3
    state_type = GRUState

    def _run(
        self, x: Any, state: Any, weights: Weights, lengths: Any, reverse: bool
    ) -> tuple[hx.Tensor, tuple[hx.Tensor, ...]]:
        w_ih, w_hh, b_ih, b_hh = weights
        (r_z, of_x), (h_r_z, of_h) = (
            (b[: 2 * self.hidden_size], b[2 * self.hidden_size :]) for b in (b_ih, b_hh)
        )
        y, h = gru(
            x,
            *state,
            w_ih,
            w_hh,
            hx.concat([of_x, r_z + h_r_z, of_h]),
            lengths,
            reverse=reverse,
            compute=hx.get_precision(),
        )
        return y, (h,)

    def _step(
        self, x: Any, state: Any, weights: Weights
    ) -> tuple[hx.Tensor, tuple[hx.Tensor, ...]]:
        return gru_step(x, state, weights)


def gru_step(
    x: Any, state: Any, weights: Weights
) -> tuple[hx.Tensor, tuple[hx.Tensor, ...]]:
    """Output and state after one step (batch, input)."""
    (h,), (w_ih, w_hh, b_ih, b_hh) = state, weights
    r, z, n = hx.split(linear(x, w_ih, b_ih), 3, -1)
    hr, hz, inner = hx.split(linear(h, w_hh, b_hh), 3, -1)
    h, _ = gru_cell(n, r + hr, z + hz, inner, h)
    return h, (h,)
