"""These tests need torch; without it they are skipped with the reason."""

import pytest
from helix_hal.torch.probe import probe

WHY = probe()
collect_ignore_glob = [] if WHY is True else ["test_*.py"]


def pytest_report_header(config):
    return None if WHY is True else f"torch: not tested, because {WHY}"


@pytest.fixture
def dev():
    import helix_core as hx

    return hx.Device("torch:cpu")
