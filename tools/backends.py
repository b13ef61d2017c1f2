"""The conformance kit on every backend, and a table of what really ran on which device.

``python -m tools.backends [NAME ...] [--require NAME,...] [--json FILE]``. Without a GPU
``cuda`` runs under numba's simulator. A backend that is required and does not run, or
that fails, makes the exit status 1.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

# backend -> device; what CI requires, in the order of what fails soonest
DEVICES = {
    "numpy": "numpy",
    "cpu": "cpu",
    "torch": "torch:cpu",
    "opencl": "opencl:0",
    "xla": "xla:0",
    "webgpu": "vulkan:0",
    "cuda": "cuda:0",
}
SECONDS = 1200  # for one backend


def environment(backend: str) -> dict[str, str]:
    """That of a run: CUDA is simulated where no driver is loaded."""
    env = dict(os.environ)
    if backend == "cuda" and not Path("/proc/driver/nvidia").exists():
        env.setdefault("NUMBA_ENABLE_CUDASIM", "1")
    return env


def examine(backend: str, profile: str, folder: Path) -> dict[str, Any]:
    """One row: state (passed, failed, absent), device, counts, seconds, why."""
    report = folder / f"{backend}.json"
    command = [sys.executable, "-m", "helix_hal.testing", "--backend", backend]
    command += ["--device", DEVICES[backend], "--profile", profile]
    command += ["--json", str(report)]
    start = time.monotonic()
    try:
        done = subprocess.run(
            command,
            env=environment(backend),
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
        status, said = done.returncode, (done.stdout + done.stderr).strip()
    except subprocess.TimeoutExpired:
        status, said = 1, f"stopped after {SECONDS} seconds"
    row: dict[str, Any] = {
        "backend": backend,
        "device": DEVICES[backend],
        "seconds": round(time.monotonic() - start, 1),
        "state": {0: "passed", 2: "absent"}.get(status, "failed"),
        "about": said[-3000:] if status else "",
    }
    if report.exists():
        found = json.loads(report.read_text(encoding="utf-8"))
        row |= {"driver": found["driver"], **found["totals"]}
    return row


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tools.backends", description=__doc__)
    parser.add_argument("backend", nargs="*", metavar="NAME", default=[])
    parser.add_argument("--require", default=",".join(DEVICES), help="comma-separated")
    parser.add_argument("--profile", choices=("ci", "full"), default="ci")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args(argv)
    console = Console()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in args.backend or DEVICES:
            console.print(f"{name} on {DEVICES[name]} ...", highlight=False)
            rows.append(examine(name, args.profile, Path(folder)))
            if rows[-1]["state"] != "passed":
                console.print(rows[-1]["about"], markup=False, highlight=False)
    table = Table(
        "backend", "device", "state", "passed", "failed", "skipped", "s", "on"
    )
    for r in rows:
        counts = [
            str(r.get(k, "-")) for k in ("passed", "failed", "skipped", "seconds")
        ]
        table.add_row(
            r["backend"], r["device"], r["state"], *counts, r.get("driver", "")
        )
    console.print(table)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    required = set(args.require.split(","))
    bad = [
        r["backend"]
        for r in rows
        if r["state"] == "failed"
        or (r["state"] == "absent" and r["backend"] in required)
    ]
    if bad:
        console.print(f"not passed: {', '.join(bad)}")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
