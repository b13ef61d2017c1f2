"""Self-attention and cross-attention as layers, with a cache of keys and values."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import helix_core as hx

from .._check import LayerError, positive, sequence
from .._dropout import Dropout
from .._normalisation import RMSNorm
from ._ops import attention_step, split_heads
from .mlp import dropped, projection
from .positions import Rotary, alibi_slopes

_FEW = 32  # keys that wait, at least, before they join the others


class KVState(NamedTuple):
    """What attention remembers: keys and values of every place, or of a window.

    A step copies the recent ones alone, and those are at most about the root of all: it
    reads O(time) and writes O(sqrt(time)).

    Attributes
    ----------
    keys, values : Tensor (batch, time, kv_heads, d_head)
        Of all places but the recent; keys have been turned (rotary).
    recent_keys, recent_values : Tensor (batch, few, kv_heads, d_head)
    position : Tensor (), int32
        Of the next place.
    """

    keys: hx.Tensor
    values: hx.Tensor
    recent_keys: hx.Tensor
    recent_values: hx.Tensor
    position: hx.Tensor


class AttentionMixer(hx.Module):
    """Self-attention (arXiv:1706.03762): a projection, attention, a projection.

    Parameters
    ----------
    d_model : int
    n_heads : int, optional
        Query heads; heads of 64 where that divides ``d_model``, else one.
    n_kv_heads : int, optional
        Heads of keys and values, a divisor of ``n_heads``, which is the default: fewer
        are grouped queries (arXiv:2305.13245), one is multi-query (arXiv:1911.02150).
    d_head : int, optional
        ``d_model / n_heads`` by default.
    causal : bool
        No place sees a later one.
    window : int, optional
        A place sees as many places back, itself included; the cache keeps no more.
    bias, out_bias : bool
        Of the projections to queries, keys and values, and of the one back.
    qk_norm : bool
        RMS norms of every query and key (arXiv:2302.05442).
    rotary : bool or Rotary
        Turn queries and keys by position; True for all features and theta 10000.
    alibi : bool
        Subtract distances from scores (arXiv:2108.12409).
    norm_eps : float
        Of ``qk_norm``.
    dropout : float in [0, 1]
        Of the result. Attention weights are not dropped.
    depth : int
        Residual branches in the model: ``out_proj`` is drawn smaller by the root of it.
    std : float
        Deviation of the normal that draws the weights; biases are zeros (GPT-2).

    Attributes
    ----------
    qkv : Linear, rows [q; k; v], each by heads
    out_proj : Linear
    q_norm, k_norm : RMSNorm or None

    Examples
    --------
    >>> import helix_core as hx
    >>> mixer = AttentionMixer(32, n_heads=4, n_kv_heads=2)
    >>> y, state = mixer(hx.ones((1, 5, 32)), return_state=True)
    >>> y.shape, state.keys.shape
    ((1, 5, 32), (1, 5, 2, 8))
    """

    def __init__(
        self,
        d_model: int,
        n_heads: int | None = None,
        n_kv_heads: int | None = None,
        d_head: int | None = None,
        causal: bool = True,
        window: int | None = None,
        bias: bool = False,
        out_bias: bool = False,
        qk_norm: bool = False,
        rotary: bool | Rotary = True,
        alibi: bool = False,
        norm_eps: float = 1e-5,
        dropout: float = 0.0,
        depth: int = 1,
        std: float = 0.02,
        *,
        device: Any = None,
        dtype: Any = None,
        generator: Any = None,
    ) -> None:
        h, g, d = heads("Attention", d_model, n_heads, n_kv_heads, d_head)
        self.d_model, self.n_heads, self.n_kv_heads, self.d_head = d_model, h, g, d
        self.causal = bool(causal)
        self.window = (
            None if window is None else positive("Attention", "window", window)
        )
        if rotary is True:
            rotary = Rotary(d)
        self.rotary: Rotary | None = rotary or None
        if self.rotary is not None and self.rotary.d_rot > d:
            raise LayerError(
                f"[Attention] expected at most d_head={d} features to turn; got "
                f"{self.rotary.d_rot}"
            )
        self.alibi = bool(alibi)
        where = {"device": device, "dtype": dtype, "generator": generator}
        self.qkv = projection(d_model, (h + 2 * g) * d, bias, std, where)
        small = std / math.sqrt(positive("Attention", "depth", depth))
        self.out_proj = projection(h * d, d_model, out_bias, small, where)
        self.q_norm: RMSNorm | None = None
        self.k_norm: RMSNorm | None = None
        if qk_norm:
            self.q_norm = RMSNorm(d, norm_eps, device=device, dtype=dtype)
            self.k_norm = RMSNorm(d, norm_eps, device=device, dtype=dtype)
        self.dropout = Dropout(dropout, generator=generator)

    def forward(
        self,
        x: Any,
        state: KVState | None = None,
        return_state: bool = False,
        lengths: Any = None,
    ) -> Any:
        """(batch, time, d_model) to the same.

        Parameters
        ----------
        state : KVState, optional
            What came before; nothing by default.
        return_state : bool
            Also return the state after the last step.
        lengths : Tensor (batch,) of int, optional
            Places at or after it are seen by none; without a state.
        """
        sequence("Attention", x, self.d_model)
        streaming = state is not None or return_state
        if streaming and (not self.causal or lengths is not None):
            raise LayerError(
                "[Attention] expected causal attention without lengths to go on from a "
                f"state; got causal={self.causal}"
                f"{'' if lengths is None else ' and lengths'}"
            )
        b, t, _ = x.shape
        if return_state and state is None:
            state = self.initial_state(b)
        start = 0 if state is None else self._start(state, b)
        q, k, v = self._heads(x, start)
        after = None
        if state is not None:
            after = self._after(state, k, v, start + t) if return_state else None
            k, v = self._all(state, k, v)
        y = hx.attention(
            q,
            k,
            v,
            causal=self.causal,
            window=self.window,
            slopes=self._slopes(x),
            lengths=lengths,
        )
        out = self._out(y)
        return (out, after) if return_state else out

    def _heads(self, x: Any, start: int) -> tuple[Any, Any, Any]:
        q, k, v = split_heads(self.qkv(x), heads=self.n_heads, kv_heads=self.n_kv_heads)
        if self.q_norm is not None and self.k_norm is not None:
            q, k = self.q_norm(q), self.k_norm(k)
        if self.rotary is not None:
            q, k = self.rotary(q, start), self.rotary(k, start)
        return q, k, v

    def _slopes(self, x: Any) -> hx.Tensor | None:
        if not self.alibi:
            return None
        return hx.tensor(alibi_slopes(self.n_heads), dtype=x.dtype, device=x.device)

    def _out(self, y: Any) -> Any:
        flat = hx.reshape(y, (*y.shape[:2], self.n_heads * self.d_head))
        return dropped(self.dropout, self.out_proj(flat))

    # ---------------------------------------------------------------------- streaming
    def initial_state(self, batch: int) -> KVState:
        """The state before the first step: no keys."""
        if not self.causal:
            raise LayerError(
                "[Attention] expected causal attention to make a state; got causal=False"
            )
        w = self.qkv.weight
        shape = (batch, 0, self.n_kv_heads, self.d_head)
        none = hx.zeros(shape, dtype=w.aval.dtype, device=w.device)
        start = hx.zeros((), dtype=hx.int32, device=w.device)
        return KVState(none, none, none, none, start)

    def _start(self, state: Any, batch: int) -> int:
        """The position of the next place, once the state is known to be ours."""
        want = f"a KVState of batch {batch}, {self.n_kv_heads} heads of {self.d_head}"
        if not isinstance(state, KVState):
            raise LayerError(
                f"[Attention] expected {want}; got a {type(state).__name__}. Hint: it "
                "belongs to another model"
            )
        shape = (batch, self.n_kv_heads, self.d_head)
        for a in state[:4]:
            if a.ndim != 4 or (a.shape[0], *a.shape[2:]) != shape:
                raise LayerError(
                    f"[Attention] expected {want}; got keys or values of shape "
                    f"{tuple(a.shape)}. Hint: it belongs to another model or batch"
                )
        return int(state.position.item())

    def _all(self, state: KVState, k: Any, v: Any) -> tuple[Any, Any]:
        """Keys and values of all places that one of the new ones may see."""
        reach = None if self.window is None else self.window - 1
        parts = _last(state, reach)
        return hx.concat([*parts[::2], k], 1), hx.concat([*parts[1::2], v], 1)

    def _after(self, state: KVState, k: Any, v: Any, end: int) -> KVState:
        """The state once k and v have been read: new arrays, that keep none else."""
        reach = self.window
        if reach is not None:
            t = k.shape[1]
            k, v = _tail(k, reach), _tail(v, reach)
            reach = max(0, reach - t)
        parts = _last(state, reach)
        keys = hx.concat([*parts[::2], k], 1)
        values = hx.concat([*parts[1::2], v], 1)
        none = keys[:, :0]
        return KVState(keys, values, none, none, _position(state, end))

    def step(self, x: Any, state: KVState) -> tuple[hx.Tensor, KVState]:
        """One step: (batch, d_model) to the same, and the new state."""
        if x.ndim != 2 or x.shape[1] != self.d_model:
            raise hx.ShapeError(
                f"[Attention.step] expected x (batch, {self.d_model}); got "
                f"x.shape={tuple(x.shape)} on {x.device.name!r}"
            )
        start = self._start(state, x.shape[0])
        q, k, v = self._heads(x[:, None], start)
        near = (
            hx.concat([state.recent_keys, k], 1),
            hx.concat([state.recent_values, v], 1),
        )
        far = state.keys, state.values
        if self.window is not None:
            near = _tail(near[0], self.window), _tail(near[1], self.window)
            room = self.window - near[0].shape[1]
            far = _tail(far[0], room), _tail(far[1], room)
        slopes = self._slopes(x)
        cache = (*far, *near) if slopes is None else (*far, *near, slopes)
        y = attention_step(q, *cache, compute=hx.get_precision())
        few, many = near[0].shape[1], far[0].shape[1]
        if few >= _FEW and few * few >= many:
            far = hx.concat([far[0], near[0]], 1), hx.concat([far[1], near[1]], 1)
            near = far[0][:, :0], far[1][:, :0]
        new = KVState(*far, *near, _position(state, start + 1))
        return self._out(y)[:, 0], new


def heads(
    layer: str,
    d_model: int,
    n_heads: int | None,
    n_kv_heads: int | None,
    d_head: int | None,
) -> tuple[int, int, int]:
    """Heads of queries, heads of keys, and the size of each."""
    positive(layer, "d_model", d_model)
    if n_heads is None:
        n_heads = 1 if d_model % 64 else d_model // 64
    h = positive(layer, "n_heads", n_heads)
    g = h if n_kv_heads is None else positive(layer, "n_kv_heads", n_kv_heads)
    if h % g:
        raise LayerError(
            f"[{layer}] expected n_kv_heads to divide n_heads={h}; got n_kv_heads={g}"
        )
    if d_head is None:
        if d_model % h:
            raise LayerError(
                f"[{layer}] expected n_heads to divide d_model={d_model}; got "
                f"n_heads={h}. Hint: d_head= sets the size of a head"
            )
        d_head = d_model // h
    return h, g, positive(layer, "d_head", d_head)


def _tail(x: Any, n: int) -> Any:
    """The last n places."""
    return x if x.shape[1] <= n else x[:, x.shape[1] - n :]


def _last(state: KVState, n: int | None) -> tuple[Any, ...]:
    """Keys, values, recent keys and recent values of the last n places."""
    if n is None:
        return state[:4]
    near = _tail(state.recent_keys, n), _tail(state.recent_values, n)
    room = n - near[0].shape[1]
    return _tail(state.keys, room), _tail(state.values, room), *near


def _position(state: KVState, at: int) -> hx.Tensor:
    return hx.tensor(at, dtype=hx.int32, device=state.position.device)


class CrossAttention(hx.Module):
    """Attention of one sequence to another, as in the decoder of arXiv:1706.03762.

    Parameters
    ----------
    d_model : int
    d_context : int, optional
        Features of the other sequence; ``d_model`` by default.
    n_heads, n_kv_heads, d_head : int, optional
        As in `AttentionMixer`.
    bias : bool
        Of all projections.
    depth, std
        As in `AttentionMixer`.

    Attributes
    ----------
    q_proj : Linear
    kv_proj : Linear, rows [k; v]
    out_proj : Linear

    Examples
    --------
    >>> import helix_core as hx
    >>> layer = CrossAttention(32, 16, n_heads=4)
    >>> layer(hx.ones((1, 5, 32)), hx.ones((1, 9, 16))).shape
    (1, 5, 32)
    """

    def __init__(
        self,
        d_model: int,
        d_context: int | None = None,
        n_heads: int | None = None,
        n_kv_heads: int | None = None,
        d_head: int | None = None,
        bias: bool = False,
        depth: int = 1,
        std: float = 0.02,
        *,
        device: Any = None,
        dtype: Any = None,
        generator: Any = None,
    ) -> None:
        h, g, d = heads("CrossAttention", d_model, n_heads, n_kv_heads, d_head)
        self.d_model, self.n_heads, self.n_kv_heads, self.d_head = d_model, h, g, d
        d_context = d_model if d_context is None else d_context
        self.d_context = positive("CrossAttention", "d_context", d_context)
        where = {"device": device, "dtype": dtype, "generator": generator}
        self.q_proj = projection(d_model, h * d, bias, std, where)
        self.kv_proj = projection(d_context, 2 * g * d, bias, std, where)
        small = std / math.sqrt(positive("CrossAttention", "depth", depth))
        self.out_proj = projection(h * d, d_model, bias, small, where)

    def forward(
        self, x: Any, context: Any, lengths: Any = None, mask: Any = None
    ) -> hx.Tensor:
        """(batch, time, d_model) to the same.

        Parameters
        ----------
        context : Tensor (batch, time_k, d_context)
        lengths : Tensor (batch,) of int, optional
            Of the contexts: places at or after it are not seen.
        mask : Tensor (batch, time_k) of bool, optional
            Which places of the contexts are seen. A row that sees none gets the bias of
            ``out_proj`` alone.
        """
        sequence("CrossAttention", x, self.d_model)
        sequence("CrossAttention", context, self.d_context)
        b, t, _ = x.shape
        h, g, d = self.n_heads, self.n_kv_heads, self.d_head
        q = hx.reshape(self.q_proj(x), (b, t, h, d))
        kv = hx.reshape(self.kv_proj(context), (*context.shape[:2], 2 * g, d))
        k, v = hx.split(kv, 2, 2)
        bias = None if mask is None else _hidden(mask, context, q.dtype)
        y = hx.attention(q, k, v, lengths=lengths, bias=bias)
        out: hx.Tensor = self.out_proj(hx.reshape(y, (b, t, h * d)))
        return out


def _hidden(mask: Any, context: Any, dtype: Any) -> hx.Tensor:
    """(batch, 1, 1, time_k): 0 where a place is seen, else -inf."""
    if mask.shape != context.shape[:2]:
        raise hx.ShapeError(
            f"[CrossAttention] expected mask {context.shape[:2]}; got {mask.shape}"
        )
    zero = hx.zeros((), device=context.device, dtype=dtype)
    return hx.reshape(hx.where(mask, zero, -math.inf), (len(mask), 1, 1, -1))
