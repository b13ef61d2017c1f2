"""Tasks that are new in every sequence, to be learned from its beginning."""

from __future__ import annotations

import numpy as np

from .._block import Column
from .._fields import field
from ..distributions import Draws
from ..errors import SpecError
from ._base import SequenceTask, pair


class Automata(SequenceTask):
    """Strings of a probabilistic automaton that each sequence has for itself (RegBench).

    Akyurek et al. 2024. ``next_state`` (state, symbol) int32 is -1 where a symbol is not
    allowed; each state allows ``edges`` symbols, equally likely, and every string starts
    in state 0. Token ``symbols`` stands between strings. The target is the next token.
    """

    name = "automata"
    strings: int = field(10, 1, 1 << 12, "strings in a sequence")
    string_length: int = field(20, 1, 1 << 12, "symbols in a string")
    states: int = field(8, 1, 256, "states of the automaton")
    symbols: int = field(12, 1, 256, "symbols there are")
    edges: int = field(3, 1, 256, "symbols that a state allows")

    def check(self) -> None:
        if self.edges > self.symbols:
            raise SpecError(
                f"[automata] expected edges <= symbols; got edges={self.edges}, "
                f"symbols={self.symbols}. Hint: edges={self.symbols}"
            )

    def rows(self, draws: Draws) -> dict[str, Column]:
        n, e = len(draws), self.edges
        order = np.argsort(
            draws.uniform((self.states, self.symbols)), axis=2, kind="stable"
        )
        allowed = order[..., :e]  # (row, state, edge)
        goal = draws.integers(0, self.states, (self.states, e))
        table = np.full((n, self.states, self.symbols), -1, np.int32)
        np.put_along_axis(table, allowed, goal.astype(np.int32), 2)
        edge = draws.integers(0, e, (self.strings, self.string_length))
        tokens = np.full((n, self.strings, self.string_length + 1), self.symbols)
        row, string = np.arange(n)[:, None], np.arange(self.strings)
        state = np.zeros((n, self.strings), np.int64)
        for t in range(self.string_length):
            taken = edge[row, string, t]
            tokens[:, :, t] = allowed[row, state, taken]
            state = goal[row, state, taken]
        flat = tokens.reshape(n, -1)
        return {**pair(flat[:, :-1], flat[:, 1:]), "next_state": table}


class HiddenMarkov(SequenceTask):
    """A document of one of several hidden Markov models (Xie et al. 2021, GINC).

    The models belong to the spec and seed-free constants of the task: transitions follow
    ``topic`` by a fixed rule, so that a mixture has to infer its topic. State s of topic
    z goes to ``(s + 1 + z) mod states`` with probability ``stay``, else anywhere; it says
    symbol ``(s * 7 + j) mod symbols`` for j below ``width``. The target is the next token.
    """

    name = "hidden_markov"
    length: int = field(256, 2, 1 << 18, "tokens in a sequence")
    topics: int = field(5, 1, 64, "models in the mixture")
    states: int = field(12, 2, 256, "states of a model")
    symbols: int = field(48, 2, 4096, "symbols there are")
    width: int = field(3, 1, 64, "symbols that a state says")
    stay: float = field(0.9, 0.0, 1.0, "probability of the topic's own step")

    def rows(self, draws: Draws) -> dict[str, Column]:
        n, length = len(draws), self.length + 1
        topic = draws.integers(0, self.topics)
        start = draws.integers(0, self.states)
        follows = draws.bernoulli(self.stay, length)
        elsewhere = draws.integers(0, self.states, length)
        said = draws.integers(0, self.width, length)
        states = np.empty((n, length), np.int32)
        state = start
        for t in range(length):
            states[:, t] = state
            state = np.where(
                follows[:, t], (state + 1 + topic) % self.states, elsewhere[:, t]
            )
        tokens = (states * 7 + said) % self.symbols
        columns = pair(tokens[:, :-1], tokens[:, 1:])
        return {**columns, "states": states[:, :-1].copy(), "topic": topic}


class InContextRegression(SequenceTask):
    """Points of a linear function that each sequence has for itself (Garg et al. 2022).

    ``x`` (point, feature), ``y`` (point,) and ``weights`` (feature,) are float32;
    y = x . weights + noise, and noise is normal of deviation ``noise``.
    """

    name = "in_context_regression"
    points: int = field(41, 1, 1 << 14, "points in a sequence")
    features: int = field(20, 1, 1 << 10, "features of a point")
    noise: float = field(0.0, 0.0, 100.0, "standard deviation of the noise")

    def rows(self, draws: Draws) -> dict[str, Column]:
        weights = draws.normal(self.features).astype(np.float32)
        x = draws.normal((self.points, self.features)).astype(np.float32)
        y = np.zeros((len(draws), self.points))
        for f in range(self.features):  # one order of adding on every machine
            y += x[:, :, f].astype(np.float64) * weights[:, None, f]
        if self.noise:
            y += self.noise * draws.normal(self.points)
        return {"x": x, "y": y.astype(np.float32), "weights": weights}
