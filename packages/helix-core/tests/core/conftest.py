"""Every test runs on the NumPy reference, and on ``cpu`` where a faster backend is there.

``HELIX_TEST_DEVICE=cpu`` (or any device, or several with commas) chooses instead.
"""

import os

import helix_core as hx
import pytest


def _devices():
    chosen = os.environ.get("HELIX_TEST_DEVICE")
    if chosen:
        return chosen.split(",")
    faster = any(r.name != "numpy" for r in hx.plugins.providers("cpu"))
    return ["numpy", "cpu"] if faster else ["numpy"]


DEVICES = _devices()


def pytest_report_header(config):
    served = [f"{d} ({hx.Device(d).backend.name})" for d in DEVICES]
    return "helix devices: " + ", ".join(served)


@pytest.fixture(autouse=True, params=DEVICES)
def device(request):
    """The default device of the test."""
    with hx.device(request.param):
        yield hx.Device(request.param)
