"""``helix doctor``: every backend is probed in a process of its own, so that a crash is
a row and not the end."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import click

from .. import __version__, platform, plugins
from ._table import show

_PROBE = """
import sys
import numpy as np
import helix_core as hx
from helix_core import plugins
name, kind = sys.argv[1:3]
backend = plugins.load("backends", name)()
device = hx.Device(kind if kind in ("cpu", "numpy") else kind + ":0")
device._backend, device._kernels = backend, {}
x = hx.tensor(np.arange(6, dtype=np.float32).reshape(2, 3), device=device)
y = hx.tensor(np.ones((3, 2), np.float32), device=device)
got = np.asarray((x @ y).exp().log())
assert np.allclose(got, [[3, 3], [12, 12]], atol=1e-4), got
print("a matrix product came out right on", device)
"""


def _row(what: str, ok: bool, about: str) -> dict[str, Any]:
    return {"check": what, "ok": ok, "about": about}


def probe(name: str, kind: str, timeout: float = 60.0) -> dict[str, Any]:
    """Run a small program on a backend in a subprocess."""
    what = f"backend {name} ({kind})"
    try:
        done = subprocess.run(
            [sys.executable, "-c", _PROBE, name, kind],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return _row(what, False, f"no answer in {timeout:.0f} s")
    if done.returncode == 0:
        return _row(what, True, done.stdout.strip())
    if done.returncode < 0:
        return _row(what, False, f"the process died of signal {-done.returncode}")
    lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
    return _row(what, False, lines[-1] if lines else f"exit code {done.returncode}")


def examine(timeout: float = 60.0) -> list[dict[str, Any]]:
    """Every check as a row."""
    import numpy as np

    version = ".".join(map(str, sys.version_info[:3]))
    rows = [
        _row("python", sys.version_info >= (3, 11), version),
        _row("helix-core", True, f"{__version__}, numpy {np.__version__}"),
        _row("cpus", True, str(platform.cpu_count())),
    ]
    try:
        folder = platform.cache_dir("doctor")
        (folder / "probe").write_text("x")
        (folder / "probe").unlink()
        rows.append(_row("cache", True, str(folder.parent)))
    except OSError as e:
        rows.append(_row("cache", False, f"not writable: {e}. Hint: HELIX_CACHE_DIR"))
    for r in plugins.records():
        if r.state in ("broken", "conflict", "incompatible"):
            about = f"{r.distribution} {r.version} is {r.state}: {r.reason}"
            rows.append(_row(f"{r.kind} {r.name}", False, about))
        elif r.kind == "backends" and r.usable:
            rows += [probe(r.name, kind, timeout) for kind in r.spec.kinds[:1]]
    return rows


@click.command("doctor")
@click.option("--timeout", default=60.0, help="Seconds a backend may take. [60]")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def doctor_command(timeout: float, as_json: bool) -> None:
    """Check Python, the cache, every plugin, and every backend in its own process.

    \b
    Examples:
      helix doctor
      helix doctor --json --timeout 10
    """
    rows = examine(timeout)
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    else:
        show(
            ("", "check", "about"),
            [("ok" if r["ok"] else "FAIL", r["check"], r["about"]) for r in rows],
        )
    if not all(r["ok"] for r in rows):
        raise click.exceptions.Exit(1)
