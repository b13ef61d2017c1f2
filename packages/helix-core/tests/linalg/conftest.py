"""Every test runs on the NumPy reference, and on ``cpu`` where a faster backend is."""

import sys
from pathlib import Path

import helix_core as hx
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))  # gradcheck, minimal


def _devices():
    faster = any(r.name != "numpy" for r in hx.plugins.providers("cpu"))
    return ["numpy", "cpu"] if faster else ["numpy"]


@pytest.fixture(autouse=True, params=_devices())
def device(request):
    """The default device of the test."""
    with hx.device(request.param):
        yield hx.Device(request.param)
