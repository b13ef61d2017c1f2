"""The demo's model trains to the same losses on every device, from the same random bits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from helix_core import plugins

HELIX = Path(sys.executable).with_name("helix")
TEXT = b"the quick brown fox jumps over the lazy dog, and back again. " * 300
SMALL = ["--d-model", "32", "--n-layers", "2", "--length", "32", "--batch", "4"]
TINY = ["--d-model", "16", "--n-layers", "1", "--length", "16", "--batch", "1"]


def losses(folder: Path, device: str, steps: int, shape: list[str]) -> list[float]:
    data = folder / "text"
    data.write_bytes(TEXT[:660] if shape is TINY else TEXT)
    name = device.replace(":", "-")
    command = [HELIX, "train", "--data", data, "--device", device, "--name", name]
    command += ["--steps", str(steps), "--runs-dir", folder, "--json", *shape]
    env = dict(os.environ)
    if device == "cuda:0":
        env["NUMBA_ENABLE_CUDASIM"] = "1"
    done = subprocess.run(
        [str(c) for c in command], capture_output=True, text=True, check=False, env=env
    )
    assert done.returncode == 0, done.stderr[-3000:]
    rows = (folder / name / "metrics.jsonl").read_text().splitlines()
    found = [json.loads(r) for r in rows]
    return [r["loss"] for r in found if "loss" in r]


def missing(backend: str) -> str:
    """Why a backend is not there; empty if it is."""
    (record,) = [r for r in plugins.records("backends") if r.name == backend]
    return "" if record.usable else f"backend {backend}: {record.reason}"


@pytest.mark.parametrize(
    ("backend", "device"),
    [
        ("numpy", "numpy"),
        ("opencl", "opencl:0"),
        ("webgpu", "vulkan:0"),
        ("torch", "torch:cpu"),
        ("xla", "xla:0"),
    ],
)
def test_twenty_steps_have_the_cpus_losses(backend, device, tmp_path):
    if why := missing(backend):
        pytest.skip(why)
    want = losses(tmp_path, "cpu", 20, SMALL)
    got = losses(tmp_path, device, 20, SMALL)
    assert len(got) == len(want) >= 2
    assert got == pytest.approx(want, rel=1e-3)
    assert want[-1] < want[0]


@pytest.mark.slow  # five minutes: the simulator runs one thread of a kernel at a time
def test_three_steps_under_the_cuda_simulator(tmp_path):
    pytest.importorskip("numba_cuda", reason="backend cuda: pip install numba-cuda")
    want = losses(tmp_path, "cpu", 3, TINY)
    assert losses(tmp_path, "cuda:0", 3, TINY) == pytest.approx(want, rel=1e-3)
