"""Fixtures: a throw-away distribution, data, and the command in this process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import helix_core as hx
import numpy as np
import pytest
from hammer_kit import PLUGIN, TINY
from helix_core import plugins


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Path:
    """A folder for sys.path with the distribution ``tiny-pkg``."""
    root = tmp_path_factory.mktemp("site")
    (root / "tiny_pkg").mkdir()
    (root / "tiny_pkg" / "__init__.py").write_text("")
    (root / "tiny_pkg" / "parts.py").write_text(TINY)
    (root / "tiny_pkg" / "plugin.py").write_text(PLUGIN)
    info = root / "tiny_pkg-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: tiny-pkg\nVersion: 1.0\n"
    )
    kinds = ("models", "callbacks", "loggers", "schedules")
    lines = [f"[helix.{kind}]\ntiny = tiny_pkg.plugin\n" for kind in kinds]
    (info / "entry_points.txt").write_text("\n".join(lines))
    return root


@pytest.fixture
def tiny(site, monkeypatch) -> Iterator[None]:
    """The distribution is installed in this process."""
    monkeypatch.syspath_prepend(str(site))
    plugins.reset()
    yield
    plugins.reset()


@pytest.fixture(autouse=True)
def on_numpy():
    """Every test starts from the same random state, on the reference backend."""
    with hx.device("numpy"):
        hx.seed(0)
        yield


@pytest.fixture
def text(tmp_path) -> Path:
    """A file of 4000 bytes that a bigram model can learn something about."""
    words = np.random.default_rng(0).choice(["ab", "cd ", "efg\n"], 3000)
    path = tmp_path / "text.txt"
    path.write_bytes("".join(words).encode()[:4000])
    return path


@pytest.fixture
def helix(tiny, capsys):
    """``helix("train", ...) -> (exit code, stdout, stderr)``, in this process."""
    from helix_core.cli import main

    def run(*args: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as e:
            main([str(a) for a in args])
        out, err = capsys.readouterr()
        return e.value.code, out, err

    return run


@pytest.fixture
def environment(site) -> dict[str, str]:
    """For subprocesses."""
    return {**os.environ, "PYTHONPATH": str(site), "PYTHONHASHSEED": "0"}
