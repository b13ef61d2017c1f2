"""These tests run under numba's CUDA simulator: ``NUMBA_ENABLE_CUDASIM=1 pytest ...``."""

from __future__ import annotations

import os

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.environ.get("NUMBA_ENABLE_CUDASIM") == "1":
        return
    mark = pytest.mark.skip(
        reason="backend cuda: no simulator (NUMBA_ENABLE_CUDASIM=1)"
    )
    for item in items:
        if "simulated" in item.keywords:
            item.add_marker(mark)
