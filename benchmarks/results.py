"""The file of rows, and the table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from helix_core import files
from rich.table import Table

from .environment import same_machine
from .harness import Row


class ResultsError(ValueError):
    """A file of results cannot take these rows."""


def read(path: Path, machine: dict[str, Any]) -> list[Row]:
    """Rows of an earlier run on this machine; none where there is no file.

    Raises
    ------
    ResultsError
        If the file is something else, or from another machine.
    """
    if not path.exists():
        return []
    try:
        found = files.read_json(path)
        rows, before = list(found["rows"]), dict(found["machine"])
    except (ValueError, KeyError, TypeError) as e:
        raise ResultsError(
            f"[bench] expected {str(path)!r} to be a file of results; {e}. "
            "Hint: --json another file"
        ) from e
    if not same_machine(before, machine):
        raise ResultsError(
            f"[bench] expected results of this machine in {str(path)!r}; they are from "
            f"{before.get('cpu')}, Python {before.get('python')}. Hint: --json another "
            "file, or measure all cases into a new one"
        )
    return rows


def merge(old: Sequence[Row], new: Sequence[Row], suite: str, case: str) -> list[Row]:
    """Put a case's new rows in the place of its old ones."""
    kept = [r for r in old if r["suite"] != suite or owner(r) != case]
    return [*kept, *new]


def owner(row: Row) -> str:
    """The case that made a row."""
    if row["case"] == "first_call":
        return str(row["variant"]).partition(" ")[0]
    return str(row["case"])


def ordered(rows: Iterable[Row], cases: Sequence[str]) -> list[Row]:
    """In the order of the suite, first calls last."""
    place = {name: i for i, name in enumerate(cases)}
    return sorted(
        rows,
        key=lambda r: (r["case"] == "first_call", place.get(owner(r), len(place))),
    )


def write(path: Path, machine: dict[str, Any], rows: Sequence[Row]) -> None:
    """Replace the file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_json(path, {"machine": machine, "rows": list(rows)})


def tables(rows: Sequence[Row]) -> list[Table]:
    """Figures beside their targets; and the first calls."""
    first = [r for r in rows if r["case"] == "first_call"]
    figures = _table(
        "Measured side by side",
        "case variant >ours >peer unit >ratio >spread >target >aim reached",
    )
    for r in rows:
        if r["case"] != "first_call":
            figures.add_row(*_figure(r))
    compiling = _table(
        "First call, with compilation (seconds)", "case >ours >peer peer"
    )
    for r in first:
        name = r["peer_name"]
        compiling.add_row(r["variant"], number(r["ours"]), number(r["peer"]), name)
    return [figures, compiling] if first else [figures]


def _table(title: str, columns: str) -> Table:
    """``>`` marks columns of numbers."""
    out = Table(title=title)
    for name in columns.split():
        if name.startswith(">"):
            out.add_column(name[1:], justify="right", overflow="fold")
        else:
            out.add_column(name, overflow="fold")
    return out


def _figure(r: Row) -> list[str]:
    ours, peer = number(r["ours"]), r["peer_name"]
    return [
        r["case"],
        r["variant"],
        ours,
        f"{number(r['peer'])} {peer}" if peer else "-",
        r["unit"],
        number(r["ratio"]),
        "-" if r["spread"] is None else f"{100 * r['spread']:.0f} %",
        number(r["target"]),
        number(r["aim"]),
        _reached(r),
    ]


def _reached(r: Row) -> str:
    if r["ours"] is None:
        return "[red]WRONG"
    if not r["ok"]:
        return "[red]missed"
    if r["peer_name"]:
        ahead = r["ratio"] >= r["aim"]
    elif r["better"] == "lower":
        ahead = r["ours"] <= r["aim"]
    else:
        ahead = r["ours"] >= r["aim"]
    return "[green]aim" if ahead else "[green]target"


def number(x: float | None) -> str:
    """Three digits, without an exponent."""
    if x is None:
        return "-"
    if abs(x) >= 100:
        return f"{x:,.0f}"
    return f"{x:.3g}"
