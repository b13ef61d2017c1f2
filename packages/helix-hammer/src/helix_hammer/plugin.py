"""The light module behind this package's entry points."""

from helix_core.contracts import CallbackSpec, CommandSpec
from helix_core.plugins import hookimpl


@hookimpl
def helix_commands() -> list[CommandSpec]:
    return [
        CommandSpec(
            name="train",
            factory="helix_hammer.commands:train",
            summary="Train a byte-level language model.",
        ),
        CommandSpec(
            name="eval",
            factory="helix_hammer.commands:evaluate",
            summary="Bits per byte of a trained run, beside the compressors.",
        ),
        CommandSpec(
            name="study",
            factory="helix_hammer.study:study",
            summary="Experiments of many runs, resumable, and what they reached.",
        ),
    ]


@hookimpl
def helix_callbacks() -> list[CallbackSpec]:
    return [
        CallbackSpec(
            name="early_stopping",
            factory="helix_hammer.callbacks:EarlyStopping",
            summary="Stops when the metric has not improved for five evaluations.",
        )
    ]
