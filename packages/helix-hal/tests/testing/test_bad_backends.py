"""The kit catches each fault, in the section it belongs to, for the right reason."""

from __future__ import annotations

import helix_core as hx
import pytest
from helix_core._composite import COMPOSITES, Composite
from helix_hal.testing import Report, run
from helix_hal.testing._report import failures, missing

# backend -> (what to run, a case that must fail, words of its reason)
FAULTS = {
    "wrong_dtype": (
        "reductions",
        "reductions.dtypes[reduce_sum-bfloat16]",
        ("expected a buffer bfloat16[4]", "made float32[4]"),
    ),
    "off_by_one": ("scans", "scans.linear_scan[float32]", ("linear_scan(", "expected")),
    "silent_fallback": (
        "sorting",
        "sorting.axes[0]",
        ("expected a buffer of the device (Own)", "silent fallback to the host"),
    ),
    "reads_back": (
        "protocol",
        "protocol.stays_on_the_device",
        ("linear_scan", "to_host was called 3 times"),
    ),
    "leaky": ("memory", "memory.no_leak[elementwise]", ("10000 ops", "a leak")),
    "first_wins": (
        "indexing",
        "indexing.last_of_equals_wins[7]",
        ("set of 7 equal indices", "expected 12; got 0"),
    ),
    "in_place": (
        "arithmetic.unary",
        "arithmetic.unary[neg-float32]",
        ("neg(float32[134])", "changed its input 0"),
    ),
    "nan_is_nothing": (
        "arithmetic.binary",
        "arithmetic.binary[max-float32]",
        ("expected nan; got 0", "for (0, nan)"),
    ),
    "no_gather": ("indexing", "indexing.literals", ("UnsupportedOp", "[gather]")),
}


def failed(report: Report) -> dict[str, str]:
    return {o.case.id: o.reason for o in report.outcomes if o.status == "failed"}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named(name: str) -> None:
    select, case, words = FAULTS[name]
    report = run(f"{name}:0", select=select)
    reasons = failed(report)
    assert case in reasons, "\n".join(failures(report))
    for word in words:
        assert word in reasons[case]


@pytest.mark.parametrize(
    ("name", "section"),
    [
        ("wrong_dtype", "scans"),
        ("off_by_one", "indexing"),
        ("silent_fallback", "arithmetic"),
        ("first_wins", "movement"),
        ("in_place", "movement"),
        ("nan_is_nothing", "movement"),
    ],
)
def test_what_has_nothing_to_do_with_the_fault_passes(name: str, section: str) -> None:
    report = run(f"{name}:0", select=f"{section}.")
    assert report.outcomes
    assert failed(report) == {}


def test_leaks_are_told_from_pools() -> None:
    reasons = failed(run("leaky:0", select="memory.buffers_are_freed"))
    assert "add: expected the buffer to go with its tensor" in next(
        iter(reasons.values())
    )


@pytest.mark.parametrize("device", ["numpy", "cpu", "good:0"])
def test_a_backend_as_it_should_be_passes_everything(device: str) -> None:
    report = run(device)
    assert not failed(report), "\n".join(failures(report))
    assert report.totals["passed"] == len(report.outcomes) > 1500
    assert report.conformance == 1.0


def test_missing_primitives_are_listed() -> None:
    from helix_hal.testing._target import target_for

    fatal, rest = missing(target_for("no_gather:0"))
    assert fatal == ["gather"]
    assert "tanh" in rest


def test_every_composite_of_core_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[str] = set()
    plain = Composite.__call__

    def watched(self: Composite, *args: object, **kw: object) -> object:
        seen.add(self.name)
        return plain(self, *args, **kw)

    monkeypatch.setattr(Composite, "__call__", watched)
    run("numpy", select="composites or random")
    own = {n for n, c in COMPOSITES.items() if "." not in n and _of_core(c)}
    assert own - seen == set()


def _of_core(c: Composite) -> bool:
    """Other tests and packages declare composites too."""
    return getattr(c.default, "__module__", "").startswith("helix_core.")


def test_every_primitive_is_run() -> None:
    """The table of a device holds what was asked of it."""
    device = hx.Device("good:0")
    device.table.clear()
    run("good:0", select="not memory")
    host = {n for n, p in hx.PRIMITIVES.items() if p.category == "HOST"}
    assert set(hx.PRIMITIVES) - host - set(device.table) == set()
