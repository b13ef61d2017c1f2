"""The light module behind this package's entry points."""

from helix_core.contracts import CommandSpec, GeneratorSpec, SinkSpec, VerifierSpec
from helix_core.plugins import hookimpl

from ._catalogue import ENTRIES


@hookimpl
def helix_generators() -> list[GeneratorSpec]:
    return [
        GeneratorSpec(
            name=e.name,
            factory=f"helix_synth.{e.folder}:{e.cls}",
            modality=e.modality,
            summary=e.summary,
        )
        for e in ENTRIES
    ]


@hookimpl
def helix_verifiers() -> list[VerifierSpec]:
    return [
        VerifierSpec(
            name=e.name,
            factory=f"helix_synth.verify.{e.folder}:{e.name}",
            summary=f"Checks samples of {e.name}.",
        )
        for e in ENTRIES
    ]


@hookimpl
def helix_sinks() -> list[SinkSpec]:
    return [
        SinkSpec(name=name, factory=f"helix_synth.sinks:{cls}", summary=summary)
        for name, cls, summary in (
            ("webdataset", "WebDataset", "Tar shards; exact .npy files."),
            ("npz", "Npz", "Whole columns for numpy.load."),
            ("parquet", "Parquet", "Parquet files (extra arrow)."),
            ("arrow", "Arrow", "Arrow IPC files (extra arrow)."),
            ("huggingface", "HuggingFace", "A folder for load_dataset (extra arrow)."),
        )
    ]


@hookimpl
def helix_commands() -> list[CommandSpec]:
    return [
        CommandSpec(
            name="synth",
            factory="helix_synth.commands:synth",
            summary="Make synthetic data sets that check themselves.",
        )
    ]
