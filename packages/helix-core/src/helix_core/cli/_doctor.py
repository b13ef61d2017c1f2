"""``helix doctor``: everything that plugins do is done in a process of its own, so that a
crash is a row and not the end."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from typing import Any

import click

from .. import __version__, platform
from ._probe import ProbeError, ask, device_name, survey
from ._table import show

BAD = ("broken", "conflict", "incompatible")


def _row(what: str, ok: bool, about: str, detail: str = "") -> dict[str, Any]:
    return {"check": what, "ok": ok, "about": about, "detail": detail}


def examine(timeout: float = 60.0) -> Iterator[dict[str, Any]]:
    """Every check as a row, as it is done."""
    yield from _machine()
    try:
        found, bad = survey(timeout=timeout)
    except ProbeError as e:
        yield _row("plugins", False, f"they cannot be listed: {e}", e.detail)
        return
    for b in bad:
        origin = f"{b['distribution']} {b['version']}".strip()
        hint = f"HELIX_DISABLE_PLUGINS={b['distribution']}"
        about = f"{b['reason']}. Hint: {hint}"
        yield _row(f"plugins of {origin}", False, about, b["detail"])
    for r in found:
        what = f"{r['kind']} {r['name']}"
        origin = f"{r['distribution']} {r['version']} is {r['state']}"
        if r["state"] in BAD:
            hint = f". Hint: {r['hint']}" if r["hint"] else ""
            about = f"{origin}: {r['reason']}{hint}"
            yield _row(what, False, about, r["traceback"])
        elif not r["usable"]:
            yield _row(what, True, f"{origin}: {r['reason']}")
    yield from _switches(found)
    for r in found:
        if r["kind"] == "backends" and r["usable"]:
            yield from _backend(r, timeout)


def _machine() -> Iterator[dict[str, Any]]:
    import numpy as np

    version = ".".join(map(str, sys.version_info[:3]))
    yield _row("python", sys.version_info >= (3, 11), version)
    yield _row("helix-core", True, f"{__version__}, numpy {np.__version__}")
    yield _row("cpus", True, str(platform.cpu_count()))
    try:
        folder = platform.cache_dir("doctor")
        (folder / "probe").write_text("x")
        (folder / "probe").unlink()
        yield _row("cache", True, str(folder.parent))
    except OSError as e:
        about = f"cannot be written: {e}. Hint: HELIX_CACHE_DIR chooses another folder"
        yield _row("cache", False, about)


def _switches(found: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Names in the environment that nothing has: most likely misspelt."""
    from ..plugins._environment import listed, normal

    known = {normal(r["distribution"]) for r in found}
    for r in found:
        entry = normal(r["entry"].partition(" = ")[0])
        known |= {entry, f"{normal(r['distribution'])}:{entry}"}
    for variable in ("HELIX_PLUGINS", "HELIX_DISABLE_PLUGINS"):
        lost = [n for n in listed(variable) or () if n not in known]
        if lost:
            about = f"{os.environ[variable]!r} names {', '.join(lost)}: not installed"
            yield _row(variable, False, about)


def _backend(r: dict[str, Any], timeout: float) -> Iterator[dict[str, Any]]:
    """One row per kind of device that the backend has here, or one that says why none."""
    name, what = f"{r['distribution']}:{r['name']}", f"backend {r['name']}"
    try:
        answer = ask("devices", name, timeout=timeout)
    except ProbeError as e:
        yield _row(what, False, str(e), e.detail)
        return
    if not answer["devices"]:
        about = answer["reason"] or "it has no device here"
        yield _row(what, answer["state"] not in BAD, about)
    for kind in r["kinds"]:
        mine = [d for d in answer["devices"] if d["kind"] in ("", kind)]
        if not mine:
            continue
        device = device_name(kind, mine[0]["index"])
        try:
            about = ask("check", name, device, timeout=timeout)
            yield _row(f"{what} on {device}", True, about)
        except ProbeError as e:
            yield _row(f"{what} on {device}", False, str(e), e.detail)


@click.command("doctor")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    help="Seconds that each plugin may take. [60]",
)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def doctor_command(timeout: float, as_json: bool) -> None:
    """Check Python, the cache, every plugin, and every backend in its own process.

    Ends with 1 if a check failed. A backend that is installed but cannot work on this
    machine is no failure.

    \b
    Examples:
      helix doctor
      helix doctor --json --timeout 10
      HELIX_PLUGINS= helix doctor             # helix-core alone
    """
    rows = list(examine(timeout))
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    else:
        show(
            ("", "check", "about"),
            [("ok" if r["ok"] else "FAIL", r["check"], r["about"]) for r in rows],
        )
    if not all(r["ok"] for r in rows):
        raise click.exceptions.Exit(1)
