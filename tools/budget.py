"""``nox -s budget``: what may not grow unnoticed, and what an import may not pull in."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tools import wheelhouse
from tools.workspace import Package, packages

CAPS = {"required primitives": 40, "primitives": 76, "kinds of scalar op": 30}
# beside every module behind the factory of a plugin that is not core's own
FORBIDDEN = (
    "pydantic rich click numba llvmlite scipy matplotlib torch jax transformers "
    "pyopencl psutil helix_hal helix_layers helix_hammer helix_core.cli "
    "helix_core.reference"
).split()

_COUNT = """
import json
import helix_core as hx
found = hx.PRIMITIVES.values()
from helix_core.loop import SCALAR_OPS as vocabulary
print(json.dumps({
    "required primitives": sum(p.required for p in found),
    "primitives": sum(p.category != "HOST" for p in found),  # linear algebra beside
    "kinds of scalar op": len(vocabulary),
}))
"""
_IMPORT = "import sys; import helix_core; print(*sys.modules)"
_LIST = """
import sys, helix_core
factories = [r.spec.factory for r in helix_core.plugins.records() if r.spec]
print(*sys.modules)
print(*{f.partition(":")[0] for f in factories if f})
"""


def python(code: str) -> list[str]:
    """Lines that this code prints in a new process."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def counts() -> dict[str, int]:
    """How many there are of what has a cap."""
    return json.loads(python(_COUNT)[0])  # type: ignore[no-any-return]


def over(found: dict[str, int]) -> list[str]:
    """What is above its cap, in words."""
    return [
        f"{found[what]} {what}; the cap is {cap}"
        for what, cap in CAPS.items()
        if found[what] > cap
    ]


def pulled(modules: set[str], forbidden: set[str]) -> list[str]:
    """Which of the forbidden modules, or of what is in them, were imported."""
    return sorted(
        f for f in forbidden if any(m == f or m.startswith(f"{f}.") for m in modules)
    )


def imports() -> list[str]:
    """What importing core, or listing plugins, pulls in and should not, in words."""
    listed, factories = (set(line.split()) for line in python(_LIST))
    others = {f for f in factories if f.partition(".")[0] != "helix_core"}
    alone = pulled(set(python(_IMPORT)[0].split()), {*FORBIDDEN, *others})
    listing = pulled(listed, {f for f in FORBIDDEN if not f.startswith("helix_")})
    return [
        *(f"import helix_core pulls {m}" for m in alone),
        *(f"listing plugins pulls {m}" for m in listing),
    ]


def lines(package: Package) -> int:
    """Lines of Python that a package ships."""
    files = package.source.rglob("*.py")
    return sum(len(f.read_text(encoding="utf-8").splitlines()) for f in files)


def size(path: Path) -> str:
    """A file's size for people."""
    return f"{path.stat().st_size / 1024:,.0f} KiB"


def main() -> int:
    found, all_packages = counts(), packages()
    wheelhouse.build(all_packages)
    for what, cap in CAPS.items():
        print(f"budget: {what:22} {found[what]:6} of {cap}")
    for p in all_packages:
        wheel = size(wheelhouse.wheel(p))
        print(f"budget: {p.name:22} {lines(p):6} lines, wheel {wheel}")
    wrong = over(found) + imports()
    for line in wrong:
        print(f"budget: too much: {line}")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
