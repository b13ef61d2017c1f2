"""Verifiers are verified: faults put in on purpose are found, sound samples pass."""

from collections import Counter
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from helix_synth import faults, registry
from helix_synth._catalogue import ENTRIES

NAMES = [e.name for e in ENTRIES]


@pytest.fixture(scope="module")
def caught():
    injected, found = Counter(), Counter()
    for name in NAMES:
        for kind, c in faults.catch_rates(registry.generator(name, seed=5)).items():
            injected[kind] += c.injected
            found[kind] += c.caught
    return injected, found


def test_ninety_nine_of_a_hundred_faults_are_found(caught):
    injected, found = caught
    kinds = [k for k in injected if injected[k] >= 10]
    assert len(kinds) >= 40
    assert sum(found.values()) >= 0.99 * sum(injected.values())


def test_no_kind_of_fault_slips_through(caught):
    injected, found = caught
    weak = {k: (found[k], n) for k, n in injected.items() if found[k] < 0.95 * n}
    assert weak == {}


def test_every_kind_of_fault_can_be_put_in(caught):
    injected, _ = caught
    assert [f.name for f in faults.FAULTS if injected[f.name] == 0] == []


@pytest.mark.parametrize("name", NAMES)
def test_sound_samples_pass(name):
    g = registry.generator(name, seed=123)
    assert faults.false_rejects(g, 40, start=10**9) == []


def test_a_fault_changes_a_copy():
    g = registry.generator("regression")
    a, b = g.block(0, 2).samples()
    before = a["y"].copy()
    (kind,) = [f for f in faults.FAULTS if f.name == "table: a value off"]
    bad = faults.inject(kind, a, b, Random(1))
    assert np.count_nonzero(bad["y"] != before) == 1
    np.testing.assert_array_equal(a["y"], before)


@pytest.mark.parametrize(
    "name, kind", [("solids", "points: points that tremble"),
                   ("solids", "points: a point off the surface"),
                   ("in_context_regression", "sequence: off the line")]
)  # fmt: skip
def test_worse_faults_are_found_more_often(name, kind):
    g = registry.generator(name, seed=9, noise=0.005)
    severities = np.array([0.01, 0.05, 0.2, 0.4, 0.7, 1.0])
    check = registry.verifier(name)
    (fault,) = [f for f in faults.FAULTS if f.name == kind]
    rates = []
    for severity in severities:
        luck, hits = Random(3), 0
        samples = list(g.block(0, 25).samples())
        for a, b in pairwise(samples):
            bad = faults.inject(fault, a, b, luck, severity)
            hits += bool(check(g.spec, bad))
        rates.append(hits / 24)
    assert rates[-1] >= 0.95 and rates[0] < 0.2
    assert all(np.diff(rates) >= -0.05)


def test_a_verifier_that_accepts_all_is_shown_up():
    g = registry.generator("mqar")
    rates = faults.catch_rates(g, 5, check=lambda spec, sample: [])
    assert sum(c.injected for c in rates.values()) >= 40
    assert sum(c.caught for c in rates.values()) == 0
