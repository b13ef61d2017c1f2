"""What grammars share."""

from __future__ import annotations

from typing import Any, ClassVar

from .._block import Column
from .._tape import Tape
from ..distributions import Draws
from ..generator import Generator


class Grammar(Generator):
    """Text of a grammar: ``text``, and what it means or whether it is well formed."""

    modality: ClassVar[str] = "text"
    words: ClassVar[int] = 96  # about how many draws a text takes

    def one(self, tape: Tape) -> dict[str, Any]:
        """One sample."""
        raise NotImplementedError

    def rows(self, draws: Draws) -> dict[str, Column]:
        found = [self.one(tape) for tape in draws.tapes(self.words)]
        return (
            {name: [sample[name] for sample in found] for name in found[0]}
            if found
            else {}
        )
