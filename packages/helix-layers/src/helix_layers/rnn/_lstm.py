"""Long short-term memory (Hochreiter and Schmidhuber, 1997)."""

from __future__ import annotations

from typing import Any, NamedTuple

import helix_core as hx

from .._check import LayerError
from .._linear import linear
from ._layer import Recurrent, Weights
from ._lstm_op import lstm, lstm_cell, lstm_projected


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
    proj_size : int
        If not 0, h_t = W_hr (o tanh(c_t)) has this many features, fewer than hidden_size
        (Sak et al., arXiv:1402.1128). Such layers run as a loop of products: no backend
        here has a kernel for them.
    device, dtype, generator
        Where the weights live, their dtype (float32), and what draws them and dropout.

    Attributes
    ----------
    weight_ih_l0 : Parameter (4 hidden_size, input_size)
        Rows of i, f, g, o. All weights start uniform in +-1 / sqrt(hidden_size).
    weight_hh_l0 : Parameter (4 hidden_size, hidden_size)
        Or (4 hidden_size, proj_size).
    bias_ih_l0, bias_hh_l0 : Parameter (4 hidden_size,)
    weight_hr_l0 : Parameter (proj_size, hidden_size)
        With proj_size only.

    Examples
    --------
    >>> import helix_core as hx
    >>> y, state = LSTM(8, 16, num_layers=2)(hx.ones((4, 5, 8)))
    >>> y.shape, state.h.shape
    ((4, 5, 16), (2, 4, 16))
    """

    n_gates = 4
    state_type = LSTMState
    projects = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        *,
        device: Any = None,
        dtype: Any = None,
        generator: Any = None,
    ) -> None:
        whole = isinstance(proj_size, int) and not isinstance(proj_size, bool)
        if not whole or not 0 <= proj_size < max(hidden_size, 1):
            raise LayerError(
                f"[LSTM] expected proj_size to be an int >= 0, less than hidden_size="
                f"{hidden_size}; got {proj_size!r}"
            )
        self.proj_size = proj_size
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            bias,
            dropout,
            bidirectional,
            device=device,
            dtype=dtype,
            generator=generator,
        )

    def _run(
        self, x: Any, state: Any, weights: Weights, lengths: Any, reverse: bool
    ) -> tuple[hx.Tensor, tuple[hx.Tensor, ...]]:
        w_ih, w_hh, b_ih, b_hh, *w_hr = weights
        y, h, c = (lstm_projected if w_hr else lstm)(
            x,
            *state,
            w_ih,
            w_hh,
            b_ih + b_hh,
            lengths,
            *w_hr,
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
    (h, c), (w_ih, w_hh, b_ih, b_hh, *w_hr) = state, weights
    sums = linear(x, w_ih, b_ih) + linear(h, w_hh, b_hh)
    h, c, _ = lstm_cell(sums, c)
    if w_hr:
        h = linear(h, w_hr[0])
    return h, (h, c)
