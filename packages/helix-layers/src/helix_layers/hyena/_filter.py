"""The filter of a Hyena: a small network of the position, under an exponential window."""

from __future__ import annotations

import math
from typing import Any

import helix_core as hx
import numpy as np

from .._check import LayerError, positive
from .._linear import Linear

LAYOUTS = ("od", "vo")
_LARGE = 1 << 17  # hidden numbers of a layer; more are computed again in parts
_TARGET, _FAST, _SLOW = 1e-2, 0.3, 1.5  # of the window, as published


class HyenaFilter(hx.Module):
    """``k_l = W sin(w (... sin(w (W z_l + b)))) (e^(-t_l |delta|) + shift)``.

    Positions are normalised by ``l_max``, whatever the length of the sequence:
    t_l = l / (l_max - 1), and z_l is t_l beside the cosines and minus the sines of
    2 pi f l / l_max for (emb_dim - 1) / 2 frequencies f.

    Parameters
    ----------
    d_model, order : int
        ``order - 1`` filters for each of ``d_model`` channels.
    l_max : int
        Longest sequence.
    width : int
        Of the network.
    emb_dim : int
        Features of a position: odd, at least 3.
    inner_layers : int
        Hidden layers after the first.
    freq : float
        w at first: 1 in safari, 10 in HyenaDNA.
    shift : float
        What the window decays to: 0 in safari, 0.05 in HyenaDNA.
    layout : {"od", "vo"}
        Order of the rows of the last layer: by filter, then channel (HyenaDNA), or by
        channel, then filter (safari). The same where the order is 2.
    learned_positions : bool
        z is a parameter.

    Attributes
    ----------
    layers : list of Linear
        torch's initialisation; the last, without bias, has (order - 1) d_model rows.
    freq : Parameter (1, width)
        Shared by all layers; no weight decay.
    deltas : Parameter ((order - 1) d_model,)
        Frozen; evenly spaced between log(0.01) / 1.5 and log(0.01) / 0.3.
    bias : Parameter ((order - 1) d_model,)
        Weight of what goes straight through; standard normal; no weight decay.
    z : Parameter (l_max, emb_dim), or None
    """

    def __init__(
        self,
        d_model: int,
        l_max: int,
        order: int = 2,
        width: int = 64,
        emb_dim: int = 3,
        inner_layers: int = 2,
        freq: float = 1.0,
        shift: float = 0.0,
        layout: str = "od",
        learned_positions: bool = False,
        *,
        device: Any = None,
        dtype: Any = None,
        generator: Any = None,
    ) -> None:
        self.d_model = positive("Hyena", "d_model", d_model)
        self.l_max = positive("Hyena", "l_max", l_max)
        positive("Hyena", "filter width", width)
        if isinstance(order, bool) or not isinstance(order, int) or order < 2:
            raise LayerError(f"[Hyena] expected an order of at least 2; got {order!r}")
        if emb_dim < 3 or emb_dim % 2 == 0:
            raise LayerError(
                f"[Hyena] expected an odd emb_dim of at least 3: the time, and as many "
                f"cosines as sines; got {emb_dim}"
            )
        if inner_layers < 0:
            raise LayerError(f"[Hyena] expected inner layers >= 0; got {inner_layers}")
        if layout not in LAYOUTS:
            raise LayerError(
                f"[Hyena] expected a layout of {', '.join(LAYOUTS)}; got {layout!r}"
            )
        self.order, self.emb_dim, self.layout = order, emb_dim, layout
        self.shift = float(shift)
        where = {"device": device, "dtype": dtype, "generator": generator}
        rows, dtype = d_model * (order - 1), dtype or hx.float32
        ins = [emb_dim] + [width] * inner_layers
        self.layers = [Linear(n, width, **where) for n in ins]
        self.layers.append(Linear(width, rows, False, **where))
        w = hx.full((1, width), freq, dtype=dtype, device=device)
        self.freq = hx.Parameter(w, "freq", decay=False)
        deltas = np.linspace(math.log(_TARGET) / _SLOW, math.log(_TARGET) / _FAST, rows)
        self.deltas = hx.Parameter(
            hx.tensor(deltas, dtype, device), "deltas", trainable=False, decay=False
        )
        bias = hx.init.normal((rows,), 0.0, 1.0, **where)
        self.bias = hx.Parameter(bias, "bias", decay=False)
        self.z: hx.Parameter | None = None
        if learned_positions:
            z = hx.tensor(positions(l_max, l_max, emb_dim), dtype, device)
            self.z = hx.Parameter(z, "z", decay=False)

    def forward(self, length: int) -> list[hx.Tensor]:
        """The ``order - 1`` filters, each (length, d_model)."""
        h, t = self.features(length)
        out = []
        for weight, deltas in zip(*self.last(), strict=True):
            window = hx.exp(-t * hx.abs(deltas))
            out.append(hx.linear(h, weight) * (window + self.shift))
        return out

    def features(self, length: int) -> tuple[hx.Tensor, hx.Tensor]:
        """What the last layer reads, (length, width), and t, (length, 1)."""
        if length > self.l_max:
            raise LayerError(
                f"[Hyena] expected at most l_max={self.l_max} places; got {length}. "
                "Hint: filters are functions of the position up to l_max"
            )
        where = self.bias.aval.dtype, self.bias.device
        if self.z is None:
            h = hx.tensor(positions(length, self.l_max, self.emb_dim), *where)
        else:
            h = self.z.value[:length]
        t = hx.tensor(times(length, self.l_max)[:, None], *where)
        rows = max(1, _LARGE // self.freq.shape[1])
        if length <= rows:
            return self._hidden(h), t
        again = hx.checkpoint(self._hidden)
        parts = [again(h[i : i + rows]) for i in range(0, length, rows)]
        return hx.concat(parts, 0), t

    def _hidden(self, h: hx.Tensor) -> hx.Tensor:
        for layer in self.layers[:-1]:
            h = hx.sin(layer(h) * self.freq)
        return h

    def last(self) -> tuple[hx.Tensor, hx.Tensor]:
        """Weights (order - 1, d_model, width) and deltas (order - 1, d_model)."""
        return self.split(self.layers[-1].weight.value), self.split(self.deltas.value)

    def split(self, a: hx.Tensor) -> hx.Tensor:
        """(order - 1, d_model, ...) of an array with a row for each filter and channel."""
        if self.layout == "od":
            return hx.reshape(a, (self.order - 1, self.d_model, *a.shape[1:]))
        parts = hx.reshape(a, (self.d_model, self.order - 1, *a.shape[1:]))
        return hx.swapaxes(parts, 0, 1)


def times(length: int, l_max: int) -> np.ndarray:
    """t_l, (length,)."""
    return np.arange(length) / max(1, l_max - 1)


def positions(length: int, l_max: int, emb_dim: int) -> np.ndarray:
    """z_l, (length, emb_dim)."""
    bands = (emb_dim - 1) // 2
    f = np.linspace(1e-4, bands - 1, bands)
    angles = 2 * np.pi / l_max * np.arange(length)[:, None] * f
    return np.concatenate(
        [times(length, l_max)[:, None], np.cos(angles), -np.sin(angles)], 1
    )
