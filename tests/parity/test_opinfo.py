"""Our functions on every sample of torch's operator database, values and gradients."""

import pytest
from opinfo import (
    algebra,
    contractions,
    elementwise,
    functional,
    movement,
    reductions,
    windows,
)
from opinfo.harness import exclusions, run

MAPS = {
    "elementwise": elementwise.MAP,
    "reductions": reductions.MAP,
    "movement": movement.MAP,
    "contractions": contractions.MAP,
    "functional": functional.MAP,
    "windows": windows.MAP,
    "algebra": algebra.MAP,
}
ALL = {name: fn for m in MAPS.values() for name, fn in m.items()}
LOOSE = {"logcumsumexp": 10.0}  # values of 1e4 cancel: 1e-4 is all that float32 has
WIDE = {"logcumsumexp"}  # at values of 1e4 torch's float32 gradient is off by 3e-3
# pooling here gives no indices beside the values; residuals have NumPy's form
FIRST = {n for n in ALL if "max_pool" in n} | {"linalg.lstsq/grad_oriented"}


@pytest.mark.parametrize("name", ALL)
def test_every_sample_agrees_with_torch(name):
    outcome = run(
        name,
        ALL[name],
        loose=LOOSE.get(name, 1.0),
        wide=name in WIDE,
        most=1 if name in FIRST else None,
        process=algebra.PROCESS.get(name),
    )
    shown = "\n".join(outcome.failed[:8])
    assert not outcome.failed, f"{len(outcome.failed)} samples of {name}:\n{shown}"
    assert outcome.passed > 0


def test_every_exclusion_has_its_reason():
    assert all(e.op in ALL and e.reason for e in exclusions())


def test_the_map_is_as_wide_as_promised():
    functional = [n for n in ALL if n.startswith("nn.functional.")]
    assert len(ALL) >= 150
    assert len(MAPS["reductions"]) >= 20
    assert len(MAPS["movement"]) >= 30
    assert len(MAPS["algebra"]) >= 15
    assert len(functional) >= 25
