"""Without JAX only ``test_xla_probe.py`` runs here, and says what is missing."""

import pytest
from helix_hal.xla.probe import probe

collect_ignore = (
    [] if probe() is True else ["test_xla_plans.py", "test_xla_primitives.py"]
)


@pytest.fixture
def dev():
    import helix_core as hx

    return hx.Device("xla:0")
