"""The load of the host: others' work counts, ours does not."""

import subprocess
import sys
import time

import helix_core as hx
import psutil
import pytest
from helix_hal import _load


@pytest.fixture
def clocks(monkeypatch):
    """A machine of two cores whose clocks the test sets."""
    state = {"wall": 100.0, "all": 0.0, "busy": 0.0, "own": 0.0}

    def sleep(seconds):
        state["wall"] += seconds
        state["all"] += 2 * seconds
        state["busy"] += 1.5 * seconds
        state["own"] += 0.5 * seconds

    monkeypatch.setattr(_load, "_clocks", lambda: _load._Clocks(**state))
    monkeypatch.setattr(_load.time, "sleep", sleep)
    monkeypatch.setattr(_load, "_last", None)
    return state, sleep


def test_our_own_work_is_no_load(clocks):
    assert _load.host_load() == pytest.approx(0.5)


def test_a_reading_is_over_the_time_since_the_last(clocks):
    state, _ = clocks
    _load.host_load()
    state["wall"] += 0.01
    state["all"] += 0.02
    assert _load.host_load() == pytest.approx(0.5)  # too short to tell
    state["wall"] += 1.0
    state["all"] += 1.98
    state["busy"] += 2.0
    assert _load.host_load() == pytest.approx(1.0)
    state["wall"] += 60.0  # too long ago: a new reading
    state["all"] += 120.0
    assert _load.host_load() == pytest.approx(0.5)


def test_the_devices_of_the_host_tell_it():
    load = hx.Device("cpu").backend.load(hx.Device("cpu"))
    assert 0.0 <= load <= 1.0


def test_another_process_is_seen():
    busy = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"])
        for _ in range(psutil.cpu_count() or 1)
    ]
    try:
        time.sleep(0.5)
        _load.host_load()
        time.sleep(0.5)
        assert _load.host_load() > 0.3
    finally:
        for p in busy:
            p.kill()
            p.wait()
