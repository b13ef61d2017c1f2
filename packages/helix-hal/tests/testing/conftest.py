"""Backends of these tests, registered for each and gone afterwards."""

from __future__ import annotations

from collections.abc import Iterator

import bad_backends
import helix_core as hx
import pytest
from helix_core import plugins


@pytest.fixture(scope="module", autouse=True)
def registered() -> Iterator[None]:
    for spec in bad_backends.specs():
        plugins.register(spec, "backends")
    yield
    plugins.reset()
    for name in bad_backends.BACKENDS:
        hx.Device(f"{name}:0").forget()
