"""Recurrent layers as the mixers of residual blocks."""

from __future__ import annotations

from typing import Any, ClassVar

import helix_core as hx

from .._block import Block
from .._check import positive
from .._linear import Linear
from .._normalisation import RMSNorm
from ._gru import GRU
from ._layer import Recurrent
from ._lstm import LSTM


class _Mixer(hx.Module):
    layer: ClassVar[type[Recurrent]]

    def __init__(
        self,
        d_model: int,
        d_hidden: int | None = None,
        n_layers: int = 1,
        bias: bool = True,
        dropout: float = 0.0,
        *,
        device: Any = None,
        dtype: Any = None,
        generator: Any = None,
    ) -> None:
        name = type(self).__name__
        self.d_model = positive(name, "d_model", d_model)
        d_hidden = positive(name, "d_hidden", d_hidden or d_model)
        where = {"device": device, "dtype": dtype, "generator": generator}
        self.rnn = self.layer(d_model, d_hidden, n_layers, bias, dropout, **where)
        self.out_proj = Linear(d_hidden, d_model, bias, **where)

    def forward(self, x: Any, state: Any = None, return_state: bool = False) -> Any:
        """(batch, time, d_model) to the same.

        Parameters
        ----------
        state : NamedTuple of Tensor, optional
            What came before; nothing by default.
        return_state : bool
            Also return the state after the last step.
        """
        y, state = self.rnn(x, state)
        y = self.out_proj(y)
        return (y, state) if return_state else y

    def initial_state(self, batch: int) -> Any:
        """The state before the first step: zeros."""
        return self.rnn.initial_state(batch)

    def step(self, x: Any, state: Any) -> tuple[hx.Tensor, Any]:
        """One step: (batch, d_model) to the same, and the new state."""
        y, state = self.rnn.step(x, state)
        return self.out_proj(y), state


class LSTMMixer(_Mixer):
    """An `LSTM` and a projection back: the mixer of an `LSTMBlock`.

    Parameters
    ----------
    d_model : int
    d_hidden : int, optional
        Units; ``d_model`` by default.
    n_layers : int
    bias : bool
        Of the LSTM and of the projection.
    dropout : float in [0, 1]
        Between layers.

    Attributes
    ----------
    rnn : LSTM
    out_proj : Linear (d_hidden, d_model)
    """

    layer = LSTM


class GRUMixer(_Mixer):
    """A `GRU` and a projection back: the mixer of a `GRUBlock`.

    Parameters
    ----------
    d_model : int
    d_hidden : int, optional
        Units; ``d_model`` by default.
    n_layers : int
    bias : bool
        Of the GRU and of the projection.
    dropout : float in [0, 1]
        Between layers.

    Attributes
    ----------
    rnn : GRU
    out_proj : Linear (d_hidden, d_model)
    """

    layer = GRU


class LSTMBlock(Block):
    """A residual LSTM: ``x + mixer(norm(x))``.

    Parameters
    ----------
    d_model : int
    norm_eps : float
    **settings
        Of `LSTMMixer`.

    Examples
    --------
    >>> import helix_core as hx
    >>> y, state = LSTMBlock(8)(hx.ones((2, 5, 8)), return_state=True)
    >>> y.shape, state.c.shape
    ((2, 5, 8), (1, 2, 8))
    """

    def __init__(self, d_model: int, norm_eps: float = 1e-5, **settings: Any) -> None:
        super().__init__(
            _norm(d_model, norm_eps, settings), LSTMMixer(d_model, **settings)
        )


class GRUBlock(Block):
    """A residual GRU: ``x + mixer(norm(x))``.

    Parameters
    ----------
    d_model : int
    norm_eps : float
    **settings
        Of `GRUMixer`.

    Examples
    --------
    >>> import helix_core as hx
    >>> y, state = GRUBlock(8)(hx.ones((2, 5, 8)), return_state=True)
    >>> y.shape, state.h.shape
    ((2, 5, 8), (1, 2, 8))
    """

    def __init__(self, d_model: int, norm_eps: float = 1e-5, **settings: Any) -> None:
        super().__init__(
            _norm(d_model, norm_eps, settings), GRUMixer(d_model, **settings)
        )


def _norm(d_model: int, eps: float, settings: dict[str, Any]) -> RMSNorm:
    where = {k: settings[k] for k in ("device", "dtype") if k in settings}
    return RMSNorm(d_model, eps, **where)
