"""A device ``programs:0``, and golden texts."""

from pathlib import Path

import helix_core as hx
import pytest
from helix_core import plugins
from helix_core.contracts import BackendSpec
from programs_device import ProgramsBackend

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="session")
def dev():
    if "programs" not in plugins.names("backends"):
        spec = BackendSpec(
            name="programs", factory=ProgramsBackend, kinds=("programs",)
        )
        plugins.register(spec, "backends")
    return hx.Device("programs:0")


@pytest.fixture
def golden():
    """``golden(program)``: its text is what the file says; written where there is none."""

    def check(program):
        path = GOLDEN / f"{program.name}.txt"
        text = f"{program}\n"
        if not path.exists():
            path.write_text(text)
            pytest.fail(f"{path.name} was not there: read it, and run again")
        assert text == path.read_text()

    return check
