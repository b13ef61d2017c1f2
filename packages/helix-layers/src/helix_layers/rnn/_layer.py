"""What `LSTM` and `GRU` share: layers, directions, states, names of weights."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import helix_core as hx
import numpy as np

from .._check import LayerError, last_axis, positive, sequence
from ._check import same_dtype, sequence_lengths, state_parts

Weights = tuple[hx.Tensor, ...]  # ih, hh, their biases, and hr where h is projected


class Recurrent(hx.Module):
    """A stack of recurrent layers, in one direction or both.

    Weights are attributes with torch's names: ``weight_ih_l0``, ``weight_hh_l0``,
    ``bias_ih_l0``, ``bias_hh_l0``, then ``_l1`` and so on, with ``_reverse`` appended
    for the second direction.
    """

    n_gates: ClassVar[int]
    state_type: ClassVar[Any]  # a NamedTuple
    projects: ClassVar[bool] = False  # whether h may be projected
    proj_size: int = 0  # to this many features

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        device: Any = None,
        dtype: Any = None,
        generator: Any = None,
    ) -> None:
        name = type(self).__name__
        self.input_size = positive(name, "input_size", input_size)
        self.hidden_size = positive(name, "hidden_size", hidden_size)
        self.num_layers = positive(name, "num_layers", num_layers)
        if not 0.0 <= dropout <= 1.0:
            raise LayerError(f"[{name}] expected dropout in [0, 1]; got {dropout}")
        self.bias, self.dropout = bool(bias), float(dropout)
        self.bidirectional, self.generator = bool(bidirectional), generator
        where = {"device": device, "dtype": dtype, "generator": generator}
        for layer in range(num_layers):
            for end in self._ends:
                self._make(layer, end, where)

    @property
    def _ends(self) -> tuple[str, ...]:
        return ("", "_reverse") if self.bidirectional else ("",)

    @property
    def output_size(self) -> int:
        """Features of a step's output: those of both directions."""
        return (self.proj_size or self.hidden_size) * len(self._ends)

    def _make(self, layer: int, end: str, where: dict[str, Any]) -> None:
        rows = self.n_gates * self.hidden_size
        inputs = self.output_size if layer else self.input_size
        bound = 1.0 / math.sqrt(self.hidden_size)
        shapes: dict[str, tuple[int, ...]] = {
            "weight_ih": (rows, inputs),
            "weight_hh": (rows, self.proj_size or self.hidden_size),
        }
        if self.bias:
            shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
        if self.proj_size:
            shapes["weight_hr"] = self.proj_size, self.hidden_size
        for kind, shape in shapes.items():
            name = f"{kind}_l{layer}{end}"
            value = hx.init.uniform(shape, -bound, bound, **where)
            setattr(self, name, hx.Parameter(value, name, decay=len(shape) > 1))

    def _weights(self, layer: int, end: str) -> Weights:
        def find(kind: str) -> hx.Tensor:
            value: hx.Tensor = getattr(self, f"{kind}_l{layer}{end}").value
            return value

        matrices = find("weight_ih"), find("weight_hh")
        if self.bias:
            biases = find("bias_ih"), find("bias_hh")
        else:
            biases = (hx.zeros_like(matrices[0][:, 0]),) * 2
        projection = (find("weight_hr"),) if self.proj_size else ()
        return (*matrices, *biases, *projection)

    # ------------------------------------------------------------------ what cells do
    def _run(
        self, x: Any, state: Any, weights: Weights, lengths: Any, reverse: bool
    ) -> tuple[hx.Tensor, tuple[hx.Tensor, ...]]:
        """Outputs (batch, time, hidden) and the last state of one layer and direction."""
        raise NotImplementedError

    def _step(
        self, x: Any, state: Any, weights: Weights
    ) -> tuple[hx.Tensor, tuple[hx.Tensor, ...]]:
        """The same for one step (batch, input)."""
        raise NotImplementedError

    # ------------------------------------------------------------------ whole sequences
    def forward(self, x: Any, state: Any = None, lengths: Any = None) -> Any:
        """Whole sequences.

        Parameters
        ----------
        x : Tensor (batch, time, input_size)
        state : NamedTuple of Tensor (num_layers * directions, batch, hidden_size)
            What came before; zeros by default.
        lengths : Tensor (batch,) of int, optional
            Steps of each sequence, in any order; all by default. Outputs after the end
            are zeros, and the state is that at the end; the second direction begins
            there.

        Returns
        -------
        Tensor (batch, time, output_size), state

        Raises
        ------
        ShapeError, DTypeError, LayerError
            If an argument does not fit the layer.
        """
        name = type(self).__name__
        x = hx.as_tensor(x)
        sequence(name, x, self.input_size)
        first = getattr(self, "weight_ih_l0")  # noqa: B009 (made by setattr)
        same_dtype(name, x, first)
        lengths = sequence_lengths(name, lengths, x)
        parts = self._parts(state, x.shape[0])
        ends: list[tuple[hx.Tensor, ...]] = []
        for layer in range(self.num_layers):
            if layer and self.dropout:
                x = hx.dropout(x, self.dropout, self.training, self.generator)
            outs = []
            for end in self._ends:
                own = tuple([p[len(ends)] for p in parts])
                weights = self._weights(layer, end)
                y, last = self._run(x, own, weights, lengths, bool(end))
                outs.append(y)
                ends.append(last)
            x = outs[0] if len(outs) == 1 else hx.concat(outs, -1)
        return x, self._join(ends)

    def _join(self, ends: list[tuple[hx.Tensor, ...]]) -> Any:
        return self.state_type(*[hx.stack(p) for p in zip(*ends, strict=True)])

    def _shapes(self, batch: int) -> list[tuple[int, ...]]:
        """Of the parts of a state."""
        ends = self.num_layers * len(self._ends)
        sizes = (self.proj_size or self.hidden_size, self.hidden_size)
        return [(ends, batch, n) for n in sizes[: len(self.state_type._fields)]]

    def _parts(self, state: Any, batch: int) -> tuple[Any, ...]:
        if state is None:
            return tuple(self.initial_state(batch))
        names, shapes = self.state_type._fields, self._shapes(batch)
        return state_parts(type(self).__name__, state, names, shapes)

    def initial_state(self, batch: int) -> Any:
        """The state before the first step: zeros."""
        w = getattr(self, "weight_ih_l0")  # noqa: B009 (made by setattr)
        where = {"dtype": w.aval.dtype, "device": w.device}
        return self.state_type(*[hx.zeros(s, **where) for s in self._shapes(batch)])

    # ---------------------------------------------------------------------- streaming
    def step(self, x: Any, state: Any) -> tuple[hx.Tensor, Any]:
        """One step of each sequence.

        Parameters
        ----------
        x : Tensor (batch, input_size)
        state
            Of `initial_state`, `forward`, or the step before.

        Returns
        -------
        Tensor (batch, output_size), state

        Raises
        ------
        LayerError
            From a layer of both directions, which needs whole sequences.
        """
        name = f"{type(self).__name__}.step"
        if self.bidirectional:
            raise LayerError(
                f"[{name}] expected a layer of one direction; got a bidirectional one. "
                "Hint: it reads from the end too, so it needs whole sequences"
            )
        x = hx.as_tensor(x)
        one_step(name, x, self.input_size)
        same_dtype(name, x, getattr(self, "weight_ih_l0"))  # noqa: B009
        parts = self._parts(state, x.shape[0])
        ends = []
        for layer in range(self.num_layers):
            if layer and self.dropout:
                x = hx.dropout(x, self.dropout, self.training, self.generator)
            own = tuple([p[layer] for p in parts])
            x, last = self._step(x, own, self._weights(layer, ""))
            ends.append(last)
        return x, self._join(ends)

    # ------------------------------------------------------------------------- files
    @classmethod
    def from_torch(cls, arrays: Mapping[str, Any], **settings: Any) -> Self:
        """A layer with the weights of torch's ``state_dict()``.

        Parameters
        ----------
        arrays : mapping of str to array
            Sizes, layers and directions follow from names and shapes.
        **settings
            ``dropout``, ``device``, ``dtype``, ``generator``.

        Raises
        ------
        StateDictError
            Naming every weight that is missing, unexpected, or of another shape.
        """
        shapes = [np.shape(arrays.get(f"weight_{n}_l0", ())) for n in ("ih", "hh")]
        if any(len(shape) != 2 for shape in shapes):
            raise hx.StateDictError(
                f"[{cls.__name__}.from_torch] expected matrices weight_ih_l0 and "
                f"weight_hh_l0; got {', '.join(arrays) or 'nothing'}"
            )
        numbers = [re.fullmatch(r"weight_ih_l(\d+)", n) for n in arrays]
        if cls.projects and "weight_hr_l0" in arrays:
            settings["proj_size"] = shapes[1][1]
        made = cls(
            shapes[0][1],
            shapes[1][0] // cls.n_gates,
            num_layers=1 + max(int(m[1]) for m in numbers if m),
            bias=any(n.startswith("bias") for n in arrays),
            bidirectional=any(n.endswith("_reverse") for n in arrays),
            **settings,
        )
        made.load_state_dict(arrays)
        return made

    def to_torch(self) -> dict[str, np.ndarray]:
        """The weights by torch's names: what its ``load_state_dict`` takes as tensors."""
        return {n: np.array(t) for n, t in self.state_dict().items()}


def one_step(layer: str, x: Any, size: int) -> None:
    """``x`` is (batch, size)."""
    last_axis(layer, x, size)
    if x.ndim != 2:
        raise hx.ShapeError(
            f"[{layer}] expected x (batch, {size}); got x.shape={tuple(x.shape)}"
        )
