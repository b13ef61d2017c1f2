"""The base of all generators: ``sample(i)`` is a pure function."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Any, ClassVar

import numpy as np

from ._block import Block, Column, Sample
from ._fields import Field, canonical, checked
from ._philox import Philox
from .distributions import Draws
from .errors import SynthError

LAST = 2**64  # indices are 64 bits


class Generator:
    """A source of samples, each addressed by its index.

    A subclass declares its spec once, as class attributes made by `field`, and fills
    `rows`. The bits of sample i depend on (name, version, spec, seed, i) and on nothing
    else: not on the block, shard, worker or order in which it is asked for.

    Parameters
    ----------
    seed : int
        From 0 to 2**64 - 1.
    **spec
        Fields of the spec; those not given take their defaults.

    Attributes
    ----------
    name : str
    version : int
        Raised when the same spec and seed give other bits.
    modality : str
    chunk : int
        How many samples a block of `stream` has.

    Raises
    ------
    SpecError
        If a field is unknown, of the wrong type or out of its bounds.
    """

    name: ClassVar[str] = ""
    version: ClassVar[int] = 1
    modality: ClassVar[str] = "sequence"
    chunk: ClassVar[int] = 256
    fields: ClassVar[dict[str, Field]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = {k: v for k, v in vars(cls).items() if isinstance(v, Field)}
        for taken in {*own} & {*vars(Generator), "seed", "spec"}:
            raise TypeError(
                f"[{cls.__name__}] expected a field that hides nothing of Generator; got "
                f"{taken!r}. Hint: another name"
            )
        cls.fields = {**cls.fields, **own}

    def __init__(self, seed: int = 0, **spec: Any) -> None:
        if type(seed) is not int or not 0 <= seed < LAST:
            raise SynthError(
                f"[{self.name}] expected seed: int in [0, 2**64); got {seed!r}. "
                "Hint: seed=0"
            )
        self.seed = seed
        self.spec = checked(self.name, self.fields, spec)
        vars(self).update(self.spec)
        self.check()
        self._philox = Philox(self.key)

    def check(self) -> None:
        """Raise `SpecError` for fields that do not go together."""

    def rows(self, draws: Draws) -> dict[str, Column]:
        """Columns for ``len(draws)`` samples, computed from their draws alone."""
        raise NotImplementedError(f"[{self.name}] rows(draws) is what a generator does")

    @property
    def key(self) -> int:
        """64 bits of blake2b over generator, version, canonical spec and seed."""
        text = f"{self.name}\n{self.version}\n{canonical(self.spec)}\n{self.seed}"
        return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")

    def at(self, indices: Sequence[int] | np.ndarray) -> Block:
        """The samples of these indices, in any order, as a `Block`."""
        at = np.asarray(indices, np.uint64).reshape(-1)
        return Block(at, self.rows(Draws(self._philox, at)))

    def block(self, start: int, n: int) -> Block:
        """Samples ``start`` to ``start + n``: the same bits as `sample` gives."""
        if start < 0 or n < 0 or start + n > LAST:
            raise SynthError(
                f"[{self.name}] expected indices in [0, 2**64); got start={start}, n={n}. "
                "Hint: block(start, n)"
            )
        return self.at(np.arange(n, dtype=np.uint64) + np.uint64(start))

    def sample(self, i: int) -> Sample:
        """Sample i as a dict of arrays, str, int and float."""
        return self.block(i, 1).sample(0)

    def blocks(
        self, n: int, *, shard: tuple[int, int] = (0, 1), start: int = 0
    ) -> Iterator[Block]:
        """Blocks of one shard of the samples ``start`` to ``start + n``, in order."""
        first, last = shard_range(n, *shard)
        for i in range(first, last, self.chunk):
            yield self.block(start + i, min(self.chunk, last - i))

    def stream(
        self, n: int, *, shard: tuple[int, int] = (0, 1), start: int = 0
    ) -> Iterator[Sample]:
        """One shard of the samples ``start`` to ``start + n``, in order.

        Parameters
        ----------
        n : int
        shard : (int, int)
            Which of how many; shards are consecutive ranges.
        """
        for block in self.blocks(n, shard=shard, start=start):
            yield from block.samples()

    def __repr__(self) -> str:
        spec = "".join(f", {k}={v!r}" for k, v in self.spec.items())
        return f"{type(self).__name__}(seed={self.seed}{spec})"


def shard_range(n: int, k: int, of: int) -> tuple[int, int]:
    """First and last + 1 of shard k: sizes differ by at most one."""
    if not (n >= 0 and 0 <= k < of):
        raise SynthError(
            f"[stream] expected n >= 0 and shard (k, K) with 0 <= k < K; got n={n}, "
            f"shard=({k}, {of}). Hint: shard=(0, 1) is everything"
        )
    return n * k // of, n * (k + 1) // of
