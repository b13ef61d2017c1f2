"""What a run says: the table, the failures by reason, and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import helix_core as hx
from helix_core.plugins import records

from ._runner import STATUSES, Outcome, Report
from ._target import Target


def missing(target: Target) -> tuple[list[str], list[str]]:
    """Primitives without a lowering: what nothing replaces, and what decomposes."""
    table = target.backend.lowerings
    lost = [
        p
        for p in hx.PRIMITIVES.values()
        if p.name not in table and p.category != "HOST"
    ]
    return (
        [p.name for p in lost if p.decompose is None],
        [p.name for p in lost if p.decompose is not None],
    )


def head(target: Target) -> Iterator[str]:
    """What is under test, and what it lacks altogether."""
    info = target.info
    yield f"{target.backend.name} on {target.name}: {info.name} ({info.driver or '-'})"
    yield f"dtypes: {', '.join(info.dtypes) or 'none declared'}"
    fatal, rest = missing(target)
    if fatal:
        yield f"missing primitives: {', '.join(fatal)} (decompose: none)"
    if rest:
        yield f"decomposed by core: {', '.join(rest)}"


def table(report: Report) -> Iterator[str]:
    """A row per section, then the totals."""
    rows: dict[str, list[Outcome]] = {}
    for o in report.outcomes:
        rows.setdefault(o.case.section.title(), []).append(o)
    yield f"{'section':<14}" + "".join(f"{s:>9}" for s in STATUSES) + f"{'seconds':>9}"
    for name, found in [*rows.items(), ("all", report.outcomes)]:
        counts = (sum(o.status == s for o in found) for s in STATUSES)
        line = f"{name:<14}" + "".join(f"{n or '-':>9}" for n in counts)
        yield line + f"{sum(o.seconds for o in found):9.1f}"
    yield f"conformance {report.conformance:.4f}"


def failures(report: Report, every: bool = False) -> Iterator[str]:
    """Cases that failed; those with one reason together."""
    groups: dict[str, list[Outcome]] = {}
    for o in report.outcomes:
        if o.bad:
            groups.setdefault(o.reason, []).append(o)
    for reason, found in groups.items():
        few = found if every else found[:3]
        more = f" and {len(found) - len(few)} more" if len(found) > len(few) else ""
        yield f"{found[0].status.upper()} {', '.join(o.case.id for o in few)}{more}"
        yield f"    {reason}"
    for name in report.stale:
        yield f"FAILED {name}"
        yield "    the xfails name it, but there is no such case"


def skips(report: Report) -> Iterator[str]:
    """How many cases each missing capability takes."""
    counts: dict[str, int] = {}
    for o in report.outcomes:
        if o.status == "skipped":
            counts[o.reason] = counts.get(o.reason, 0) + 1
    if counts:
        yield "skipped for want of " + ", ".join(
            f"{k} ({n})" for k, n in counts.items()
        )


def as_json(report: Report) -> dict[str, Any]:
    """Plain values for ``--json``."""
    t = report.target
    fatal, rest = missing(t)
    spec = next(
        (r.spec for r in records("backends") if r.name == t.backend.name and r.spec),
        None,
    )
    return {
        "backend": t.backend.name,
        "device": t.name,
        "device_name": t.info.name,
        "driver": t.info.driver,
        "contract": list(spec.contract) if spec else None,
        "profile": report.profile,
        "dtypes": list(t.info.dtypes),
        "missing": fatal,
        "decomposed": rest,
        "totals": report.totals,
        "conformance": report.conformance,
        "seconds": round(report.seconds, 3),
        "stale_xfails": report.stale,
        "cases": [
            {
                "id": o.case.id,
                "outcome": o.status,
                "reason": o.reason,
                "seconds": round(o.seconds, 4),
            }
            for o in report.outcomes
        ],
    }


def write_json(report: Report, path: str) -> None:
    from helix_core.platform import atomic_path

    with atomic_path(path) as beside:
        beside.write_text(json.dumps(as_json(report), indent=1), encoding="utf-8")
