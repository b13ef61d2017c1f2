"""Every test runs on the NumPy reference, and on ``cpu`` where a faster backend is."""

import os

import helix_core as hx
import pytest


def _devices():
    chosen = os.environ.get("HELIX_TEST_DEVICE")
    if chosen:
        return chosen.split(",")
    faster = any(r.name != "numpy" for r in hx.plugins.providers("cpu"))
    return ["numpy", "cpu"] if faster else ["numpy"]


@pytest.fixture(autouse=True, params=_devices(), scope="module")
def device(request):
    """The default device of the module's tests."""
    with hx.device(request.param):
        yield hx.Device(request.param)
