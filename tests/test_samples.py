"""Distributions that strangers could have written: the pages that build them are true.

Each page shows every file of a distribution in ``tests/fixtures``; here it is built,
installed beside ours, and the page's example runs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_docs import NAMED_FENCE, ROOT, SAMPLES, fences, run_example

FIXTURES = ROOT / "tests" / "fixtures"
CASES = [(page, FIXTURES / name) for page, name in SAMPLES.items()]
IDS = [page.stem for page, _ in CASES]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """All of them, installed into one folder."""
    to = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    where = ["--no-build-isolation", "--target", str(to)]
    subprocess.run([*pip, *where, *[str(f) for _, f in CASES]], check=True)
    return to


def rows(site: Path, kind: str) -> list[dict[str, str]]:
    done = subprocess.run(
        [Path(sys.executable).with_name("helix"), "plugins", "--kind", kind, "--json"],
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize(("page", "folder"), CASES, ids=IDS)
def test_the_page_shows_every_file_as_it_is(page, folder):
    shown = dict(NAMED_FENCE.findall(page.read_text(encoding="utf-8")))
    files = {
        p.relative_to(folder).as_posix(): p.read_text(encoding="utf-8")
        for p in folder.rglob("*")
        if p.is_file() and p.suffix in (".py", ".toml")
    }
    assert shown == files


@pytest.mark.parametrize(("page", "folder"), CASES, ids=IDS)
def test_the_pages_example_runs(page, folder, site, tmp_path):
    run_example(fences(page, "python")[-1], tmp_path, PYTHONPATH=str(site))


@pytest.mark.parametrize(
    ("kind", "name"),
    [("layers", "min_gru"), ("optimizers", "lion"), ("backends", "c99")],
)
def test_they_are_listed_with_their_distribution(kind, name, site):
    (row,) = [r for r in rows(site, kind) if r["name"] == name]
    kind = kind.removesuffix("s")
    assert row["distribution"] == f"helix-sample-{kind}"
    assert row["state"] == "available" and row["version"] == "0.1.0"


def train(site: Path, folder: Path, *args: str) -> dict[str, object]:
    data = folder / "data.txt"
    data.write_bytes(b"the quick brown fox jumps over the lazy dog. " * 400)
    done = subprocess.run(
        [
            Path(sys.executable).with_name("helix"),
            *("train", "--data", data, "--steps", "60", "--length", "32", "--json"),
            *("--runs-dir", folder / "runs", *args),
        ],
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_strangers_layer_trains_in_a_stack(site, tmp_path):
    args = ["--model", "stack_lm", "--set", "pattern=min_gru*2", "--d-model", "32"]
    assert train(site, tmp_path, *args)["bits_per_byte"] < 4.5


def test_a_strangers_optimizer_trains_a_model(site, tmp_path):
    args = ["--optimizer", "lion", "--lr", "5e-3", "--d-model", "32"]
    result = train(site, tmp_path, *args, "--n-layers", "1")
    assert result["bits_per_byte"] < 4.5
    config = json.loads((tmp_path / "runs/train/config.json").read_text())
    assert config["optimizer"]["name"] == "lion"


def test_a_strangers_backend_imports_no_backend_of_ours():
    folder = FIXTURES / "helix-sample-backend" / "src"
    sources = [p.read_text(encoding="utf-8") for p in folder.rglob("*.py")]
    text = "\n".join(sources)
    ours = ("reference", "hal.cpu", "hal.opencl", "hal.webgpu", "hal.cuda", "hal.torch")
    assert not [name for name in (*ours, "hal.xla") if f"helix_{name}" in text]
    assert len(text.splitlines()) <= 250


def test_a_strangers_backend_passes_the_kit(site, tmp_path):
    """Every section but two long ones; `nox -s third_party` runs all of them."""
    report = tmp_path / "kit.json"
    sections = "not dtypes and not composites"
    command = [sys.executable, "-m", "helix_hal.testing", "--backend", "c99"]
    done = subprocess.run(
        [*command, "--json", str(report), "-k", sections],
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert json.loads(report.read_text())["totals"]["passed"] > 1000
