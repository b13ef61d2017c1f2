"""The light module behind this package's entry points."""

from helix_core.contracts import (
    CommandSpec,
    DecoderSpec,
    DetectorSpec,
    StudySpec,
    TensorizerSpec,
)
from helix_core.plugins import hookimpl


@hookimpl
def helix_detectors() -> list[DetectorSpec]:
    return [
        DetectorSpec(
            name="signatures",
            factory="helix_multimodal.detect.engine:propose",
            summary="Signatures, containers, footers, text grammars, encodings.",
        )
    ]


@hookimpl
def helix_decoders() -> list[DecoderSpec]:
    from .decode._specs import SPECS

    return SPECS


@hookimpl
def helix_tensorizers() -> list[TensorizerSpec]:
    return []


@hookimpl
def helix_commands() -> list[CommandSpec]:
    return [
        CommandSpec(
            name="detect",
            factory="helix_multimodal.commands.detect:detect",
            summary="What files are, by their bytes.",
        ),
    ]


@hookimpl
def helix_studies() -> list[StudySpec]:
    return [
        StudySpec(
            name="fusion",
            factory="helix_multimodal.studies.fuse:Fuse",
            summary="Which fusions learn what written and spoken digits say together.",
        )
    ]
