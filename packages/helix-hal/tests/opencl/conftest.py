"""These tests need an OpenCL driver; without one they are skipped with the reason."""

import pytest
from helix_hal.opencl.drivers import probe

WHY = probe()
collect_ignore_glob = [] if WHY is True else ["test_*.py"]


def pytest_report_header(config):
    return None if WHY is True else f"opencl: not tested, because {WHY}"


@pytest.fixture(scope="session")
def dev():
    import helix_core as hx

    return hx.Device("opencl:0")


@pytest.fixture(scope="session")
def device(dev):
    """The `OpenClDevice` behind ``opencl:0``."""
    return dev.backend.engine(dev).device
