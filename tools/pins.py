"""``nox -s pins``: what packages ask of each other can be met, and only from here.

A stranger may own one of our names on an index, so every requirement on a sibling has
both bounds and admits the version in the tree.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

from tools.workspace import ROOT, Package, WorkspaceError, packages, siblings

CORE = "helix-core"
FAMILY = "helix-"
LOWER, UPPER = {">=", ">", "~=", "=="}, {"<=", "<", "~=", "=="}


def problems(found: list[Package]) -> list[str]:
    """What is wrong with the requirements among these packages, in words."""
    versions = {p.name: p.version for p in found}
    out = []
    for package in found:
        for extra, requirement in package.requirements():
            if requirement.name.startswith(FAMILY):
                out += [
                    f"{package.name}{f'[{extra}]' if extra else ''}: {requirement}: {why}"
                    for why in _sibling(requirement, versions)
                ]
        if package.name == CORE and siblings(package, versions):
            out.append(
                f"{CORE}: expected no sibling; got {siblings(package, versions)}"
            )
    return out


def _sibling(requirement: Requirement, versions: dict[str, str]) -> list[str]:
    if requirement.name not in versions:
        return ["no such package in this repository"]
    operators = {s.operator for s in requirement.specifier}
    out = []
    if not operators & LOWER:
        out.append("expected a lower bound")
    if not operators & UPPER:
        out.append("expected an upper bound")
    version = versions[requirement.name]
    if not requirement.specifier.contains(version, prereleases=True):
        out.append(f"refuses {version}, the version in the tree")
    return out


def unlisted(found: list[Package], root: Path = ROOT) -> list[str]:
    """Places at the root that must name every package, and do not."""
    dev = (root / "requirements-dev.txt").read_text(encoding="utf-8").splitlines()
    out = []
    for p in found:
        line = f"-e packages/{p.name}"
        tested = any(x.startswith(f"{line}[") and "test" in x for x in dev)
        if line not in dev or not tested:
            out.append(f"requirements-dev.txt: expected {line} and {line}[test]")
    return out + contract_problems(found, root)


def contract_problems(found: list[Package], root: Path = ROOT) -> list[str]:
    """Where the import-linter contracts differ from what the packages declare."""
    config = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    linter = config["tool"]["importlinter"]
    modules = {p.name: p.module for p in found}
    out = []
    if sorted(linter["root_packages"]) != sorted(modules.values()):
        out.append("pyproject.toml: importlinter.root_packages are not the packages")
    forbidden = {
        source: set(contract["forbidden_modules"])
        for contract in linter["contracts"]
        for source in contract["source_modules"]
    }
    for package in found:
        allowed = {package.name, *siblings(package, modules)}
        expected = {modules[name] for name in modules if name not in allowed}
        if forbidden.get(package.module, set()) != expected:
            out.append(
                f"pyproject.toml: the contract of {package.module} should forbid "
                f"{', '.join(sorted(expected)) or 'nothing'}"
            )
    return out


def main() -> int:
    try:
        found = packages()
    except WorkspaceError as e:
        print(f"pins: {e}")
        return 1
    wrong = problems(found) + unlisted(found)
    for line in wrong:
        print(f"pins: {line}")
    if not wrong:
        order = ", ".join(f"{p.name} {p.version}" for p in found)
        print(f"pins: every sibling requirement is bounded and met: {order}")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
