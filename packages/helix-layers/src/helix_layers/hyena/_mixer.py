"""The Hyena operator, for whole sequences and for streams."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import helix_core as hx

from .._check import LayerError, last_axis, positive, sequence
from .._linear import Linear
from ._filter import HyenaFilter
from ._op import hyena


class HyenaState(NamedTuple):
    """What a Hyena remembers: the inputs of its long convolutions, so it grows.

    Attributes
    ----------
    conv : Tensor (batch, d_conv - 1, (order + 1) d_model)
        The last inputs of the short convolution.
    history : Tensor (order - 1, batch, old, d_model)
        Gated inputs, a whole number of chunks.
    pending : Tensor (order - 1, batch, chunk, d_model)
        What the history adds to the outputs of the chunk that is being read.
    recent : Tensor (order - 1, batch, new, d_model)
        Gated inputs of that chunk.
    """

    conv: hx.Tensor
    history: hx.Tensor
    pending: hx.Tensor
    recent: hx.Tensor


class HyenaMixer(hx.Module):
    """Projection, short convolution, then ``order - 1`` gated long convolutions.

    With [x_0, x_1, ..., v] the parts after the short convolution: v becomes
    k * (x_i v) + bias (x_i v) for i = order - 1 down to 1, and the output is a
    projection of x_0 v.

    Parameters
    ----------
    d_model : int
    l_max : int
        Longest sequence, streamed or not.
    order : int
    d_conv : int
        Length of the short causal convolution.
    filter_width, emb_dim, inner_layers, freq, shift, layout, learned_positions
        See `HyenaFilter`; freq 1 and shift 0 are safari's, 10 and 0.05 HyenaDNA's.
    dropout : float
        Of the gated inputs.
    chunk : int
        In a stream, the long history is convolved once for as many steps.

    Attributes
    ----------
    in_proj, out_proj : Linear
        torch's initialisation.
    conv_weight : Parameter ((order + 1) d_model, d_conv)
    conv_bias : Parameter ((order + 1) d_model,)
        Uniform in +-1 / sqrt(d_conv), as torch's.
    filter : HyenaFilter

    Notes
    -----
    A sequence costs O(time log time) by channel. So do ``chunk`` steps together, beside
    O(chunk) for each: outputs are exact.

    References
    ----------
    Poli et al., "Hyena Hierarchy", 2023 (arXiv:2302.10866). Nguyen et al., "HyenaDNA",
    2023 (arXiv:2306.15794).
    """

    def __init__(
        self,
        d_model: int,
        l_max: int = 1024,
        order: int = 2,
        d_conv: int = 3,
        filter_width: int = 64,
        emb_dim: int = 3,
        inner_layers: int = 2,
        freq: float = 1.0,
        shift: float = 0.0,
        layout: str = "od",
        learned_positions: bool = False,
        dropout: float = 0.0,
        chunk: int = 64,
        *,
        device: Any = None,
        dtype: Any = None,
        generator: Any = None,
    ) -> None:
        where = {"device": device, "dtype": dtype, "generator": generator}
        self.filter = HyenaFilter(
            *(d_model, l_max, order, filter_width, emb_dim, inner_layers, freq),
            *(shift, layout, learned_positions),
            **where,
        )
        self.d_model, self.l_max, self.order = d_model, l_max, order
        self.d_conv = positive("Hyena", "d_conv", d_conv)
        self.chunk = positive("Hyena", "chunk", chunk)
        if not 0.0 <= dropout <= 1.0:
            raise LayerError(f"[Hyena] expected dropout in [0, 1]; got {dropout}")
        self.dropout, self.generator = float(dropout), generator
        inner = (order + 1) * d_model
        self.in_proj = Linear(d_model, inner, **where)
        bound = 1.0 / math.sqrt(d_conv)
        w = hx.init.uniform((inner, d_conv), -bound, bound, **where)
        self.conv_weight = hx.Parameter(w, "conv_weight")
        b = hx.init.uniform((inner,), -bound, bound, **where)
        self.conv_bias = hx.Parameter(b, "conv_bias", decay=False)
        self.out_proj = Linear(d_model, d_model, **where)
        self._kept: tuple[Any, ...] = ()  # what filters were made from, and they

    # ------------------------------------------------------------------ whole sequences
    def forward(
        self, x: Any, state: HyenaState | None = None, return_state: bool = False
    ) -> Any:
        """(batch, time, d_model) to the same.

        Parameters
        ----------
        state : HyenaState, optional
            What came before; nothing by default.
        return_state : bool
            Also return the state after the last step.

        Raises
        ------
        LayerError
            If what came before and the sequence are longer than ``l_max``.
        """
        x = hx.as_tensor(x)
        sequence("Hyena", x, self.d_model)
        self._fits(state, x.shape[0])
        before, length = _places(state), x.shape[1]
        total = self._room(before + length)
        if length == 0:
            state = self.initial_state(x.shape[0]) if state is None else state
            return (x, state) if return_state else x
        plain = state is None and not return_state
        if plain and not (self.dropout and self.training):
            return self._whole(x)
        *gates, v, conv = self._parts(x, None if state is None else state.conv)
        longest = min(self.l_max, total + self.chunk) if return_state else total
        filters, memory = self.filter(longest), []
        skip = self.filter.split(self.filter.bias.value)
        for o, gate in enumerate(reversed(gates[1:])):
            v = hx.dropout(v * gate, self.dropout, self.training, self.generator)
            if state is not None:
                v = hx.concat([state.history[o], state.recent[o], v], 1)
            memory.append(v)
            v = hx.long_conv(v, filters[o], skip[o])[:, before:]
        out = self.out_proj(v * gates[0])
        return (out, self._fold(conv, memory, filters)) if return_state else out

    def _whole(self, x: hx.Tensor) -> hx.Tensor:
        features, times = self.filter.features(x.shape[1])
        n, d = self.order + 1, self.d_model
        assert self.in_proj.bias is not None
        ins = (self.in_proj.weight, self.in_proj.bias, self.conv_weight, self.conv_bias)
        return hyena(
            x,
            *(hx.reshape(p.value, (n, d, *p.shape[1:])) for p in ins),
            features,
            *self.filter.last(),
            self.filter.split(self.filter.bias.value),
            *(self.out_proj.weight, self.out_proj.bias, times),
            order=self.order,
            shift=self.filter.shift,
        )

    def _parts(self, x: hx.Tensor, conv: Any) -> list[hx.Tensor]:
        """x_0, x_1, ..., v, each (batch, time, d_model), and the short convolution's
        last inputs: products of their own, so that all are contiguous."""
        d, outs, ends = self.d_model, [], []
        w, b = self.in_proj.weight.value, self.in_proj.bias
        assert b is not None
        for i in range(0, (self.order + 1) * d, d):
            u, end = hx.causal_conv1d(
                hx.linear(x, w[i : i + d], b.value[i : i + d]),
                self.conv_weight.value[i : i + d],
                self.conv_bias.value[i : i + d],
                state=None if conv is None else conv[..., i : i + d],
                return_state=True,
            )
            outs.append(u)
            ends.append(end)
        return [*outs, hx.concat(ends, -1)]

    def _fold(self, conv: hx.Tensor, memory: list[Any], filters: Any) -> HyenaState:
        """The state of all gated inputs so far."""
        total = memory[0].shape[1]
        old = total - total % self.chunk
        history = hx.stack([m[:, :old] for m in memory])
        recent = hx.stack([m[:, old:] for m in memory])
        return HyenaState(conv, history, self._ahead(history, filters), recent)

    def _ahead(self, history: hx.Tensor, filters: Any) -> hx.Tensor:
        """What a history adds to the outputs of the chunk after it."""
        _, batch, old, d = history.shape
        where = {"dtype": history.dtype, "device": history.device}
        room = hx.zeros((batch, self.chunk, d), **where)
        if old == 0:
            return hx.stack([room] * (self.order - 1))
        return hx.stack(
            [
                hx.long_conv(hx.concat([history[o], room], 1), k)[:, old:]
                for o, k in enumerate(filters)
            ]
        )

    # ---------------------------------------------------------------------- streaming
    def initial_state(self, batch: int) -> HyenaState:
        """The state before the first step: nothing."""
        d, o = self.d_model, self.order
        where = {"dtype": self.conv_bias.aval.dtype, "device": self.conv_bias.device}
        nothing = hx.zeros((o - 1, batch, 0, d), **where)
        return HyenaState(
            hx.zeros((batch, self.d_conv - 1, (o + 1) * d), **where),
            nothing,
            hx.zeros((o - 1, batch, self.chunk, d), **where),
            nothing,
        )

    def step(self, x: Any, state: HyenaState) -> tuple[hx.Tensor, HyenaState]:
        """One step of each sequence.

        Parameters
        ----------
        x : Tensor (batch, d_model)
        state : HyenaState

        Returns
        -------
        Tensor (batch, d_model), HyenaState

        Notes
        -----
        Filters are kept from step to step, so they get no gradient here: train on whole
        sequences.
        """
        x = hx.as_tensor(x)
        last_axis("Hyena.step", x, self.d_model)
        self._fits(state, x.shape[0])
        place = state.recent.shape[2]
        total = self._room(_places(state) + 1)
        filters = self._filters(min(self.l_max, total + self.chunk))
        *gates, v, conv = self._parts(x[:, None], state.conv)
        recent, skip = [], self.filter.split(self.filter.bias.value)
        for o, gate in enumerate(reversed(gates[1:])):
            v = v * gate
            seen = hx.concat([state.recent[o], v], 1)
            taps = hx.flip(filters[o][: place + 1], (0,))
            y = hx.sum(seen * taps, 1, True) + state.pending[o][:, place : place + 1]
            v = y + v * skip[o]
            recent.append(seen)
        out = self.out_proj((v * gates[0])[:, 0])
        history, pending, new = state.history, state.pending, hx.stack(recent)
        if place + 1 == self.chunk:
            history = hx.concat([history, new], 2)
            pending, new = self._ahead(history, filters), new[:, :, :0]
        return out, HyenaState(conv, history, pending, new)

    def _filters(self, length: int) -> list[hx.Tensor]:
        """The filters without gradients, from the step before while nothing changed."""
        made_from = [p.value for p in self.filter.parameters()]
        if self._kept:
            old: list[Any] = self._kept[0]
            kept: list[hx.Tensor] = self._kept[1]
            same = all(a is b for a, b in zip(old, made_from, strict=True))
            if same and kept[0].shape[0] >= length:
                return kept
        with hx.no_grad():  # twice as long: a few times in a stream
            filters: list[hx.Tensor] = self.filter(
                min(self.l_max, 1 << (length - 1).bit_length())
            )
        if filters[0].buffer is not None:
            self._kept = made_from, filters
        return filters

    def _room(self, total: int) -> int:
        if total > self.l_max:
            raise LayerError(
                f"[Hyena] expected at most l_max={self.l_max} places; got {total}. "
                "Hint: filters are functions of the position up to l_max"
            )
        return total

    def _fits(self, state: Any, batch: int) -> None:
        if state is None:
            return
        want = [tuple(s.shape) for s in self.initial_state(batch)]
        got = [tuple(getattr(s, "shape", ())) for s in state]
        fits = isinstance(state, HyenaState) and got[0] == want[0] and got[2] == want[2]
        for i in (1, 3):
            fits = fits and got[i][:2] == want[i][:2] and got[i][3:] == want[i][3:]
        if not fits:
            raise LayerError(
                f"[Hyena] expected a HyenaState of {want}, the third axes of the second "
                f"and fourth of any size; got {type(state).__name__} of {got}. Hint: it "
                "belongs to another model or batch"
            )


def _places(state: HyenaState | None) -> int:
    return 0 if state is None else state.history.shape[2] + state.recent.shape[2]
