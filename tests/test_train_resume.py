"""The main job with what it really uses: a Mamba on the CPU backend, killed and resumed."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-c", "from helix_core.cli import main; main()", "train"]
TIMES = ("seconds", "bytes_per_s")


def arguments(runs: Path, name: str, data: Path) -> list[str]:
    options = {
        "data": data,
        "runs-dir": runs,
        "name": name,
        "steps": 40,
        "d-model": 32,
        "n-layers": 2,
        "batch": 2,
        "length": 64,
        "accumulate": 2,
        "ema": 0.9,
        "eval-every": 10,
        "save-every": 3,
    }
    return [*COMMAND, *(f"--{k}={v}" for k, v in options.items())]


def metrics(run: Path) -> list[dict]:
    lines = (run / "metrics.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    return [{k: v for k, v in r.items() if k not in TIMES} for r in found]


def files(run: Path) -> dict[str, bytes]:
    folder = run / "ckpt" / "step_00000040"
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def straight(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("straight")
    (root / "text").write_text("def f(x):\n    return x + 1\n\n" * 400)
    subprocess.run(arguments(root, "run", root / "text"), check=True, timeout=300)
    return root / "run"


@pytest.mark.parametrize("rows", [1, 12, 33])
def test_killed_and_resumed(straight, tmp_path, rows):
    run = tmp_path / "run"
    process = subprocess.Popen(
        arguments(tmp_path, "run", straight.parent / "text"), stderr=subprocess.DEVNULL
    )
    path = run / "metrics.jsonl"
    while not path.exists() or len(path.read_bytes().splitlines()) < rows:
        assert process.poll() is None
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    subprocess.run([*COMMAND, "--resume", str(run)], check=True, timeout=300)
    assert metrics(run) == metrics(straight)
    assert files(run) == files(straight)
