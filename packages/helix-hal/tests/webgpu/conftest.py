"""These tests need a WebGPU adapter; without one they are skipped with the reason."""

import pytest
from helix_hal.webgpu.adapters import find, probe

WHY = probe()
collect_ignore_glob = [] if WHY is True else ["test_*.py"]


def pytest_report_header(config):
    return None if WHY is True else f"webgpu: not tested, because {WHY}"


@pytest.fixture(scope="session")
def dev():
    import helix_core as hx

    return hx.Device(f"{find().adapters[0][0]}:0")


@pytest.fixture(scope="session")
def device(dev):
    """The `WebGpuDevice` behind the first adapter."""
    return dev.backend.engine(dev).device
