"""The harness with real processes and small work."""

import os

import pytest

from benchmarks import harness
from benchmarks.case import Case
from benchmarks.environment import THREADS, fresh_cache, timed
from benchmarks.worker import Worker, WorkerError


def case(ours, reference=None, **changes):
    return Case(
        name="fake",
        variants=("v",),
        ours=f"bench_sides:{ours}",
        reference=reference and f"bench_sides:{reference}",
        **({"peer_name": "peer", "target": 1.5, "aim": 2.0} | changes),
    )


def measure(case, rounds=2):
    lines = []
    return *harness.measure("s", case, "v", rounds, lines.append), lines


def test_both_sides_are_timed_in_turn_after_their_outputs_agree():
    (row, first), right, lines = measure(case("nearly", "slow"))
    assert right and row["ok"]
    assert row["rounds"] == 2
    assert row["ratio"] > 1.5
    assert row["peer"] >= 20.0  # ms
    assert row["max_abs_err"] == pytest.approx(1e-6)
    assert (first["case"], first["variant"]) == ("first_call", "fake v")
    assert first["peer"] >= 0.02
    assert "outputs agree" in lines[0]


def test_wrong_outputs_are_not_timed():
    (row,), right, lines = measure(case("wrong", "right"))
    assert not right and not row["ok"]
    assert row["ours"] is None and row["rounds"] == 0
    assert row["max_abs_err"] == pytest.approx(0.1)
    assert "WRONG" in lines[0]


def test_a_peer_of_minutes_runs_few_rounds_and_its_first_call_counts(monkeypatch):
    monkeypatch.setattr(harness, "LONG", 0.01)
    monkeypatch.setattr(harness, "FEW_ROUNDS", 1)
    (row, first), _, _ = measure(case("right", "slow"), rounds=None)
    assert row["rounds"] == 1
    assert row["peer"] == pytest.approx(1e3 * first["peer"])
    # with one round the peer is called once
    (row, _), right, _ = measure(case("right", "second_call_fails"), rounds=1)
    assert right


def test_work_may_measure_itself_and_leave_a_note():
    alone = case("half_a_second", peer_name=None, scale=10.0, target=6.0, aim=4.0)
    (row,), right, lines = measure(alone, rounds=3)
    assert right and row["ok"]
    assert (row["ours"], row["peer"], row["max_abs_err"]) == (5.0, None, None)
    assert lines == ["  note on v"]


def test_memory_is_the_peak_above_the_idle_process():
    memory = case("holds_16_mib", "holds_64_mib", kind="memory", scale=1 / 2**20)
    (row,), right, _ = measure(memory, rounds=1)
    assert right
    assert row["ours"] == pytest.approx(16, abs=4)
    assert row["peer"] == pytest.approx(64, abs=4)


def test_a_failing_side_reports_its_traceback():
    with pytest.raises(WorkerError, match="no such peer"):
        measure(case("right", "raises"))


def test_a_dying_side_reports_its_exit_code():
    with pytest.raises(WorkerError, match="ended with code 7"):
        measure(case("dies", "right"))


# --------------------------------------------------------------------- environment
def test_both_sides_run_with_equal_threads_and_no_mistuned_blas(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setenv("OPENBLAS_L2_SIZE", "512")
    monkeypatch.setenv("OMP_NUM_THREADS", "9")
    before = dict(os.environ)
    with (
        timed(os.environ) as removed,
        Worker("bench_sides:environment", "") as worker,
    ):
        seen = worker.result()
    assert removed == ["OPENBLAS_CORETYPE=Haswell", "OPENBLAS_L2_SIZE=512"]
    assert not {"OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"} & set(seen)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NPROC"):
        assert seen[name] == str(THREADS)
    assert dict(os.environ) == before


def test_the_machine_is_described_from_inside_a_timed_process():
    with (
        timed(os.environ),
        Worker("benchmarks.environment:machine", "") as worker,
    ):
        machine = worker.result()
    assert machine["threads"] == THREADS
    assert "numpy" in machine["versions"]
    assert all(f"{THREADS} threads" in b for b in machine["blas"])


def test_every_measurement_starts_without_compiled_kernels(monkeypatch):
    monkeypatch.setenv("HELIX_CACHE_DIR", "mine")
    folders = []
    for _ in range(2):
        with fresh_cache(os.environ), Worker("bench_sides:environment", "") as worker:
            folders.append(worker.result()["HELIX_CACHE_DIR"])
    assert len({*folders, "mine"}) == 3
    assert not any(map(os.path.exists, folders))
    assert os.environ["HELIX_CACHE_DIR"] == "mine"
