"""All generators behind one object, for data that fits in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

from . import dataset, registry
from ._block import Block, Column, Sample
from ._digest import MerkleTree, sample_digest
from .generator import Generator
from .sinks.npz import joined

# what each method makes where no kind is named
DEFAULTS = {
    "sequence": "mqar",
    "image": "shapes",
    "graph": "erdos_renyi",
    "time_series": "kernel_synth",
    "text": "arithmetic",
    "audio": "notes",
    "video": "bouncing",
    "points": "solids",
    "table": "regression",
}


class Samples(Sequence[Sample]):
    """Samples that were made and verified.

    Index it for one sample as a dict; ``samples.column("image")`` is one field of all:
    an array with a leading sample axis, `Ragged` rows, or a list of str.

    Attributes
    ----------
    generator : Generator
    """

    def __init__(self, generator: Generator, n: int, start: int = 0) -> None:
        self.generator = generator
        self._blocks: list[Block] = []
        check = registry.verifier(generator.name)
        tree = MerkleTree()
        for block in generator.blocks(n, start=start):
            for index, sample in zip(
                block.indices.tolist(), block.samples(), strict=True
            ):
                registry.reject(generator, index, check(generator.spec, sample))
                tree.add(sample_digest(sample))
            self._blocks.append(block)
        self._n, self._start, self._root = n, start, tree.root()

    def __len__(self) -> int:
        return self._n

    @overload
    def __getitem__(self, at: int) -> Sample: ...

    @overload
    def __getitem__(self, at: slice) -> list[Sample]: ...

    def __getitem__(self, at: int | slice) -> Sample | list[Sample]:
        if isinstance(at, slice):
            return [self[i] for i in range(*at.indices(self._n))]
        if not -self._n <= at < self._n:
            raise IndexError(f"[samples] expected an index below {self._n}; got {at}")
        block, row = divmod(at % self._n, self.generator.chunk)
        return self._blocks[block].sample(row)

    def __iter__(self) -> Iterator[Sample]:
        for block in self._blocks:
            yield from block.samples()

    @property
    def fields(self) -> list[str]:
        """Names of what a sample holds."""
        return list(self._blocks[0]) if self._blocks else []

    def column(self, name: str) -> Column:
        """One field of all samples."""
        return joined([block[name] for block in self._blocks])

    @property
    def root(self) -> str:
        """The Merkle root of the samples: equal data, equal root."""
        return self._root

    def write(self, out: str | Path, **options: Any) -> dict[str, Any]:
        """Write the same samples to a folder: see `helix_synth.dataset.write`."""
        return dataset.write(self.generator, self._n, out, start=self._start, **options)

    def __repr__(self) -> str:
        return f"Samples({self._n} of {self.generator!r}: {', '.join(self.fields)})"


class SyntheticDataSystem:
    """Synthetic data of any modality, verified sample by sample.

    Parameters
    ----------
    seed : int
        From 0 to 2**64 - 1.

    Examples
    --------
    >>> from helix_synth import SyntheticDataSystem
    >>> s = SyntheticDataSystem(seed=0)
    >>> recall = s.generate_sequences(100, pairs=4, length=64)
    >>> recall.column("inputs").shape
    (100, 64)
    >>> recall[7]["inputs"].dtype
    dtype('int32')
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def generate(self, kind: str, n: int, *, start: int = 0, **spec: Any) -> Samples:
        """Samples ``start`` to ``start + n`` of the generator of this name.

        Parameters
        ----------
        kind : str
            A name of ``helix synth list``.
        n, start : int
        **spec
            Fields of its spec.

        Raises
        ------
        SpecError
            If a field is unknown, of the wrong type or out of its bounds.
        VerificationError
            If a sample is not what its spec promises.
        """
        return Samples(registry.generator(kind, seed=self.seed, **spec), n, start)

    def generate_sequences(
        self, n: int, kind: str = DEFAULTS["sequence"], **spec: Any
    ) -> Samples:
        """Sequence tasks: ``mqar``, ``copy``, ``dyck``, ``state_tracking``, ..."""
        return self.generate(kind, n, **spec)

    def generate_images(
        self, n: int, kind: str = DEFAULTS["image"], **spec: Any
    ) -> Samples:
        """Images: ``shapes``, ``glyphs``, ``scenes``."""
        return self.generate(kind, n, **spec)

    def generate_graphs(
        self, n: int, kind: str = DEFAULTS["graph"], **spec: Any
    ) -> Samples:
        """Graphs: ``erdos_renyi``, ``barabasi_albert``, ``block_model``, ..."""
        return self.generate(kind, n, **spec)

    def generate_time_series(
        self, n: int, kind: str = DEFAULTS["time_series"], **spec: Any
    ) -> Samples:
        """Time series: ``kernel_synth``, ``arma``, ``seasonal``, ..."""
        return self.generate(kind, n, **spec)

    def generate_text(
        self, n: int, kind: str = DEFAULTS["text"], **spec: Any
    ) -> Samples:
        """Text of grammars: ``arithmetic``, ``json``, ``english``, ..."""
        return self.generate(kind, n, **spec)

    def generate_audio(
        self, n: int, kind: str = DEFAULTS["audio"], **spec: Any
    ) -> Samples:
        """Sound: ``notes``, ``chords``, ``bells``, ``dtmf``, ``morse``, ..."""
        return self.generate(kind, n, **spec)

    def generate_video(
        self, n: int, kind: str = DEFAULTS["video"], **spec: Any
    ) -> Samples:
        """Captioned physics: ``bouncing``, ``pendulum``, ``colliding``, ..."""
        return self.generate(kind, n, **spec)

    def generate_points(
        self, n: int, kind: str = DEFAULTS["points"], **spec: Any
    ) -> Samples:
        """Point clouds of solids."""
        return self.generate(kind, n, **spec)

    def generate_tables(
        self, n: int, kind: str = DEFAULTS["table"], **spec: Any
    ) -> Samples:
        """Tables: ``regression``, ``blobs``, ``records``."""
        return self.generate(kind, n, **spec)
