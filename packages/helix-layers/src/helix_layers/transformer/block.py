"""Residual blocks of attention and feed-forward layers."""

from __future__ import annotations

from typing import Any

import helix_core as hx

from .._block import Block
from .._check import LayerError
from .._normalisation import LayerNorm, RMSNorm
from .attention import AttentionMixer
from .mlp import MLP

NORMS = {"rms_norm": RMSNorm, "layer_norm": LayerNorm}


def make_norm(kind: str, d_model: int, eps: float, settings: dict[str, Any]) -> Any:
    """A norm by name, on the device and of the dtype of the settings."""
    if kind not in NORMS:
        raise LayerError(f"[norm] expected one of {', '.join(NORMS)}; got {kind!r}")
    where = {k: settings[k] for k in ("device", "dtype") if k in settings}
    return NORMS[kind](d_model, eps, **where)


class AttentionBlock(Block):
    """A residual attention layer: ``x + mixer(norm(x))``.

    Parameters
    ----------
    d_model : int
    norm : {"rms_norm", "layer_norm"}
    norm_eps : float
    depth : int
        Residual branches in the model; see `AttentionMixer`.
    **settings
        Of `AttentionMixer`.

    Examples
    --------
    >>> import helix_core as hx
    >>> AttentionBlock(32, n_heads=4)(hx.ones((1, 5, 32))).shape
    (1, 5, 32)
    """

    def __init__(
        self,
        d_model: int,
        norm: str = "rms_norm",
        norm_eps: float = 1e-5,
        depth: int = 1,
        **settings: Any,
    ) -> None:
        super().__init__(
            make_norm(norm, d_model, norm_eps, settings),
            AttentionMixer(d_model, norm_eps=norm_eps, depth=depth, **settings),
        )


class MLPBlock(Block):
    """A residual feed-forward layer: ``x + mixer(norm(x))``.

    Parameters
    ----------
    d_model : int
    norm : {"rms_norm", "layer_norm"}
    norm_eps : float
    depth : int
        Residual branches in the model; see `MLP`.
    **settings
        Of `MLP`.

    Examples
    --------
    >>> import helix_core as hx
    >>> MLPBlock(32, activation="swiglu")(hx.ones((1, 5, 32))).shape
    (1, 5, 32)
    """

    def __init__(
        self,
        d_model: int,
        norm: str = "rms_norm",
        norm_eps: float = 1e-5,
        depth: int = 1,
        **settings: Any,
    ) -> None:
        super().__init__(
            make_norm(norm, d_model, norm_eps, settings),
            MLP(d_model, depth=depth, **settings),
        )


class TransformerBlock(Block):
    """Attention, then a feed-forward layer, each with its norm and residual.

    Parameters
    ----------
    d_model : int
    norm : {"rms_norm", "layer_norm"}
    norm_eps : float
    parallel : bool
        Both read x: ``x + attention(norm(x)) + mlp(norm'(x))`` (GPT-NeoX).
    depth : int
        Blocks in the model: projections back are drawn smaller by the root of twice that.
    attention, mlp : dict, optional
        Settings of `AttentionMixer` and of `MLP`.

    Attributes
    ----------
    attention, mlp : Block

    Examples
    --------
    >>> import helix_core as hx
    >>> block = TransformerBlock(32, attention={"n_heads": 4})
    >>> block(hx.ones((1, 5, 32))).shape
    (1, 5, 32)
    """

    def __init__(
        self,
        d_model: int,
        norm: str = "rms_norm",
        norm_eps: float = 1e-5,
        parallel: bool = False,
        depth: int = 1,
        attention: dict[str, Any] | None = None,
        mlp: dict[str, Any] | None = None,
        *,
        device: Any = None,
        dtype: Any = None,
        generator: Any = None,
    ) -> None:
        where = {"device": device, "dtype": dtype, "generator": generator}
        shared = {"norm": norm, "norm_eps": norm_eps, "depth": 2 * depth, **where}
        self.parallel = bool(parallel)
        self.attention = AttentionBlock(d_model, **shared, **(attention or {}))
        self.mlp = MLPBlock(d_model, **shared, **(mlp or {}))

    @property
    def stateful(self) -> bool:
        """Whether the attention can go on from a state."""
        return bool(self.attention.mixer.causal)

    def forward(self, x: Any, state: Any = None, return_state: bool = False) -> Any:
        """(batch, time, d_model) to the same; see `Block`."""
        out, residual = self.branch(x, None, state, return_state)
        if return_state:
            return residual + out[0], out[1]
        return residual + out

    def branch(
        self, x: Any, residual: Any, state: Any = None, return_state: bool = False
    ) -> tuple[Any, Any]:
        """What is to be added, and to what; see `Block`."""
        out, total = self.attention.branch(x, residual, state, return_state)
        after = None
        if return_state:
            out, after = out
        if self.parallel:
            out = out + self.mlp.mixer(self.mlp.norm(total))
        else:
            out, total = self.mlp.branch(out, total)
        return ((out, after) if return_state else out), total

    def initial_state(self, batch: int) -> Any:
        """The state before the first step."""
        return self.attention.initial_state(batch)

    def step(self, x: Any, state: Any) -> tuple[Any, Any]:
        """One place of each sequence: (batch, d_model) to the same, and the state."""
        y, state = self.attention.step(x, state)
        if self.parallel:
            return y + self.mlp.mixer(self.mlp.norm(x)), state
        return self.mlp.step(y, ())[0], state


class PostNormBlock(hx.Module):
    """``norm(x + mixer(x))``, as in the first Transformer and in BERT.

    Parameters
    ----------
    norm, mixer : Module
        As in `Block`.
    """

    def __init__(self, norm: hx.Module, mixer: hx.Module) -> None:
        self.norm: Any = norm
        self.mixer: Any = mixer

    def forward(self, x: Any, **settings: Any) -> Any:
        """(batch, time, d_model) to the same; settings are the mixer's."""
        return self.norm(self.mixer(x, **settings), x)[0]
