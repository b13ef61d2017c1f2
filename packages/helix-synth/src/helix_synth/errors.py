"""What can go wrong with synthetic data."""

from __future__ import annotations

from helix_core import HelixError


class SynthError(HelixError, ValueError):
    """Base of this package's errors."""


class SpecError(SynthError):
    """A field of a spec is unknown, of the wrong type or out of its bounds."""


class VerificationError(SynthError):
    """A sample is not what its spec promises; it was not written.

    Attributes
    ----------
    generator : str
    index : int
    problems : list of str
    """

    def __init__(
        self, message: str, generator: str = "", index: int = -1, problems: object = ()
    ) -> None:
        super().__init__(message)
        self.generator = generator
        self.index = index
        self.problems = list(problems)  # type: ignore[call-overload]

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (str(self), self.generator, self.index, self.problems)


class ManifestError(SynthError):
    """A folder or manifest is missing, damaged, or of another data set."""


class MissingExtra(SynthError):
    """A library of an extra is not installed.

    Attributes
    ----------
    extra : str
        What brings it: ``pip install 'helix-synth[extra]'``.
    """

    def __init__(self, message: str, extra: str = "") -> None:
        super().__init__(message)
        self.extra = extra

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (str(self), self.extra)


def missing(what: str, package: str, extra: str) -> MissingExtra:
    """The error for a library that is not there."""
    return MissingExtra(
        f"[{what}] expected {package} to be installed; got no such module. "
        f"Hint: pip install 'helix-synth[{extra}]'",
        extra,
    )
