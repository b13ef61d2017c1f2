"""Stacks of layers by name: hybrids are one line."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import Any

import helix_core as hx
from helix_core import plugins

from ._block import Block, same_layers
from ._check import LayerError, positive, sequence
from ._config import Config
from ._embedding import Embedding
from ._lm import LanguageModel
from ._normalisation import RMSNorm
from ._pattern import parse

Settings = dict[str, dict[str, Any]]


class Stack(hx.Module):
    """Residual layers one after the other, by their names in the registry.

    Parameters
    ----------
    pattern : str
        Names with repetitions: ``"mamba*3 attention mamba*3"``,
        ``"(mamba*3 attention)*2 mlp"``. A name is one of `helix plugins`, anybody's.
    d_model : int
        Every layer is made as ``factory(d_model, ...)``. A `Block` stands as it is; any
        other layer of (batch, time, d_model) becomes the mixer of one, after an RMS norm.
    settings : dict of dict, optional
        By layer name: ``{"attention": {"n_heads": 8}}``.
    norm_eps : float
        Of the RMS norms that the stack adds.

    Attributes
    ----------
    layers : list of Block

    Examples
    --------
    >>> import helix_core as hx
    >>> stack = Stack("mamba*2", d_model=16, settings={"mamba": {"d_state": 4}})
    >>> y, state = stack(hx.ones((1, 5, 16)), return_state=True)
    >>> y.shape, len(state)
    ((1, 5, 16), 2)
    """

    def __init__(
        self,
        pattern: str,
        d_model: int,
        settings: Settings | None = None,
        norm_eps: float = 1e-5,
        *,
        device: Any = None,
        dtype: Any = None,
        generator: Any = None,
    ) -> None:
        self.pattern = pattern
        self.d_model = positive("Stack", "d_model", d_model)
        where = {"device": device, "dtype": dtype, "generator": generator}
        self.layers = blocks(pattern, d_model, settings, norm_eps, where)

    def forward(self, x: Any, state: Any = None, return_state: bool = False) -> Any:
        """(batch, time, d_model) to the same.

        Parameters
        ----------
        state : tuple, optional
            Of the layers, in order; nothing came before by default.
        return_state : bool
            Also return the state after the last step.
        """
        sequence("Stack", x, self.d_model)
        if state is not None:
            same_layers("Stack", state, self.layers)
        residual, states = None, []
        for i, layer in enumerate(self.layers):
            old = None if state is None else state[i]
            x, residual = layer.branch(x, residual, old, return_state)
            if return_state:
                x, new = x
                states.append(new)
        y = x + residual
        return (y, tuple(states)) if return_state else y

    def initial_state(self, batch: int) -> tuple[Any, ...]:
        """The state before the first step."""
        return tuple([layer.initial_state(batch) for layer in self.layers])

    def step(self, x: Any, state: Any) -> tuple[Any, tuple[Any, ...]]:
        """One place of each sequence: (batch, d_model) to the same, and the new state."""
        same_layers("Stack", state, self.layers)
        new = []
        for layer, old in zip(self.layers, state, strict=True):
            x, s = layer.step(x, old)
            new.append(s)
        return x, tuple(new)


def blocks(
    pattern: str,
    d_model: int,
    settings: Settings | None,
    norm_eps: float,
    where: dict[str, Any],
) -> list[Any]:
    """The layers of a pattern; see `Stack`."""
    names, settings = parse(pattern), settings or {}
    unused = [n for n in settings if n not in names]
    if unused:
        raise LayerError(
            f"[Stack] expected settings of layers in {pattern!r}; got some of "
            f"{', '.join(unused)}"
        )
    return [
        _layer(n, d_model, {"depth": len(names)}, settings.get(n, {}), norm_eps, where)
        for n in names
    ]


def _layer(
    name: str,
    d_model: int,
    offered: dict[str, Any],
    settings: dict[str, Any],
    norm_eps: float,
    where: dict[str, Any],
) -> Any:
    factory: Any = plugins.load("layers", name)
    takes = inspect.signature(factory).parameters
    open_ended = any(p.kind is p.VAR_KEYWORD for p in takes.values())
    given = {k: v for k, v in offered.items() if k in takes}
    given |= {k: v for k, v in where.items() if open_ended or k in takes}
    try:
        layer = factory(d_model, **{**given, **settings})
    except TypeError as e:
        raise LayerError(
            f"[Stack] expected a layer that is made as {name}(d_model"
            f"{''.join(f', {k}=' for k in settings)}); got {e}"
        ) from e
    if isinstance(layer, Block):
        return layer
    norm = {k: v for k, v in where.items() if k != "generator"}
    return Block(RMSNorm(d_model, norm_eps, **norm), layer)


@dataclass(frozen=True, slots=True, kw_only=True)
class StackConfig(Config):
    """Sizes of a `StackLM`.

    Attributes
    ----------
    vocab_size, d_model : int
    pattern : str
        Of `Stack`.
    settings : dict of dict
        Of layers, by name.
    tie_embeddings : bool
        The output projection is the embedding table.
    embedding_std : float
    """

    vocab_size: int = 256
    d_model: int = 128
    pattern: str = "mamba*2 attention mamba*2"
    settings: Settings = field(default_factory=dict)
    norm_eps: float = 1e-5
    tie_embeddings: bool = True
    embedding_std: float = 0.02


class StackLM(LanguageModel):
    """A language model of a `Stack`: embedding, its layers, RMS norm, projection.

    Parameters
    ----------
    config : StackConfig
    device, dtype, generator
        Where the weights live, their dtype (float32), and what draws them.

    Examples
    --------
    >>> import helix_core as hx
    >>> model = StackLM(StackConfig(d_model=32, pattern="mamba*2"))
    >>> model(hx.zeros((1, 7), dtype=hx.int32)).shape
    (1, 7, 256)
    """

    def __init__(
        self,
        config: StackConfig,
        *,
        device: Any = None,
        dtype: Any = None,
        generator: Any = None,
    ) -> None:
        c = self.config = config
        where = {"device": device, "dtype": dtype}
        self.embedding = Embedding(
            c.vocab_size, c.d_model, c.embedding_std, generator=generator, **where
        )
        self.layers = blocks(
            c.pattern,
            c.d_model,
            c.settings,
            c.norm_eps,
            {**where, "generator": generator},
        )
        self.norm = RMSNorm(c.d_model, c.norm_eps, **where)
        self.head = self.make_head(c.embedding_std, generator=generator, **where)


def build(config: dict[str, Any]) -> StackLM:
    """The factory behind the name ``stack_lm``."""
    return StackLM(StackConfig.from_dict(config))
