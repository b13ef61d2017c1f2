"""The light module behind this package's entry points."""

from helix_core.contracts import CommandSpec, GeneratorSpec, SinkSpec, VerifierSpec
from helix_core.plugins import hookimpl


@hookimpl
def helix_generators() -> list[GeneratorSpec]:
    return []


@hookimpl
def helix_verifiers() -> list[VerifierSpec]:
    return []


@hookimpl
def helix_sinks() -> list[SinkSpec]:
    return []


@hookimpl
def helix_commands() -> list[CommandSpec]:
    return []
