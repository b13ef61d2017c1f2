"""Running cases and counting what came of them; needs no pytest."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from ._case import Case, Declined
from ._target import Target

STATUSES = ("passed", "failed", "xfailed", "xpassed", "skipped")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a case.

    Attributes
    ----------
    status : str
        passed, failed, xfailed (as the xfails file says), xpassed (it says so, but the
        case passes: the entry must go), skipped (the reason names the capability).
    reason : str
    seconds : float
    error : exception or None
    """

    case: Case
    status: str
    reason: str = ""
    seconds: float = 0.0
    error: BaseException | None = None

    @property
    def bad(self) -> bool:
        return self.status in ("failed", "xpassed")


@dataclass(slots=True)
class Report:
    """Everything about one run."""

    target: Target
    profile: str
    outcomes: list[Outcome] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)  # xfails that name no case
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        return not (self.stale or any(o.bad for o in self.outcomes))

    @property
    def totals(self) -> dict[str, int]:
        return {s: sum(o.status == s for o in self.outcomes) for s in STATUSES}

    @property
    def conformance(self) -> float:
        """Share of all cases that passed: a skip is not a pass."""
        return self.totals["passed"] / max(1, len(self.outcomes))


def outcome(case: Case, target: Target, xfails: Mapping[str, str] = {}) -> Outcome:
    """Run one case."""
    start = time.perf_counter()
    status, reason, error = "passed", "", None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            case.run(target)
    except Declined as e:
        status, reason = "skipped", str(e)
    except Exception as e:
        status, reason, error = "failed", explain(e), e
    if case.id in xfails and status != "skipped":
        if status == "failed":
            status, reason = "xfailed", f"{xfails[case.id]} ({reason})"
        else:
            status, reason = "xpassed", f"it passes: remove {case.id} from the xfails"
    return Outcome(case, status, reason, time.perf_counter() - start, error)


def explain(error: BaseException) -> str:
    """One line."""
    text = " ".join(str(error).split())
    if not isinstance(error, AssertionError):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return text if len(text) <= 400 else f"{text[:397]}..."


def chosen(cases: Iterable[Case], expression: str = "") -> list[Case]:
    """The cases whose id an expression matches: words, ``and``, ``or``, ``not``."""
    alternatives = [
        [w.strip() for w in a.split(" and ")] for a in expression.split(" or ")
    ]

    def matches(name: str) -> bool:
        return any(
            all(
                (w[4:].strip() not in name) if w.startswith("not ") else w in name
                for w in words
            )
            for words in alternatives
        )

    return [c for c in cases if matches(c.id)]


def all_cases(profile: str = "ci") -> list[Case]:
    """Every case of every section."""
    from . import suite

    return [c for section in suite.SECTIONS for c in section.cases(profile)]


def run(
    target: Target | str,
    profile: str = "ci",
    select: str = "",
    xfails: Mapping[str, str] | None = None,
    each: Callable[[Outcome], Any] | None = None,
) -> Report:
    """Run the kit on a device.

    Parameters
    ----------
    target : Target or str
        A device by name.
    profile : str
        ``"ci"``, or ``"full"`` with shapes by Hypothesis.
    select : str
        As for ``-k``.
    xfails : mapping of case id to reason
    each : callable
        Called with every Outcome as it comes.

    Raises
    ------
    Unavailable
        There is no such device, or no Hypothesis for the profile "full".
    """
    from ._target import Unavailable, target_for

    if profile == "full" and find_spec("hypothesis") is None:
        raise Unavailable(
            "[testing] expected Hypothesis for the profile 'full'. "
            "Hint: pip install 'helix-hal[test]'"
        )

    if isinstance(target, str):
        target = target_for(target)
    report = Report(target, profile)
    start = time.perf_counter()
    cases = all_cases(profile)
    known = dict(xfails or {})
    for c in chosen(cases, select):
        done = outcome(c, target, known)
        report.outcomes.append(done)
        if each is not None:
            each(done)
    names = {c.id for c in cases}
    report.stale = [name for name in known if name not in names]
    report.seconds = time.perf_counter() - start
    return report
