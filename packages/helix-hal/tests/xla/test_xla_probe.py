"""Whether the backend is here, asked without importing JAX."""

import importlib.machinery
import subprocess
import sys

import pytest
from helix_hal.xla import probe as module

WHY = module.probe()


@pytest.mark.skipif(WHY is not True, reason=f"xla is not tested: {WHY}")
def test_it_is_here():
    import jax

    assert jax.devices()


@pytest.mark.parametrize("missing", [("jax",), ("jaxlib",), ("jax", "jaxlib")])
def test_what_is_missing_is_said(missing, monkeypatch):
    spec = importlib.machinery.ModuleSpec("some", None)
    monkeypatch.setattr(
        module, "find_spec", lambda name: None if name in missing else spec
    )
    said = module.probe()
    assert " and ".join(missing) + " not installed" in said
    assert "pip install 'helix-hal[xla]'" in said


def test_listing_backends_imports_no_jax():
    code = (
        "import sys; from helix_core import plugins;"
        "print([r.state for r in plugins.records('backends') if r.name == 'xla']);"
        "assert 'jax' not in sys.modules"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("['")
