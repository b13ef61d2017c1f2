"""Schedules against their formulas, and what they refuse."""

import json
import math

import helix_core as hx
import pytest
from helix_core import schedules as S


def test_wsd_warms_up_is_stable_and_decays():
    f = S.wsd(steps=100, warmup=10, decay=20, floor=0.1)
    for i in range(10):
        assert f(i) == pytest.approx((i + 1) / 10)
    assert all(f(i) == 1.0 for i in range(10, 81))
    for i in range(81, 101):
        assert f(i) == pytest.approx(0.1 + 0.9 * (100 - i) / 20)
    assert f(101) == f(10_000) == pytest.approx(0.1)


def test_wsd_without_warmup_or_decay_is_constant():
    assert {S.wsd(10, 0, 0)(i) for i in range(11)} == {1.0}


def test_cosine_after_a_warmup():
    f = S.cosine(100, warmup=20, floor=0.05)
    assert [f(i) for i in (0, 9, 19, 20)] == pytest.approx([0.05, 0.5, 1.0, 1.0])
    assert f(60) == pytest.approx(0.05 + 0.95 / 2)
    assert f(100) == f(1000) == pytest.approx(0.05)


def test_a_warmup_of_no_steps_is_over():
    assert S.linear_warmup(0)(0) == 1.0


def test_one_cycle_peaks_and_ends():
    f = S.one_cycle(100, peak_at=0.3)
    assert f(0) == pytest.approx(1 / 25)
    assert f(29) == pytest.approx(1.0)
    assert f(99) == f(500) == pytest.approx(1 / 25e4)
    assert S.one_cycle(10, peak_at=0.1)(0) == 1.0
    assert S.one_cycle(10, peak_at=1.0)(9) == pytest.approx(1.0)


def test_join_restarts_each_part():
    f = S.join([S.exponential(0.5), S.exponential(0.5)], [3])
    assert [f(i) for i in range(6)] == [1.0, 0.5, 0.25, 1.0, 0.5, 0.25]


def test_plateau_state_is_json_and_goes_on_exactly():
    a, b = (S.ReduceOnPlateau(patience=1, cooldown=1) for _ in range(2))
    b.load_state_dict(json.loads(json.dumps(a.state_dict(), allow_nan=False)))
    metrics = [3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 2.0, 2.0, 2.0]
    for i, m in enumerate(metrics):
        assert a.observe(m) == b.observe(m)
        c = S.ReduceOnPlateau(patience=1, cooldown=1)
        c.load_state_dict(json.loads(json.dumps(a.state_dict(), allow_nan=False)))
        rest = metrics[i + 1 :]
        d = S.ReduceOnPlateau(patience=1, cooldown=1)
        for x in metrics[: i + 1]:
            d.observe(x)
        assert [c.observe(x) for x in rest] == [d.observe(x) for x in rest]


def test_a_state_that_lacks_something_changes_nothing():
    s = S.ReduceOnPlateau()
    s.observe(1.0)
    before = s.state_dict()
    with pytest.raises(hx.HelixError, match=r"\[schedule\] expected a state"):
        s.load_state_dict({"value": 0.5, "best": 0.1})
    assert s.state_dict() == before


@pytest.mark.parametrize(
    "make",
    [
        lambda: S.linear_warmup(-1),
        lambda: S.cosine(10, warmup=11),
        lambda: S.cosine(10, floor=-1.0),
        lambda: S.wsd(10, 6, 6),
        lambda: S.wsd(10, -1, 2),
        lambda: S.step_decay(0),
        lambda: S.exponential(-0.5),
        lambda: S.exponential(math.nan),
        lambda: S.one_cycle(1),
        lambda: S.one_cycle(10, peak_at=1.5),
        lambda: S.one_cycle(10, start_div=0.0),
        lambda: S.join([S.constant()], [1]),
        lambda: S.join([S.constant()] * 3, [5, 2]),
        lambda: S.ReduceOnPlateau(factor=1.0),
        lambda: S.ReduceOnPlateau(patience=-1),
        lambda: S.ReduceOnPlateau(mode="best"),
    ],
)
def test_numbers_that_do_not_fit(make):
    with pytest.raises(S.ScheduleError, match=r"\[schedule\] expected .*; got"):
        make()
