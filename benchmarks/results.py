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


def table(rows: Iterable[Row]) -> Table:
    """Targets and what was measured."""
    out = Table(title="Measured side by side")
    for name, justify in (
        *(("case", "left"), ("variant", "left"), ("ours", "right"), ("peer", "right")),
        *(("unit", "left"), ("ratio", "right"), ("spread", "right")),
        *(("target", "right"), ("aim", "right"), ("", "left")),
    ):
        out.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for r in rows:
        ours, aim = r["ratio"] if r["peer_name"] else r["ours"], r["aim"]
        verdict = (
            "" if r["target"] is None else "[green]met" if r["ok"] else "[red]missed"
        )
        if r["target"] is not None and r["ours"] is None:
            verdict = "[red]WRONG"
        elif r["ok"] and aim is not None:
            less = r["better"] == "lower" and not r["peer_name"]
            ahead = ours <= aim if less else ours >= aim
            verdict = "[green]aim" if ahead else verdict
        peer = f"{number(r['peer'])} {r['peer_name']}" if r["peer_name"] else "-"
        out.add_row(
            r["case"],
            r["variant"],
            number(r["ours"]),
            peer,
            r["unit"],
            number(r["ratio"]),
            "-" if r["spread"] is None else f"{100 * r['spread']:.0f} %",
            number(r["target"]),
            number(aim),
            verdict,
        )
    return out


def number(x: float | None) -> str:
    """Three digits, without an exponent."""
    if x is None:
        return "-"
    if abs(x) >= 100:
        return f"{x:,.0f}"
    return f"{x:.3g}"
