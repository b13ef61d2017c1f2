"""``helix study``: experiments of many runs; a kill loses the run that it was in."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click
import helix_core as hx
from helix_core import files, plugins
from helix_core.contracts import Study

_HELP = """Make the runs of a study, and say what they reached.

\b
Examples:
  helix study                              # the studies there are
  helix study fusion --list                # its runs, and which are done
  helix study fusion                       # make those that are missing
  helix study fusion --only xor --minutes 10
  helix study fusion --judge --json        # what was reached so far

Results are appended to OUT/NAME.jsonl, one line a run. A run that was killed is made
again; those that are done are not, unless the study has a new version.
"""


def load(name: str) -> Study:
    """The study of this name.

    Raises
    ------
    PluginUnavailable
        If there is none, or it is broken; the message lists the others.
    """
    found: Study = plugins.load("studies", name)()
    cells = list(found.cells())
    if len(set(cells)) != len(cells):
        raise hx.HelixError(f"[study] expected {name!r} to name each of its runs once")
    return found


def read(path: Path, version: int) -> dict[str, dict[str, Any]]:
    """Results by run, of this version; the last of a run counts."""
    rows = files.read_jsonl(path) if path.exists() else ()
    return {
        row["cell"]: row["result"]
        for row in rows
        if isinstance(row, dict) and row.get("version") == version
    }


def _table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title)
    for c in columns:
        table.add_column(c)
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def _verdict(study: Study, name: str, results: Any, as_json: bool) -> None:
    rows = study.judge(results)
    if as_json:
        click.echo(json.dumps({"study": name, "runs": len(results), "goals": rows}))
        return
    lines = [
        [
            r["goal"],
            f"{r['measured']:.4g}",
            f"{'>=' if r['better'] == 'higher' else '<='} {r['target']:.4g}",
            str(r["runs"]),
            "reached" if r["ok"] else "missed",
        ]
        for r in rows
    ]
    _table(
        f"{name}: {len(results)} runs",
        "goal measured target runs verdict".split(),
        lines,
    )


def _make(study: Study, name: str, todo: list[str], path: Path, until: float) -> None:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=len(todo))
        for cell in todo:
            if time.monotonic() > until:
                bar.console.print(f"stopped: the time is over, {cell} is next")
                break
            bar.update(task, description=cell)
            start = time.monotonic()
            result = study.run(cell)
            row = {"cell": cell, "version": study.version, "result": result}
            row["seconds"] = round(time.monotonic() - start, 3)
            files.append_jsonl(path, row)
            bar.advance(task)


@click.command("study", help=_HELP)
@click.argument("name", required=False)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("studies"),
    help="Folder of the results. [studies]",
)
@click.option("--only", multiple=True, help="Only runs whose key has this text.")
@click.option("--minutes", type=float, help="Begin no run after so many minutes.")
@click.option("--list", "show", is_flag=True, help="Only list the runs.")
@click.option("--judge", is_flag=True, help="Make no runs; say what was reached.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def study(
    name: str | None,
    out: Path,
    only: tuple[str, ...],
    minutes: float | None,
    show: bool,
    judge: bool,
    as_json: bool,
) -> None:
    if name is None:
        found = [r.spec for r in plugins.records("studies") if r.spec is not None]
        if as_json:
            click.echo(
                json.dumps([{"name": s.name, "summary": s.summary} for s in found])
            )
        else:
            _table("studies", ["name", "summary"], [[s.name, s.summary] for s in found])
        return
    the = load(name)
    path = out / f"{name}.jsonl"
    done = read(path, the.version)
    wanted = [c for c in the.cells() if all(text in c for text in only)]
    if not wanted:
        raise hx.HelixError(
            f"[study] expected --only to leave a run of {name!r}; got {' '.join(only)}. "
            "Hint: --list"
        )
    if show:
        if as_json:
            rows = [{"cell": c, "done": c in done} for c in wanted]
            click.echo(json.dumps(rows))
        else:
            lines = [[c, "done" if c in done else ""] for c in wanted]
            _table(name, ["run", ""], lines)
        return
    if not judge:
        if minutes is not None and not minutes > 0:
            raise hx.HelixError(f"[study] expected --minutes above 0; got {minutes}")
        out.mkdir(parents=True, exist_ok=True)
        until = float("inf") if minutes is None else time.monotonic() + 60.0 * minutes
        _make(the, name, [c for c in wanted if c not in done], path, until)
        done = read(path, the.version)
    known = set(the.cells())
    _verdict(the, name, {c: r for c, r in done.items() if c in known}, as_json)
