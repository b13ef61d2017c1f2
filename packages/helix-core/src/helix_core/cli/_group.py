"""The command group: names from records, commands loaded when they are run."""

from __future__ import annotations

from typing import Any

import click

from .. import __version__, plugins
from . import KNOWN

OWN = "helix-core"


class LazyGroup(click.Group):
    """Lists subcommands from their records; imports one when it is asked for.

    Core's own commands are looked up without importing anybody else's module, so that
    ``helix doctor`` and ``helix plugins`` work whatever is installed.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        return plugins.names("commands")

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        full = f"{OWN}:{name}" if name in plugins.names("commands", OWN) else name
        found = plugins.load("commands", full)
        if not isinstance(found, click.Command):
            record = plugins.get("commands", full)
            raise plugins.PluginError(
                f"[helix] expected a click command behind {record.spec.factory!r} of "
                f"{record.origin}; got {type(found).__name__}"
            )
        return found

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        name = args[0]
        if name.startswith("-") or name in plugins.names("commands", OWN):
            return super().resolve_command(ctx, args)
        try:
            plugins.get("commands", name)
        except plugins.PluginUnavailable as e:
            if name in KNOWN and not _installed(KNOWN[name]):
                raise click.ClickException(
                    f"[helix] expected {KNOWN[name]} to be installed for `helix {name}`. "
                    f"Hint: pip install {KNOWN[name]}"
                ) from None
            if name in KNOWN or any(
                r.name == name for r in plugins.records("commands")
            ):
                raise  # it is there, and does not work
            raise click.UsageError(str(e), ctx) from None
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: Any) -> None:
        rows = [
            (r.name, r.spec.summary) for r in plugins.records("commands") if r.usable
        ]
        with formatter.section("Commands"):
            formatter.write_dl(sorted(rows))


def _installed(distribution: str) -> bool:
    return bool(plugins.records("commands", distribution))


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="helix")
@click.pass_context
def helix(ctx: click.Context) -> None:
    """HelixML: train and run models on the hardware you have.

    \b
    Examples:
      helix train --minutes 5
      helix devices
      helix doctor --json
      helix COMMAND --help                    # more examples
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
