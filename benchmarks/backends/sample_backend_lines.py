"""Lines of a stranger's backend that passes the whole kit, profile ``ci``."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

from ..case import Case, Work

SOURCE = Path(__file__).parents[2] / "tests/fixtures/helix-sample-backend/src"
BACKENDS = ("cpu", "cuda", "opencl", "torch", "webgpu", "xla")
FOREIGN = ("helix_core.reference", *(f"helix_hal.{name}" for name in BACKENDS))

CASES = (
    Case(
        name="sample_backend_lines",
        variants=("c99:0, every line of its sources",),
        ours="benchmarks.backends.sample_backend_lines:ours",
        target=400,
        aim=250,
        metric="lines",
        unit="lines",
        scale=1.0,
        minutes=2,
    ),
)


def ours(variant: str) -> Work:
    """Count them, once the kit has passed."""
    files = sorted(SOURCE.rglob("*.py"))
    lines = sum(len(f.read_text(encoding="utf-8").splitlines()) for f in files)
    said: list[str] = []

    def check() -> None:
        if borrowed := sorted(set().union(*map(_imports, files))):
            raise AssertionError(f"the sample imports {', '.join(borrowed)}")
        said.append(_passes())

    return Work(check, sample=lambda: float(lines), note=said.pop)


def _imports(path: Path) -> set[str]:
    """The modules of backends that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{a.name}" for a in node.names)}
    return {n for n in found if f"{n}.".startswith(tuple(f"{m}." for m in FOREIGN))}


def _passes() -> str:
    """Run the kit on the sample; what it says of it."""
    from helix_core import plugins
    from helix_hal.testing import run

    sys.path.insert(0, str(SOURCE))
    from helix_sample_backend.plugin import helix_backends

    for spec in helix_backends():
        plugins.register(spec, "backends")
    report = run("c99:0", "ci")
    bad = [o for o in report.outcomes if o.status != "passed"]
    if bad:
        raise AssertionError(f"{len(bad)} cases of the kit: {bad[0].reason}")
    return f"all {len(report.outcomes)} cases of the kit passed"
