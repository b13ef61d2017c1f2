"""Devices ``programs:0`` (as a CPU) and ``groups:0`` (as a GPU), and golden texts."""

from pathlib import Path

import helix_core as hx
import pytest
from helix_core import plugins
from helix_core.contracts import BackendSpec
from programs_device import GroupsBackend, ProgramsBackend

GOLDEN = Path(__file__).parent / "golden"


def _device(backend):
    name = backend.name
    if name not in plugins.names("backends"):
        spec = BackendSpec(name=name, factory=backend, kinds=(name,))
        plugins.register(spec, "backends")
    return hx.Device(f"{name}:0")


@pytest.fixture(scope="session")
def dev():
    return _device(ProgramsBackend)


@pytest.fixture(scope="session", params=[ProgramsBackend, GroupsBackend])
def either(request):
    """Where programs are laid out in two ways."""
    return _device(request.param)


@pytest.fixture
def golden():
    """``golden(program)``: its text is what the file says; written where there is none."""

    def check(program, what=""):
        path = GOLDEN / f"{program.name}{what}.txt"
        text = f"{program}\n"
        if not path.exists():
            path.write_text(text)
            pytest.fail(f"{path.name} was not there: read it, and run again")
        assert text == path.read_text()

    return check
