"""Helpers of the file tests."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest


@pytest.fixture
def python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """``python(code, *args)`` runs a fresh interpreter."""

    def run(code: str, *args: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code, *map(str, args)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run
