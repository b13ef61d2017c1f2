"""The light module behind core's own commands."""

from helix_core.contracts import CommandSpec
from helix_core.plugins import hookimpl


@hookimpl
def helix_commands() -> list[CommandSpec]:
    return [
        CommandSpec(
            name="plugins",
            factory="helix_core.cli._inspect:plugins_command",
            summary="Every plugin, where it comes from, and its state.",
        ),
        CommandSpec(
            name="devices",
            factory="helix_core.cli._inspect:devices_command",
            summary="The devices of this machine, and why others are missing.",
        ),
        CommandSpec(
            name="doctor",
            factory="helix_core.cli._doctor:doctor_command",
            summary="Probe everything in subprocesses, and say what is wrong.",
        ),
    ]
