"""The command group: names from records, commands loaded when they are run."""

from __future__ import annotations

import warnings
from typing import Any

import click

from .. import __version__, plugins
from . import KNOWN


class LazyGroup(click.Group):
    """Lists subcommands from their records; imports one when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return plugins.names("commands")

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in plugins.names("commands"):
            return None
        return plugins.load("commands", name)  # type: ignore[no-any-return]

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        name = args[0]
        if name not in plugins.names("commands"):
            if name in KNOWN and not name.startswith("-"):
                raise click.ClickException(
                    f"helix {name} needs {KNOWN[name]}: pip install {KNOWN[name]}"
                )
            try:
                plugins.get("commands", name)
            except plugins.PluginUnavailable as e:
                raise click.UsageError(str(e)) from None
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: Any) -> None:
        rows = [
            (r.name, r.spec.summary) for r in plugins.records("commands") if r.usable
        ]
        with formatter.section("Commands"):
            formatter.write_dl(sorted(rows))


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Examples: helix train --minutes 5; helix devices; helix doctor --json",
)
@click.version_option(__version__, prog_name="helix")
def helix() -> None:
    """HelixML: train and run models on the hardware you have."""
    warnings.simplefilter("default", plugins.HelixPluginWarning)
