"""A folder with one wheel and one sdist of every package, built once for a state of the
sources. ``nox -s build`` checks them; ``isolated``, ``budget`` and ``release`` use them.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tools.workspace import ROOT, Package, fingerprint, packages

HOUSE = ROOT / "wheelhouse"
Artifact = Callable[[Package, Path], Path]


def wheel(package: Package, house: Path = HOUSE) -> Path:
    """Where the package's wheel lies in a wheelhouse."""
    return house / f"{package.module}-{package.version}-py3-none-any.whl"


def sdist(package: Package, house: Path = HOUSE) -> Path:
    """Where the package's sdist lies in a wheelhouse."""
    return house / f"{package.module}-{package.version}.tar.gz"


def constraints(artifact: Artifact = wheel, house: Path = HOUSE) -> Path:
    """The constraints file that names every package's wheel, or every sdist."""
    return house / ("wheels.txt" if artifact is wheel else "sdists.txt")


def build(found: list[Package], house: Path = HOUSE) -> list[str]:
    """Build what changed since the last call; remove what belongs to no package.

    Returns
    -------
    list of str
        Names of the packages that were built.
    """
    house.mkdir(parents=True, exist_ok=True)
    stamps = house / "built.json"
    old = json.loads(stamps.read_text()) if stamps.exists() else {}
    new: dict[str, str] = {}
    built = []
    for package in found:
        outputs = wheel(package, house), sdist(package, house)
        new[package.name] = fingerprint(package.path)
        fresh = old.get(package.name) == new[package.name]
        if not fresh or not all(p.exists() for p in outputs):
            _build(package, outputs)
            built.append(package.name)
    keep = {stamps}
    for artifact in (wheel, sdist):
        listed = constraints(artifact, house)
        listed.write_text(pinned(found, artifact, house))
        keep |= {listed, *(artifact(p, house) for p in found)}
    for path in set(house.iterdir()) - keep:
        path.unlink()
    stamps.write_text(json.dumps(new, indent=1) + "\n")
    return built


def _build(package: Package, outputs: tuple[Path, Path]) -> None:
    # the wheel is made from the sdist, so a file that the sdist forgot is missed here
    with tempfile.TemporaryDirectory() as tmp:
        command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", tmp]
        done = subprocess.run(
            [*command, str(package.path)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"wheelhouse: {package.name}\n{done.stdout}{done.stderr}")
        for output in outputs:
            shutil.copyfile(Path(tmp) / output.name, output)


def pinned(found: list[Package], artifact: Artifact, house: Path = HOUSE) -> str:
    """Constraints that leave one origin for every package: its file in this folder.

    For a name with a URL pip does not ask an index; ``==`` holds where an old pip does.
    """
    lines = [
        f"{p.name}=={p.version}\n{p.name} @ {artifact(p, house).resolve().as_uri()}\n"
        for p in found
    ]
    return "".join(lines)


def main() -> int:
    found = packages()
    built = build(found)
    print(f"wheelhouse: built {', '.join(built) or 'nothing, all is fresh'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
