"""The packages of this repository, as their own pyproject.toml files describe them."""

from __future__ import annotations

import ast
import hashlib
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent


class WorkspaceError(Exception):
    """The packages contradict each other."""


@dataclass(frozen=True)
class Package:
    """One distribution of this repository.

    Attributes
    ----------
    name, module : str
        ``helix-core`` and ``helix_core``.
    path : Path
    version : str
        As ``_version.py`` says, which is not imported.
    project : dict
        The ``[project]`` table.
    """

    name: str
    module: str
    path: Path
    version: str
    project: dict[str, Any]

    @property
    def source(self) -> Path:
        return self.path / "src" / self.module

    @property
    def extras(self) -> list[str]:
        return sorted(self.project.get("optional-dependencies", {}))

    def requirements(self) -> Iterator[tuple[str, Requirement]]:
        """``(extra, requirement)``; the extra of a plain dependency is ``""``."""
        for text in self.project.get("dependencies", []):
            yield "", Requirement(text)
        for extra, texts in self.project.get("optional-dependencies", {}).items():
            for text in texts:
                yield extra, Requirement(text)


def packages(root: Path = ROOT) -> list[Package]:
    """Every package, those that others need first.

    Raises
    ------
    WorkspaceError
        If they need each other in a circle.
    """
    found = {
        p.name: p for p in map(_read, sorted(root.glob("packages/*/pyproject.toml")))
    }
    needs = {name: siblings(p, found) for name, p in found.items()}
    try:
        return [found[name] for name in TopologicalSorter(needs).static_order()]
    except CycleError as e:
        raise WorkspaceError(
            f"packages need each other: {' -> '.join(e.args[1])}"
        ) from e


def siblings(package: Package, names: Iterable[str]) -> list[str]:
    """Which of ``names`` the package needs, extras included."""
    return sorted({r.name for _, r in package.requirements()} & set(names))


def closure(package: Package, all_packages: Iterable[Package]) -> list[str]:
    """The siblings that installing ``PACKAGE[test]`` brings, theirs included."""
    by_name = {p.name: p for p in all_packages}
    seen: set[str] = set()
    todo = [(package.name, {"", "test"})]
    while todo:
        name, extras = todo.pop()
        for extra, requirement in by_name[name].requirements():
            needed = requirement.name
            if extra in extras and needed in by_name and needed not in seen:
                seen.add(needed)
                todo.append((needed, {"", *requirement.extras}))
    return sorted(seen)


def fingerprint(*paths: Path) -> str:
    """A hash of files and folders: names and bytes, without what Python leaves behind."""
    digest = hashlib.sha256()
    for path in paths:
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            parts = file.relative_to(path.parent).parts
            left = any(p == "__pycache__" or p.startswith(".") for p in parts[1:])
            if file.is_file() and not left:
                digest.update(f"{'/'.join(parts)}\0".encode())
                digest.update(file.read_bytes())
    return digest.hexdigest()


def _read(pyproject: Path) -> Package:
    config = tomllib.loads(pyproject.read_text(encoding="utf-8"))
    project = config["project"]
    path = pyproject.parent
    version_file = path / config["tool"]["hatch"]["version"]["path"]
    return Package(
        name=project["name"],
        module=project["name"].replace("-", "_"),
        path=path,
        version=_version(version_file),
        project=project,
    )


def _version(file: Path) -> str:
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if (
            isinstance(node, ast.Assign)
            and ast.unparse(node.targets[0]) == "__version__"
        ):
            return str(ast.literal_eval(node.value))
    raise WorkspaceError(f"{file} expected a line __version__ = '...'; got none")
