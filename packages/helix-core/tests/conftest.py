"""Fixtures for every folder: fresh interpreters, and throw-away distributions."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from helix_core import plugins
from plugin_kit import Site

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def python() -> Run:
    """``python(code, *args, env={})`` runs a fresh interpreter."""

    def run(
        code: str,
        *args: object,
        env: Mapping[str, str] | None = None,
        timeout: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code, *map(str, args)],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env={**os.environ, **(env or {})},
        )

    return run


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A ``Site`` that this process sees too; environment switches are cleared."""
    root = tmp_path / "site"
    root.mkdir()
    for name in list(os.environ):
        if name.startswith(("HELIX_PLUGIN", "HELIX_DISABLE_PLUGINS", "HELIX_TRACE")):
            monkeypatch.delenv(name)
    monkeypatch.syspath_prepend(str(root))
    plugins.reset()
    yield Site(root)
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(root)):
            del sys.modules[name]
    monkeypatch.undo()
    plugins.reset()
