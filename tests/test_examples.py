"""Every example runs, in a short form, and gets as far as that allows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "examples"
# options of the short form, what the output ends with, and the worst that may be read
SHORT = {
    "adding_lstm": ("--steps 400 --length 10", r"test error ([\d.]+)", "<", 0.1),
    "digits_resnet": ("--steps 60", r"accuracy ([\d.]+)", ">", 0.8),
    "digits_sequence": ("--steps 150", r"accuracy ([\d.]+)", ">", 0.6),
    "gpt_bf16": ("--steps 40 --d-model 48", r"bits per byte ([\d.]+)", "<", 5.5),
    "hybrid_stack": (
        "--steps 30 --d-model 32",
        r"bits per byte ([\d.]+), xz [\d.]+",
        "<",
        5.5,
    ),
    "infill_hyena": ("--steps 100", r"completed (\d+) of 100", ">", -1),
    "segment_unet": ("--steps 80 --plot out.png", r"overlap ([\d.]+)", ">", 0.3),
    "whole_step": ("--steps 50", r"at most ([\d.e+-]+) from", "<", 1e-4),
}
PARITY = {"search_minilm"}  # needs weights from a package: tests/parity/test_minilm.py


def examples() -> list[str]:
    return sorted(p.stem for p in FOLDER.glob("*.py"))


@pytest.mark.parametrize("name", SHORT)
def test_it_runs(name, tmp_path):
    options, pattern, better, limit = SHORT[name]
    done = subprocess.run(
        [sys.executable, FOLDER / f"{name}.py", *options.split()],
        cwd=tmp_path,
        env={**os.environ, "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = re.search(pattern, done.stdout)
    assert found, done.stdout
    value = float(found[1])
    assert value < limit if better == "<" else value > limit, done.stdout


def test_every_example_is_run_and_in_the_readme():
    assert sorted({*SHORT, *PARITY}) == examples()
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[(\w+)\.py\]\(examples/\1\.py\) \|", readme, re.M)
    assert sorted(rows) == examples()


@pytest.mark.parametrize("name", examples())
def test_it_says_what_it_does(name):
    text = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
    assert f"python examples/{name}.py" in text.split('"""')[1]
