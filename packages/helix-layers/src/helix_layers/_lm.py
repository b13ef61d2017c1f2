"""What all language models here have in common: whole sequences, and streaming."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import helix_core as hx

from ._block import same_layers
from ._check import LayerError, token_ids
from ._linear import linear
from ._sampling import Sampler, generate


class LanguageModel(hx.Module):
    """Embedding, blocks, norm, output projection.

    A model sets the attributes below in its constructor. Its state is a tuple of the
    states of its blocks, unless it overrides `join` and `parts`.

    Attributes
    ----------
    config : dataclass
        With ``vocab_size``, ``d_model`` and ``tie_embeddings``.
    embedding : Embedding
    layers : list of Block
    norm : Module
        Called as ``norm(x, residual)``; see `Block`.
    head : Parameter (vocab_size, d_model)
        The embedding table where they are tied.
    """

    config: Any
    embedding: Any
    layers: list[Any]
    norm: Any
    head: hx.Parameter

    def make_head(self, std: float, **where: Any) -> hx.Parameter:
        """The output projection (vocab_size, d_model): the embedding table where they are
        tied, else drawn from a normal of this deviation."""
        c = self.config
        if c.tie_embeddings:
            table: hx.Parameter = self.embedding.weight
            return table
        w = hx.init.normal((c.vocab_size, c.d_model), 0.0, std, **where)
        return hx.Parameter(w, "head")

    # ------------------------------------------------------------------ whole sequences
    def embed(self, ids: Any, state: Any) -> hx.Tensor:
        """Features of ids (batch, time) that follow ``state``; (batch, time, d_model)."""
        x: hx.Tensor = self.embedding(ids)
        return x

    def hidden(self, ids: Any, state: Any = None, return_state: bool = False) -> Any:
        """Features before the output projection, (batch, time, d_model).

        Parameters
        ----------
        ids : Tensor (batch, time) of int
        state : optional
            Of what came before; nothing by default.
        return_state : bool
            Also return the state after the last id.
        """
        name = type(self).__name__
        ids = hx.as_tensor(ids)
        token_ids(name, ids, 2, "batch, time")
        x, residual = self.embed(ids, state), None
        states: list[Any] = []
        if state is not None:
            state = self.parts(state)
            same_layers(name, state, self.layers)
        for i, layer in enumerate(self.layers):
            old = None if state is None else state[i]
            x, residual = layer.branch(x, residual, old, return_state)
            if return_state:
                x, new = x
                states.append(new)
        h, _ = self.norm(x, residual)
        return (h, self.join(states)) if return_state else h

    def logits(self, h: Any) -> hx.Tensor:
        """Of features (..., d_model); (..., vocab_size)."""
        return linear(h, self.head)

    def forward(self, ids: Any) -> hx.Tensor:
        """Logits of what follows each place.

        Parameters
        ----------
        ids : Tensor (batch, time) of int

        Returns
        -------
        Tensor (batch, time, vocab_size)
        """
        return self.logits(self.hidden(ids))

    def loss(self, ids: Any, labels: Any) -> hx.Tensor:
        """Mean cross-entropy [nats] of the labels, without holding all logits.

        Parameters
        ----------
        ids, labels : Tensor (batch, time) of int
            ``labels[:, t]`` is what follows ``ids[:, t]``; -100 does not count.
        """
        h = self.hidden(ids)
        rows = hx.reshape(h, (-1, self.config.d_model))
        labels = hx.reshape(hx.as_tensor(labels), (-1,))
        return hx.linear_cross_entropy(rows, self.head, labels)

    # ---------------------------------------------------------------------- streaming
    def join(self, states: list[Any]) -> Any:
        """The model's state of its blocks' states."""
        return tuple(states)

    def parts(self, state: Any) -> Sequence[Any]:
        """The blocks' states of the model's: undoes `join`."""
        return tuple(state)

    def initial_state(self, batch: int = 1) -> Any:
        """The state before the first id."""
        return self.join([x.initial_state(batch) for x in self.layers])

    def prefill(self, ids: Any, state: Any = None) -> tuple[Any, Any]:
        """Read a sequence at once.

        Parameters
        ----------
        ids : Tensor (batch, time) of int, time >= 1
        state : optional
            Of what came before.

        Returns
        -------
        Tensor (batch, vocab_size), state
            Logits of what follows, and the state to go on from.
        """
        h, state = self.hidden(ids, state, return_state=True)
        if h.shape[1] == 0:
            name = type(self).__name__
            raise LayerError(f"[{name}.prefill] expected at least one id; got none")
        return self.logits(h[:, -1]), state

    def step(self, ids: Any, state: Any) -> tuple[Any, Any]:
        """Read one more id of each sequence.

        Parameters
        ----------
        ids : Tensor (batch,) of int
        state
            Of `initial_state`, `prefill`, or the step before.

        Returns
        -------
        Tensor (batch, vocab_size), state
        """
        name = type(self).__name__
        ids = hx.as_tensor(ids)
        token_ids(f"{name}.step", ids, 1, "batch")
        x = self.embed(ids[:, None], state)[:, 0]
        states = self.parts(state)
        same_layers(name, states, self.layers)
        new = []
        for layer, old in zip(self.layers, states, strict=True):
            x, s = layer.step(x, old)
            new.append(s)
        return self.logits(self.norm(x)), self.join(new)

    def stream(
        self,
        prompt: Sequence[int],
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int = 0,
    ) -> Iterator[int]:
        """Ids that follow a prompt, endlessly; see `generate`."""
        return generate(self, prompt, Sampler(temperature, top_k, top_p, seed))

    def generate(
        self,
        prompt: Sequence[int],
        count: int,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int = 0,
        stop: int | None = None,
    ) -> list[int]:
        """Continue a prompt.

        Parameters
        ----------
        prompt : sequence of int, or bytes
            At least one id.
        count : int
            Ids to make.
        temperature : float
            0 takes the most probable id each time.
        top_k : int, optional
            Only the k most probable ids.
        top_p : float, optional
            Only the most probable ids that hold this share together (arXiv:1904.09751).
        seed : int
            The same seed gives the same ids.
        stop : int, optional
            End after this id.
        """
        out: list[int] = []
        for i in self.stream(prompt, temperature, top_k, top_p, seed):
            if len(out) >= count:
                break
            out.append(i)
            if i == stop:
                break
        return out
