"""Known failures: one case id a line, the reason after ``#``."""

from __future__ import annotations

from pathlib import Path


def read(path: str | Path) -> dict[str, str]:
    """Case id to reason.

    Raises
    ------
    ValueError
        For a line without a reason, or an id that stands twice.
    """
    known: dict[str, str] = {}
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        name, _, reason = (part.strip() for part in line.partition("#"))
        if not name:
            continue
        if not reason or name in known:
            what = "an id once" if name in known else "a reason after '#'"
            raise ValueError(
                f"[xfails] expected {what}; got {line.strip()!r} in {path}, "
                f"line {number}"
            )
        known[name] = reason
    return known
