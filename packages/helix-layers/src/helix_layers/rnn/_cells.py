"""One step of a recurrent layer, as a layer of its own."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import helix_core as hx

from .._check import positive
from ._check import same_dtype, state_parts
from ._gru import GRUState, gru_step
from ._layer import Weights, one_step
from ._lstm import LSTMState, lstm_step


class _Cell(hx.Module):
    n_gates: ClassVar[int]
    state_type: ClassVar[Any]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        device: Any = None,
        dtype: Any = None,
        generator: Any = None,
    ) -> None:
        name = type(self).__name__
        self.input_size = positive(name, "input_size", input_size)
        self.hidden_size = positive(name, "hidden_size", hidden_size)
        rows, bound = self.n_gates * hidden_size, 1.0 / math.sqrt(hidden_size)

        def draw(kind: str, *shape: int) -> hx.Parameter:
            where = {"device": device, "dtype": dtype, "generator": generator}
            value = hx.init.uniform(shape, -bound, bound, **where)
            return hx.Parameter(value, kind, decay=len(shape) > 1)

        self.weight_ih = draw("weight_ih", rows, input_size)
        self.weight_hh = draw("weight_hh", rows, hidden_size)
        self.bias_ih = draw("bias_ih", rows) if bias else None
        self.bias_hh = draw("bias_hh", rows) if bias else None

    def _weights(self) -> Weights:
        zero = None
        if self.bias_ih is None:
            zero = hx.zeros_like(self.weight_ih.value[:, 0])
        biases = [zero if b is None else b.value for b in (self.bias_ih, self.bias_hh)]
        return (self.weight_ih.value, self.weight_hh.value, *biases)  # type: ignore

    def initial_state(self, batch: int) -> Any:
        """The state before the first step: zeros."""
        w = self.weight_ih
        zero = hx.zeros((batch, self.hidden_size), dtype=w.aval.dtype, device=w.device)
        return self.state_type(*[zero] * len(self.state_type._fields))

    def _inputs(self, x: Any, state: Any) -> tuple[hx.Tensor, tuple[hx.Tensor, ...]]:
        name = type(self).__name__
        x = hx.as_tensor(x)
        one_step(name, x, self.input_size)
        same_dtype(name, x, self.weight_ih)
        if state is None:
            return x, tuple(self.initial_state(x.shape[0]))
        names = self.state_type._fields
        shapes = [(x.shape[0], self.hidden_size)] * len(names)
        return x, state_parts(name, state, names, shapes)


class LSTMCell(_Cell):
    """One step of an `LSTM` of one layer.

    Parameters
    ----------
    input_size, hidden_size : int
    bias : bool
    device, dtype, generator
        Where the weights live, their dtype (float32), and what draws them.

    Attributes
    ----------
    weight_ih : Parameter (4 hidden_size, input_size)
        Rows of i, f, g, o. All weights start uniform in +-1 / sqrt(hidden_size).
    weight_hh : Parameter (4 hidden_size, hidden_size)
    bias_ih, bias_hh : Parameter (4 hidden_size,) or None

    Examples
    --------
    >>> import helix_core as hx
    >>> h, c = LSTMCell(8, 16)(hx.ones((4, 8)))
    >>> h.shape
    (4, 16)
    """

    n_gates = 4
    state_type = LSTMState

    def forward(self, x: Any, state: Any = None) -> LSTMState:
        """The state, whose ``h`` is the output, after x (batch, input_size)."""
        x, state = self._inputs(x, state)
        return LSTMState(*lstm_step(x, state, self._weights())[1])


class GRUCell(_Cell):
    """One step of a `GRU` of one layer.

    Parameters
    ----------
    input_size, hidden_size : int
    bias : bool
    device, dtype, generator
        Where the weights live, their dtype (float32), and what draws them.

    Attributes
    ----------
    weight_ih : Parameter (3 hidden_size, input_size)
        Rows of r, z, n. All weights start uniform in +-1 / sqrt(hidden_size).
    weight_hh : Parameter (3 hidden_size, hidden_size)
    bias_ih, bias_hh : Parameter (3 hidden_size,) or None

    Examples
    --------
    >>> import helix_core as hx
    >>> (h,) = GRUCell(8, 16)(hx.ones((4, 8)))
    >>> h.shape
    (4, 16)
    """

    n_gates = 3
    state_type = GRUState

    def forward(self, x: Any, state: Any = None) -> GRUState:
        """The state, whose ``h`` is the output, after x (batch, input_size)."""
        x, state = self._inputs(x, state)
        return GRUState(*gru_step(x, state, self._weights())[1])
