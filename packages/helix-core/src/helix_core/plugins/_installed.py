"""Entry points of installed distributions: metadata only, nothing is imported.

Each distribution is read on its own, so that one with damaged metadata hides none of the
others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ._environment import normal, say


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One entry point, with what its distribution says about itself.

    Attributes
    ----------
    kind : str
        The group without ``helix.``.
    distribution, version : str
        ``"?"`` where the metadata is damaged.
    name, value : str
    requires : tuple of str
        As in the metadata.
    problem : str
        What is wrong with the metadata.
    """

    kind: str
    distribution: str
    name: str
    value: str
    version: str
    requires: tuple[str, ...] = ()
    problem: str = ""


_FOUND: list[Entry] | None = None


def entries(kind: str | None = None) -> list[Entry]:
    """Entry points of a kind, or all, by distribution and name; scanned once."""
    global _FOUND
    if _FOUND is None:
        _FOUND = _scan()
    return [e for e in _FOUND if kind is None or e.kind == kind]


def forget() -> None:
    """Scan again at the next question."""
    global _FOUND
    import importlib

    _FOUND = None
    importlib.invalidate_caches()


def _scan() -> list[Entry]:
    from importlib.metadata import distributions

    out: set[Entry] = set()
    for dist in distributions():
        try:
            text = dist.read_text("entry_points.txt")
        except (OSError, ValueError) as e:
            say(f"entry points that cannot be read: {e}")
            continue
        if text and "helix." in text:
            out |= set(_of(dist, text))
    return sorted(out)


def _of(dist: Any, text: str) -> list[Entry]:
    name = version = "?"
    problem = ""
    requires: tuple[str, ...] = ()
    try:
        name = dist.metadata["Name"] or "?"
        version = dist.metadata["Version"] or "?"
        requires = tuple(dist.requires or ())
    except Exception as e:  # of the parser: missing, not text, ...
        problem = f"its metadata cannot be read: {type(e).__name__}: {e}"
    if name == "?":
        problem = problem or "its metadata has no name"
    elif _shadowed(dist, name, version):
        say(f"{name} {version} is shadowed by another copy")
        return []
    group, out = "", []
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            group = line[1:-1].strip()
        elif group.startswith("helix.") and line and line[0] not in "#;":
            entry, equals, value = map(str.strip, line.partition("="))
            bad = "" if equals and entry and value else "expected 'name = module'"
            kind = group.removeprefix("helix.")
            out.append(
                Entry(kind, name, entry, value, version, requires, problem or bad)
            )
    return out


def _shadowed(dist: Any, name: str, version: str) -> bool:
    """True if Python finds another copy of this distribution first."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        first = distribution(name)
        mine = version, str(dist.locate_file(""))
        return (first.metadata["Version"] or "?", str(first.locate_file(""))) != mine
    except PackageNotFoundError:
        return False


def unmet(entry: Entry) -> str | None:
    """The first requirement of the entry's distribution that is not satisfied."""
    if not entry.requires or normal(entry.distribution) == "helix-core":
        return None
    from importlib.metadata import PackageNotFoundError, version

    from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.version import InvalidVersion

    for line in entry.requires:
        try:
            want = Requirement(line)
            if want.marker is not None and not want.marker.evaluate({"extra": ""}):
                continue
            have = version(want.name)
            if not want.specifier.contains(have, prereleases=True):
                return f"it requires {want}; {want.name} {have} is installed"
        except PackageNotFoundError:
            return f"it requires {want}, which is not installed"
        except (
            InvalidRequirement,
            InvalidVersion,
            UndefinedComparison,
            UndefinedEnvironmentName,
        ) as e:
            say(f"{entry.distribution}: {line!r} cannot be checked: {e}")
    return None
