"""Generators and verifiers by name, those of other distributions included."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from helix_core import plugins

from ._block import Sample
from .errors import VerificationError
from .generator import Generator

Verifier = Callable[[Mapping[str, Any], Sample], list[str]]


def generators() -> dict[str, str]:
    """Names of generators that can be used, with a line of what each makes."""
    found = {}
    for r in plugins.records("generators"):
        if r.usable and r.spec is not None:
            found[r.name] = r.spec.summary
    return found


def generator(name: str, seed: int = 0, **spec: Any) -> Generator:
    """The generator of this name.

    Raises
    ------
    helix_core.plugins.PluginUnavailable
        If there is none.
    SpecError
        If the spec is not one of its.
    """
    made = plugins.load("generators", name)(seed=seed, **spec)
    if not isinstance(made, Generator):
        raise TypeError(
            f"[{name}] expected a helix_synth.Generator; got {type(made).__name__}"
        )
    return made


def verifier(name: str) -> Verifier:
    """The function that finds what is wrong with a sample of this generator."""
    found: Verifier = plugins.load("verifiers", name)
    return found


def verify(made: Generator, index: int, sample: Sample) -> None:
    """Check one sample against its spec.

    Raises
    ------
    VerificationError
        If its verifier finds a problem; names the sample and the first problems.
    """
    reject(made, index, verifier(made.name)(made.spec, sample))


def reject(made: Generator, index: int, problems: list[str]) -> None:
    """Raise `VerificationError` if there are problems."""
    if problems:
        raise VerificationError(
            f"[{made.name}] expected sample {index} as its spec promises; got "
            f"{'; '.join(problems[:3])}. Hint: nothing of it was written; "
            f"{made!r}.sample({index}) makes it again",
            made.name,
            index,
            problems,
        )
