"""A device ``loop:0``, whose programs are interpreted on the host."""

import helix_core as hx
import pytest
from helix_core import plugins
from helix_core.contracts import BackendSpec


@pytest.fixture(scope="session")
def dev():
    if "loop" not in plugins.names("backends"):
        factory = "helix_hal.loop.host:HostBackend"
        spec = BackendSpec(name="loop", factory=factory, kinds=("loop",))
        plugins.register(spec, "backends")
    return hx.Device("loop:0")
