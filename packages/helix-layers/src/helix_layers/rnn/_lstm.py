"""Long short-term memory (Hochreiter and Schmidhuber, 1997)."""

from __future__ import annotations

from typing import Any, NamedTuple

import helix_core as hx

from .._linear import linear
from ._layer import Recurrent, Weights
from ._lstm_op import lstm, lstm_cell


class LSTMState(NamedTuple):
    """What an `LSTM` remembers.

    Attributes
    ----------
    h, c : Tensor (num_layers * directions, batch, hidden_size)
        Outputs and cells; of an `LSTMCell` (batch, hidden_size).
    """

    h: hx.Tensor
    c: hx.Tensor


class LSTM(Recurrent):
    """Layers of c_t = f c_{t-1} + i g, h_t = o tanh(c_t), with gates of x_t and h_{t-1}.

    The gates i, f and o are sigmoids, g is a tanh, of W_ih x_t + b_ih + W_hh h_{t-1} +
    b_hh. Weights and their names are torch's.

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
    weight_ih_l0 : Parameter (4 hidden_size, input_size)
        Rows of i, f, g, o. All weights start uniform in +-1 / sqrt(hidden_size).
    weight_hh_l0 : Parameter (4 hidden_size, hidden_size)
    bias_ih_l0, bias_hh_l0 : Parameter (4 hidden_size,)

    Examples
    --------
    >>> import helix_core as hx
    >>> y, state = LSTM(8, 16, num_layers=2)(hx.ones((4, 5, 8)))
    >>> y.shape, state.h.shape
    ((4, 5, 16), (2, 4, 16))
    """

    n_gates = 4
    state_type = LSTMState

    def _run(
        self, x: Any, state: Any, weights: Weights, lengths: Any, reverse: bool
    ) -> tuple[hx.Tensor, tuple[hx.Tensor, ...]]:
        w_ih, w_hh, b_ih, b_hh = weights
        y, h, c = lstm(
            x,
            *state,
            w_ih,
            w_hh,
            b_ih + b_hh,
            lengths,
            reverse=reverse,
            compute=hx.get_precision(),
        )
        return y, (h, c)

    def _step(
        self, x: Any, state: Any, weights: Weights
    ) -> tuple[hx.Tensor, tuple[hx.Tensor, ...]]:
        return lstm_step(x, state, weights)


def lstm_step(
    x: Any, state: Any, weights: Weights
) -> tuple[hx.Tensor, tuple[hx.Tensor, ...]]:
    """Output and state after one step (batch, input)."""
    (h, c), (w_ih, w_hh, b_ih, b_hh) = state, weights
    sums = linear(x, w_ih, b_ih) + linear(h, w_hh, b_hh)
    h, c, _ = lstm_cell(sums, c)
    return h, (h, c)
