"""Every kind has a documented hook, a record type, and an example that runs."""

from __future__ import annotations

import doctest
import inspect
from importlib import import_module

import pluggy
import pytest
from helix_core import contracts, plugins
from helix_core.contracts import _specs
from helix_core.reference.backend import NumpyBackend


@pytest.mark.parametrize("kind", _specs.SPECS)
def test_a_hookspec_says_all_that_an_author_needs(kind):
    module = import_module(f"helix_core.hookspecs.{kind}")
    hook = getattr(module, f"helix_{kind}")
    text = inspect.getdoc(hook)
    for section in ("Called", "Results", "Errors", "Threading", "Since", "Examples"):
        assert f"\n{section}\n" in text, section
    assert text.splitlines()[0].endswith(".")
    assert list(inspect.signature(hook).parameters) == []


@pytest.mark.parametrize("kind", _specs.SPECS)
def test_its_example_runs_and_is_a_valid_plugin(kind):
    module = import_module(f"helix_core.hookspecs.{kind}")
    hook = getattr(module, f"helix_{kind}")
    [test] = doctest.DocTestFinder(recurse=False).find(hook, globs={})
    runner = doctest.DocTestRunner()
    runner.run(test, clear_globs=False)
    assert runner.tries > 0 and runner.failures == 0
    implementation = test.globs[f"helix_{kind}"]
    pm = pluggy.PluginManager("helix")
    pm.add_hookspecs(module)
    pm.register(type("Plugin", (), {f"helix_{kind}": staticmethod(implementation)}))
    pm.check_pending()
    [specs] = getattr(pm.hook, f"helix_{kind}")()
    assert [type(s) for s in specs] == [_specs.SPECS[kind]]
    plugins.reset()
    plugins.register(specs[0], kind)
    plugins.reset()


def test_every_spec_has_a_contract_and_a_frozen_record():
    assert set(_specs.SPECS) <= set(_specs.CONTRACTS)
    for spec in _specs.SPECS.values():
        assert spec.__dataclass_params__.frozen and "__slots__" in vars(spec)


def test_the_numpy_backend_has_every_member_of_the_protocol():
    members = {n for n in vars(contracts.Backend) if not n.startswith("_")}
    assert members >= {"lowerings", "kernels", "devices", "from_host", "compile"}
    backend = NumpyBackend()
    assert [n for n in members if not hasattr(backend, n)] == []


def test_hookimpl_is_pluggys_marker():
    assert isinstance(plugins.hookimpl, pluggy.HookimplMarker)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        plugins.nothing  # noqa: B018
