"""Faults put into samples on purpose, to measure the verifiers.

``catch_rates(generator, verifier)`` says what share of each kind a verifier finds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from random import Random
from typing import Any, NamedTuple

from .. import registry
from .._block import Sample
from .._digest import sample_digest
from ..generator import Generator
from . import films, general, images, sequences, signals, structures
from ._fault import FAULTS as FAULTS
from ._fault import Fault as Fault
from ._fault import copied

__all__ = ["FAULTS", "Caught", "Fault", "catch_rates", "false_rejects", "inject"]

_MODULES = (films, general, images, sequences, signals, structures)


class Caught(NamedTuple):
    """How many samples had a fault, and in how many it was found."""

    injected: int
    caught: int


def inject(
    kind: Fault,
    sample: Sample,
    other: Mapping[str, Any],
    luck: Random,
    severity: float = 1.0,
) -> Sample | None:
    """The sample with a fault, or None if it can't have it.

    Parameters
    ----------
    kind : Fault
    sample, other : mapping
        Two samples of one generator; they are not changed.
    luck : random.Random
    severity : float
        In (0, 1]; matters where the kind is graded.
    """
    out = copied(sample)
    if not kind.change(out, other, luck, severity):
        return None
    if set(out) == set(sample) and _digest(out) == sample_digest(sample):
        return None
    return out


def _digest(sample: Mapping[str, Any]) -> bytes:
    return sample_digest({k: v for k, v in sample.items()})


def catch_rates(
    generator: Generator,
    n: int = 20,
    *,
    severity: float = 1.0,
    check: Callable[[Mapping[str, Any], Sample], list[str]] | None = None,
    start: int = 0,
) -> dict[str, Caught]:
    """For each kind of fault that fits: in how many of n samples it was found.

    Parameters
    ----------
    generator : Generator
    n : int
    severity : float
    check : callable, optional
        A verifier; that of the generator's name unless given.
    start : int
        Index of the first sample.
    """
    check = check or registry.verifier(generator.name)
    samples = list(generator.block(start, n + 1).samples())
    out = {}
    for kind in FAULTS:
        if not kind.fits(generator.name, generator.modality):
            continue
        luck = Random(f"{generator.name}/{kind.name}/{start}")
        injected = caught = 0
        for sample, other in pairwise(samples):
            bad = inject(kind, sample, other, luck, severity)
            if bad is not None:
                injected += 1
                caught += bool(check(generator.spec, bad))
        out[kind.name] = Caught(injected, caught)
    return out


def false_rejects(generator: Generator, n: int, *, start: int = 0) -> list[int]:
    """Indices of sound samples that the generator's verifier rejects."""
    check = registry.verifier(generator.name)
    return [
        int(i)
        for block in generator.blocks(n, start=start)
        for i, sample in zip(block.indices.tolist(), block.samples(), strict=True)
        if check(generator.spec, sample)
    ]
