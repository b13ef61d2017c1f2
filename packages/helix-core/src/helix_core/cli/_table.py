"""Tables: rich in a terminal, aligned plain text elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click


def show(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under headers."""
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table

        table = Table()
        for h in headers:
            table.add_column(h, overflow="fold")
        for r in rows:
            table.add_row(*r)
        Console().print(table)
        return
    lines = [headers, *rows]
    widths = [max(len(r[i]) for r in lines) for i in range(len(headers))]
    for r in lines:
        cells = [c.ljust(w) for c, w in zip(r, widths, strict=True)]
        click.echo("  ".join(cells).rstrip())
