"""Gradients, and gradients of gradients, against finite differences."""

import helix_core as hx
import pytest
from gradcheck import check_grads
from linalg_cases import CASES

PAIRS = [pytest.param(c, k, id=f"{n}-{k}") for n, c in CASES.items() for k in c.kinds]


def test_every_host_primitive_has_a_case():
    have = {p for c in CASES.values() for p in c.prims}
    assert have == {n for n, p in hx.PRIMITIVES.items() if p.category == "HOST"}


@pytest.mark.parametrize("case, kind", PAIRS)
def test_gradients(case, kind):
    order = case.order if case.prims else min(case.order, 2)
    check_grads(case.fn, *case.arrays(kind), order=order, rtol=3e-6, atol=1e-6)
