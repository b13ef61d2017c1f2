"""Asking for one kind imports no other; listing imports nothing heavy."""

from __future__ import annotations

import sys

import pytest
from helix_core import plugins
from helix_core.contracts import _specs
from plugin_kit import BACKEND, MODEL, backend

HEAVY = ("torch", "numba", "pyopencl", "jax", "scipy", "matplotlib")
EDGES = ("pydantic", "rich", "click", "safetensors", "pluggy", "packaging")
EDGES += ("importlib.metadata", "platformdirs", "asyncio")


def test_one_kind_imports_no_other(site):
    points = {"backends": {"fast": "one"}, "models": {"m": "two"}}
    site.add("acme", points, one=backend(), two=MODEL, work=BACKEND)
    assert plugins.get("models", "m").name == "m"
    assert "acme.one" not in sys.modules
    plugins.records()
    assert "acme.one" in sys.modules and "acme.work" not in sys.modules
    plugins.load("backends", "fast")
    assert "acme.work" in sys.modules


def test_a_light_module_is_imported_once_and_its_hook_called_once(site):
    light = backend() + "calls = []\n"
    light = light.replace("    return [", "    calls.append(1)\n    return [")
    site.add("acme", {"backends": {"fast": "plugin"}}, plugin=light, work=BACKEND)
    for _ in range(3):
        plugins.records("backends")
        plugins.names("backends")
        plugins.load("backends", "fast")
    assert sys.modules["acme.plugin"].calls == [1]


def test_a_hook_that_asks_for_its_own_kind_sees_nothing_of_itself(site):
    light = backend().replace(
        "def helix_backends():\n",
        "def helix_backends():\n"
        "    from helix_core import plugins\n"
        "    global seen\n"
        "    seen = plugins.names('backends')\n",
    )
    site.add("acme", {"backends": {"fast": "plugin"}}, plugin=light)
    assert "fast" in plugins.names("backends")
    assert "fast" not in sys.modules["acme.plugin"].seen


def test_kinds_are_known(site):
    with pytest.raises(
        plugins.PluginError, match=r"expected a kind of backends, .*'x'"
    ):
        plugins.records("x")
    for kind in _specs.CONTRACTS:
        assert isinstance(plugins.records(kind), list)


def test_a_kind_that_this_core_has_no_hook_for_is_listed(site):
    text = "[helix.stores]\ns3 = acme.plugin\n[helix.modls]\nm = acme.plugin\n"
    site.add("acme", text, plugin="raise AssertionError('imported')")
    [store] = site.records("stores")
    assert store.state == "unsupported" and "has no hook for stores" in store.reason
    assert store.hint == "pip install -U helix-core"
    [strange] = [r for r in plugins.records() if r.kind == "modls"]
    assert strange.state == "broken" and strange.hint == "did you mean helix.models?"


def test_an_unknown_name_is_answered_with_the_nearest(site):
    with pytest.raises(plugins.PluginUnavailable) as e:
        plugins.get("backends", "nunpy")
    assert "expected a backend that is installed; got 'nunpy'" in str(e.value)
    assert "did you mean 'numpy'?" in str(e.value)


def test_an_unknown_name_lists_what_might_have_had_it(site):
    site.add("acme", {"models": {"all": "plugin"}}, plugin="1 / 0")
    with (
        pytest.warns(plugins.HelixPluginWarning),
        pytest.raises(
            plugins.PluginUnavailable,
            match=r"'all = acme.plugin' of acme 1.0 is broken: Zero",
        ),
    ):
        plugins.load("models", "big")


# ---------------------------------------------------------------------- fresh processes
SEEN = "import sys; print([m for m in sys.argv[1:] if m in sys.modules])"


def test_importing_core_imports_nothing_heavy_and_no_edge(python):
    done = python(f"import helix_core\n{SEEN}", *HEAVY, *EDGES)
    assert done.stdout.strip() == "[]", done.stderr


def test_using_numpy_tensors_imports_nothing_heavy(python):
    code = (
        "import helix_core as hx\n"
        "x = hx.tensor([1.0], device='numpy')\n"
        "(x + x).tolist()\n"
    )
    done = python(code + SEEN, *HEAVY, "pydantic", "rich", "click", "safetensors")
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize(
    "arguments", [["plugins"], ["plugins", "--json"], ["--help"], []]
)
def test_listing_imports_nothing_heavy(python, arguments):
    code = f"""
import sys
sys.argv = ["helix", *{arguments}]
from helix_core.cli import main
try:
    main()
except SystemExit as e:
    assert e.code == 0, e.code
print([m for m in {(*HEAVY, "pydantic", "safetensors")} if m in sys.modules], "seen")
"""
    done = python(code)
    assert done.stdout.strip().endswith("[] seen"), done.stdout + done.stderr


def test_importing_core_costs_little_over_numpy(python):
    code = (
        "import time, numpy; t = time.perf_counter(); import helix_core; "
        "print(time.perf_counter() - t)"
    )
    best = min(float(python(code).stdout) for _ in range(3))
    assert best < 0.5  # 0.05 on an idle machine; `nox -s bench -- spine` measures it
