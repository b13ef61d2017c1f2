"""Killed at any moment, a run goes on with the same losses, bit for bit."""

import random
import signal
import subprocess
import time
import warnings
from pathlib import Path

import pytest
from hammer_kit import COMMAND, checkpoint, rows
from helix_hammer import RunDir

STEPS = 120


def command(text: Path, runs: Path, name: str, steps: int = STEPS) -> list[str]:
    """A fresh run with everything that has a state: it stops early, if ever, late."""
    options = {
        "data": text,
        "runs-dir": runs,
        "name": name,
        "steps": steps,
        "device": "numpy",
        "model": "tiny_lm",
        "set": "dropout=0.3",
        "batch": 4,
        "length": 16,
        "accumulate": 2,
        "ema": 0.9,
        "schedule": "staircase",
        "eval-every": 20,
        "save-every": 7,
        "patience": 9,
        "logger": "third",
    }
    return [*COMMAND, "train", *(f"--{k}={v}" for k, v in options.items())]


def again(run: Path) -> list[str]:
    return [*COMMAND, "train", "--resume", str(run)]


def finish(args: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(
        args, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def straight(tmp_path, text, environment) -> tuple[Path, float]:
    """A run that was never killed, and the seconds it took."""
    start = time.monotonic()
    finish(command(text, tmp_path, "straight"), environment)
    return tmp_path / "straight", time.monotonic() - start


def kill_and_resume(n, straight, tmp_path, text, environment) -> None:
    """Kill n processes at uniformly random times; whenever a run ends, compare it."""
    original, seconds = straight
    rng = random.Random(n)
    k, killed, phases = 0, 0, set()
    while True:
        run = tmp_path / f"run{k}"
        fresh = not (run / "config.json").exists()
        args = command(text, tmp_path, run.name) if fresh else again(run)
        process = subprocess.Popen(
            args, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        try:
            wait = rng.uniform(0.0, seconds) if killed < n else 120.0
            _, said = process.communicate(timeout=wait)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            killed += 1
            steps = RunDir(run).store.steps()
            phases.add("before" if not steps else "done" if STEPS in steps else "amid")
            if steps:
                with warnings.catch_warnings():  # the newest one is whole
                    warnings.simplefilter("error")
                    assert RunDir(run).store.load().step == max(steps)
            continue
        assert process.returncode == 0, said.decode()
        assert rows(run) == rows(original)
        assert checkpoint(run, STEPS) == checkpoint(original, STEPS)
        assert not list((run / "ckpt").glob(".tmp-*"))
        if killed >= n:
            break
        k += 1
    assert "amid" in phases


def test_twenty_random_kills(straight, tmp_path, text, environment):
    kill_and_resume(20, straight, tmp_path, text, environment)


@pytest.mark.slow
def test_two_hundred_random_kills(straight, tmp_path, text, environment):
    kill_and_resume(200, straight, tmp_path, text, environment)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)]
)
def test_a_signal_saves_at_the_end_of_the_step(
    straight, tmp_path, text, environment, number, code
):
    original, _ = straight
    run = tmp_path / "run"
    process = subprocess.Popen(
        command(text, tmp_path, "run"),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    metrics = run / "metrics.jsonl"
    while not metrics.exists() or len(metrics.read_bytes().splitlines()) < 10:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.005)
    process.send_signal(number)
    start = time.monotonic()
    _, said = process.communicate(timeout=60)
    assert process.returncode == code, said
    assert time.monotonic() - start < 5.0
    assert f"stopped by {number.name} after step" in said and f"--resume {run}" in said
    stopped = max(r["step"] for r in rows(run))
    assert 10 <= stopped < STEPS
    assert max(RunDir(run).store.steps()) == stopped  # nothing is lost
    finish(again(run), environment)
    assert rows(run) == rows(original)
    assert checkpoint(run, STEPS) == checkpoint(original, STEPS)
