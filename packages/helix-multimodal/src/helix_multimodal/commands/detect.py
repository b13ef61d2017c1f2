"""``helix detect``."""

from __future__ import annotations

import json
from typing import Any

import click

from .. import detection
from ..detect import candidates_ends, detect_ends
from ..detect.files import read_ends
from ..errors import Unreadable

_CLASSES = (
    (detection.EXACT, "signature"),
    (detection.TWO_FIELDS, "container"),
    (detection.FOOTER, "footer"),
    (detection.GRAMMAR, "grammar"),
    (detection.FRAME_SYNC, "frames"),
    (0.0, "weak"),
)
_HEADERS = ("file", "format", "modality", "sure", "evidence", "also")


@click.command("detect")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--all", "every", is_flag=True, help="All candidates, the best first.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def detect(files: tuple[str, ...], every: bool, as_json: bool) -> None:
    """What files are, by their bytes; names play no part.

    Only the ends of a file are read. "also" lists what else a reader of that format
    would accept (polyglots). The exit status is 1 if a file cannot be read.

    \b
    Examples:
      helix detect photo.jpg
      helix detect *.bin --json
      helix detect letter.txt --all       # every encoding that fits
    """
    rows = [_look(path, every) for path in files]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    else:
        _show(rows)
    if any("error" in r for r in rows):
        click.get_current_context().exit(1)


def _look(path: str, every: bool) -> dict[str, Any]:
    try:
        ends = read_ends(path)
    except Unreadable as e:
        return {"file": path, "error": str(e)}
    row = {"file": path, "bytes": ends[2], **_plain(detect_ends(*ends))}
    if every:
        row["candidates"] = [_plain(d) for d in candidates_ends(*ends)]
    return row


def _plain(d: detection.Detection) -> dict[str, Any]:
    return {
        "format": d.format,
        "variant": d.variant,
        "modality": d.modality,
        "mime": d.mime,
        "encoding": d.encoding,
        "confidence": d.confidence,
        "evidence": [e._asdict() for e in d.evidence],
        "also": [_plain(a) for a in d.also],
    }


def _show(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(box=None, pad_edge=False)
    for h in _HEADERS:
        table.add_column(h, overflow="fold")
    for r in rows:
        if "error" in r:
            continue
        for i, d in enumerate(r.get("candidates", [r])):
            table.add_row(*_cells("" if i else r["file"], d))
    if not console.is_terminal:
        console = Console(width=10_000)
    if table.row_count:
        console.print(table, highlight=False, markup=False)
    for r in rows:
        if "error" in r:
            click.echo(r["error"], err=True)


def _cells(file: str, d: dict[str, Any]) -> tuple[Any, ...]:
    from rich.text import Text

    name = " ".join(filter(None, (d["format"], d["variant"])))
    if d["encoding"]:
        name += f" ({d['encoding']})"
    sure = next(word for least, word in _CLASSES if d["confidence"] >= least)
    evidence = "; ".join(_at(e) for e in d["evidence"])
    also = "; ".join(
        f"{a['format']} at {a['evidence'][0]['offset']}" for a in d["also"]
    )
    cells = (file, name, d["modality"], sure, evidence, also)
    return tuple(Text(c) for c in cells)


def _at(e: dict[str, Any]) -> str:
    return f"{e['rule']} at {e['offset']}" if e["offset"] else str(e["rule"])
