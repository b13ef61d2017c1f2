"""Measuring a case: outputs first, then both sides in turn, then one row a variant."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from .case import Arrays, Case
from .worker import Worker

ROUNDS = 7
FEW_ROUNDS = 3  # where one call of the peer takes longer than LONG
LONG = 60.0  # seconds

Row = dict[str, Any]
Say = Callable[[str], None]


class Agreement(NamedTuple):
    """How far two sets of arrays are apart.

    Attributes
    ----------
    error : float
        Largest absolute difference.
    relative : float
        Largest difference over the largest reference value of the same array.
    worst : str
        Name of the array with that.
    """

    error: float
    relative: float
    worst: str


def compare(ours: Arrays, reference: Arrays) -> Agreement:
    """Compare arrays by name; missing ones, other shapes and NaN are infinitely far."""
    if set(ours) != set(reference):
        return Agreement(
            math.inf, math.inf, f"names {sorted(set(ours) ^ set(reference))}"
        )
    found = Agreement(0.0, 0.0, "")
    for name, want in reference.items():
        got = np.asarray(ours[name], np.float64)
        want = np.asarray(want, np.float64)
        if got.shape != want.shape:
            return Agreement(math.inf, math.inf, f"{name} {got.shape} {want.shape}")
        error = float(np.max(np.abs(got - want), initial=0.0))
        largest = float(np.max(np.abs(want), initial=0.0))
        if not math.isfinite(error):
            return Agreement(math.inf, math.inf, name)
        relative = error / largest if largest else (0.0 if error == 0.0 else math.inf)
        worst = name if relative >= found.relative else found.worst
        found = Agreement(max(error, found.error), max(relative, found.relative), worst)
    return found


def spread(values: Sequence[float]) -> float:
    """Interquartile range over the median; 0 for one value."""
    low, middle, high = np.percentile(values, [25, 50, 75])
    return float((high - low) / abs(middle)) if middle else 0.0


def make_row(
    suite: str,
    case: Case,
    variant: str,
    ours: Sequence[float],
    peer: Sequence[float] | None,
    found: Agreement | None,
) -> Row:
    """A row of values in the case's unit, one a round.

    Empty ``ours`` says that nothing was timed because the outputs were wrong.
    """
    agree = found is None or found.relative <= case.tolerance
    a = median(ours) if ours else None
    b = median(peer) if peer else None
    ratio = _ratio(case, a, b)
    if peer:
        pairs = [_ratio(case, x, y) for x, y in zip(ours, peer, strict=True)]
        met = ratio is not None and ratio >= case.target
        wide = spread([p for p in pairs if p is not None])
    else:
        met = a is not None and (
            a <= case.target if case.better == "lower" else a >= case.target
        )
        wide = spread(ours) if ours else None
    error = None if found is None else found.error
    return {
        "suite": suite,
        "case": case.name,
        "variant": variant,
        "metric": case.metric,
        "unit": case.unit,
        "better": case.better,
        "ours": a,
        "peer": b,
        "peer_name": case.peer_name,
        "ratio": ratio,
        "spread": wide,
        "rounds": len(ours),
        "target": case.target,
        "aim": case.aim,
        "ok": agree and met,
        "max_abs_err": error if error is None or math.isfinite(error) else None,
    }


def _ratio(case: Case, ours: float | None, peer: float | None) -> float | None:
    """Above 1 where we are ahead."""
    if not ours or not peer:
        return None
    return peer / ours if case.better == "lower" else ours / peer


def first_call_row(
    suite: str, case: Case, variant: str, ours: float, peer: float
) -> Row:
    """Seconds of the first call, with what each side compiles in it. No target."""
    return {
        "suite": suite,
        "case": "first_call",
        "variant": f"{case.name} {variant}",
        "metric": "first_call",
        "unit": "s",
        "better": "lower",
        "ours": ours,
        "peer": peer,
        "peer_name": case.peer_name,
        "ratio": peer / ours,
        "spread": None,
        "rounds": 1,
        "target": None,
        "aim": None,
        "ok": True,
        "max_abs_err": None,
    }


class Measured(NamedTuple):
    rows: list[Row]
    right: bool  # whether the outputs agreed


def measure(
    suite: str, case: Case, variant: str, rounds: int | None, say: Say
) -> Measured:
    """All rows of one variant."""
    run = _memory if case.kind == "memory" else _time
    return run(suite, case, variant, rounds, say)


def _check(case: Case, ours: Arrays, want: Arrays | None, say: Say) -> Agreement | None:
    if want is None:
        return None
    found = compare(ours, want)
    if found.relative > case.tolerance:
        say(
            f"  WRONG: {found.worst} is off by {found.relative:.3g} of the largest "
            f"reference value (tolerance {case.tolerance:g})"
        )
    else:
        say(f"  outputs agree to {found.relative:.1e} ({found.worst})")
    return found


def _time(
    suite: str, case: Case, variant: str, rounds: int | None, say: Say
) -> Measured:
    with ExitStack() as stack:
        us = stack.enter_context(Worker(case.ours, variant))
        our_first, got = us.first()
        them, want, their_first = None, None, None
        if case.reference is not None:
            them = stack.enter_context(Worker(case.reference, variant))
            their_first, want = them.first()
        found = _check(case, got, want, say)
        if found is not None and found.relative > case.tolerance:
            row = make_row(suite, case, variant, [], None, found)
            return Measured([row], False)
        a: list[float] = []
        b: list[float] = []
        calls = us.calls()
        if case.peer_name is None:
            for _ in range(rounds or ROUNDS):
                a.append(case.value(median(us.round(calls))))
        else:
            assert them is not None and their_first is not None
            slow = their_first > LONG
            count = min(rounds or ROUNDS, FEW_ROUNDS) if slow else rounds or ROUNDS
            their_calls = 1 if slow else them.calls()
            for i in range(count):
                a.append(case.value(median(us.round(calls))))
                # where a call takes minutes, the first one counts
                once = slow and i == 0
                seconds = [their_first] if once else them.round(their_calls)
                b.append(case.value(median(seconds)))
        if note := us.note():
            say(f"  {note}")
        rows = [make_row(suite, case, variant, a, b or None, found)]
        if b and their_first is not None:
            rows.append(first_call_row(suite, case, variant, our_first, their_first))
        return Measured(rows, True)


def _memory(
    suite: str, case: Case, variant: str, rounds: int | None, say: Say
) -> Measured:
    assert case.reference is not None
    with Worker(case.ours, variant) as us:  # fills the kernel cache as well
        got = us.first()[1]
    with Worker(case.reference, variant) as them:
        want = them.first()[1]
    found = _check(case, got, want, say)
    assert found is not None
    if found.relative > case.tolerance:
        return Measured([make_row(suite, case, variant, [], None, found)], False)
    sides: Mapping[str, list[float]] = {case.ours: [], case.reference: []}
    for _ in range(rounds or ROUNDS):
        for factory, values in sides.items():
            with Worker(factory, variant) as worker:
                values.append(case.value(worker.memory()))
    a, b = sides.values()
    return Measured([make_row(suite, case, variant, a, b, found)], True)
