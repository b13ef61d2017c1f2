"""``nox -s release``: is everything ready to be published? Publishes nothing."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from tools import pins, wheelhouse
from tools.workspace import ROOT, Package, packages


def tag(package: Package) -> str:
    return f"{package.name}-v{package.version}"


def version_problems(package: Package, tags: set[str]) -> list[str]:
    """The version is one, in its normal form, and not released yet."""
    try:
        normal = str(Version(package.version))
    except InvalidVersion:
        return [f"expected a version; got {package.version!r}"]
    out = [] if normal == package.version else [f"expected version {normal}"]
    if tag(package) in tags:
        out.append(f"{tag(package)} is a tag already: raise the version")
    return out


def changelog_problems(package: Package) -> list[str]:
    """The changelog starts with this version and says something about it."""
    file = package.path / "CHANGELOG.md"
    if not file.exists():
        return ["expected a CHANGELOG.md"]
    sections = re.split(r"^## ", file.read_text(encoding="utf-8"), flags=re.M)[1:]
    if not sections or sections[0].split()[0] != package.version:
        return [f"CHANGELOG.md: expected its first section to be {package.version}"]
    if not re.search(r"^- ", sections[0], flags=re.M):
        return [f"CHANGELOG.md: expected at least one line under {package.version}"]
    return []


def artifact_problems(package: Package, house: Path = wheelhouse.HOUSE) -> list[str]:
    """Wheel and sdist agree with the tree: metadata, licence, typing marker, tests."""
    wheel, sdist = wheelhouse.wheel(package, house), wheelhouse.sdist(package, house)
    out = []
    with zipfile.ZipFile(wheel) as z:
        names = set(z.namelist())
        info = f"{package.module}-{package.version}.dist-info"
        metadata = HeaderParser().parsestr(z.read(f"{info}/METADATA").decode())
    out += _metadata_problems(package, metadata)
    for name in (f"{package.module}/py.typed", f"{info}/licenses/LICENSE"):
        if name not in names:
            out.append(f"{wheel.name}: expected {name}")
    stray = {n.split("/")[0] for n in names} - {package.module, info}
    if stray:
        out.append(f"{wheel.name}: unexpected {', '.join(sorted(stray))}")
    shipped = {n for n in names if n.startswith(f"{package.module}/")}
    src = package.path / "src"
    tree = {
        p.relative_to(src).as_posix()
        for p in package.source.rglob("*")
        if p.is_file() and "__pycache__" not in p.parts
    }
    if shipped != tree:
        differ = ", ".join(sorted(shipped ^ tree)[:5])
        out.append(f"{wheel.name}: differs from the tree: {differ}")
    with tarfile.open(sdist) as t:
        inside = {n.partition("/")[2] for n in t.getnames()}
    for name in ("README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml", "tests"):
        if not any(n == name or n.startswith(f"{name}/") for n in inside):
            out.append(f"{sdist.name}: expected {name}")
    return out


def _metadata_problems(package: Package, metadata: Message) -> list[str]:
    out = []
    if metadata["Version"] != package.version:
        out.append(f"the wheel says version {metadata['Version']}")
    required = {_normal(Requirement(r)) for r in metadata.get_all("Requires-Dist", [])}
    declared = {_normal(r) for extra, r in package.requirements() if not extra}
    if not declared <= required:
        out.append(f"the wheel lacks {', '.join(sorted(declared - required))}")
    if not metadata["Description-Content-Type"] or not metadata.get_payload():
        out.append("the wheel has no description")
    return out


def _normal(requirement: Requirement) -> str:
    return f"{canonicalize_name(requirement.name)}{requirement.specifier}"


def problems(package: Package, tags: set[str]) -> list[str]:
    """All that keeps one package from being released."""
    return [
        f"{package.name}: {why}"
        for why in version_problems(package, tags)
        + changelog_problems(package)
        + artifact_problems(package)
    ]


def main() -> int:
    found = packages()
    wheelhouse.build(found)
    listed = subprocess.run(
        ["git", "tag"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    tags = set(listed.stdout.split())
    wrong = pins.problems(found) + [w for p in found for w in problems(p, tags)]
    for line in wrong:
        print(f"release: {line}")
    if not wrong:
        print("release: ready, in this order (a dry run, nothing was published):")
        for n, p in enumerate(found, 1):
            print(f"  {n}. {tag(p):24} {wheelhouse.wheel(p).name}, the sdist beside it")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
