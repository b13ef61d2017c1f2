"""Contract versions and requirements are checked before anything heavy is imported."""

from __future__ import annotations

import warnings

import pytest
from helix_core import __version__, plugins
from helix_core.contracts import BackendSpec, _specs
from plugin_kit import BACKEND, backend

POINTS = {"backends": {"fast": "plugin"}}


def only(site):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        [record] = site.records("backends")
    return record, [str(w.message) for w in seen]


@pytest.fixture
def contract_1_3(monkeypatch):
    monkeypatch.setitem(_specs.CONTRACTS, "backends", (1, 3))


@pytest.mark.parametrize("version", [(1, 0), (1, 2), (1, 3)])
def test_the_same_major_and_an_older_minor_fit(site, contract_1_3, version):
    site.add("acme", POINTS, plugin=backend(contract=version), work=BACKEND)
    record, texts = only(site)
    assert record.state == "available" and texts == []
    assert plugins.load("backends", "fast").name == "fast"


@pytest.mark.parametrize(
    "version, upgrade",
    [((1, 4), "helix-core"), ((2, 0), "helix-core"), ((0, 9), "acme-fast")],
)
def test_others_are_refused_with_found_supported_and_the_ways_out(
    site, contract_1_3, version, upgrade
):
    light = backend(contract=version)
    site.add(
        "acme-fast", POINTS, version="2.5", plugin=light, work="raise AssertionError"
    )
    record, [text] = only(site)
    assert record.state == "incompatible" and record.name == "fast"
    with pytest.raises(plugins.PluginUnavailable) as e:
        plugins.load("backends", "fast")
    for said in (text, str(e.value)):
        assert "acme-fast 2.5" in said and "which is incompatible" in said
        major, minor = version
        assert f"written for version {major}.{minor} of the backends contract" in said
        assert f"helix-core {__version__} supports 1.0 to 1.3" in said
        assert f"pip install -U {upgrade}, or HELIX_DISABLE_PLUGINS=acme-fast" in said
    assert "Usable backends: " in str(e.value)


def test_an_incompatible_backend_serves_no_device(site):
    light = backend(kinds=("cpu",), priority=10**6, contract=(9, 0))
    site.add("acme", POINTS, plugin=light)
    only(site)
    assert "fast" not in [r.name for r in plugins.providers("cpu")]


# ------------------------------------------------------------------------- requirements
UNMET = {
    "helix-core>=99": f"it requires helix-core>=99; helix-core {__version__} is installed",
    "helix-core<0.1": f"it requires helix-core<0.1; helix-core {__version__} is installed",
    "no-such-package>=2": "it requires no-such-package>=2, which is not installed",
    "numpy<1": "it requires numpy<1; numpy ",
    "numpy (<1)": "it requires numpy<1; numpy ",
    "numpy>=1,<1.5; python_version >= '3'": "it requires numpy<1.5,>=1",
}


@pytest.mark.parametrize("requirement", UNMET)
def test_an_unmet_requirement_is_named_before_any_import(site, requirement):
    requires = ("numpy", requirement)
    site.add(
        "acme", POINTS, requires=requires, plugin="raise AssertionError('imported')"
    )
    record, [text] = only(site)
    assert record.state == "incompatible"
    assert record.reason.startswith(UNMET[requirement])
    assert record.reason in text and "pip install -U acme" in text
    with pytest.raises(
        plugins.PluginUnavailable, match=r"'fast' of acme 1\.0, which is inco"
    ):
        plugins.get("backends", "fast")


@pytest.mark.parametrize(
    "requirement",
    [
        "helix-core>=0.1,<0.2",
        "helix_core",
        "numpy!=0.1.*",
        "no-such-package; extra == 'gpu'",
        "no-such-package; python_version < '3'",
        "a requirement that nobody can read",
    ],
)
def test_met_optional_and_unreadable_requirements_do_not_stop_it(site, requirement):
    site.add("acme", POINTS, requires=(requirement,), plugin=backend())
    record, texts = only(site)
    assert record.state == "available" and texts == []


# ----------------------------------------------------------------- records of this process
def test_a_record_can_be_registered_and_is_checked_alike(site):
    spec = BackendSpec(name="mine", factory="fractions:Fraction", kinds=("mine",))
    record = plugins.register(spec, "backends")
    assert record.state == "available" and record.entry == "register()"
    assert plugins.get("backends", "mine") == record
    assert plugins.load("backends", "mine").__name__ == "Fraction"
    assert plugins.get("backends", "this process:mine").state == "loaded"


@pytest.mark.parametrize(
    "spec, kind, message",
    [
        (BackendSpec(name="numpy", factory="a:b"), "backends", "'numpy', which exists"),
        (
            BackendSpec(name="x", factory="a:b", contract=(2, 0)),
            "backends",
            "version 2.0",
        ),
        (BackendSpec(name="x"), "backends", "expected factory="),
        (BackendSpec(name="x", factory="a:b"), "models", "expected ModelSpec records"),
        (
            BackendSpec(name="x", factory="a:b"),
            "backend",
            "expected a kind of backends",
        ),
        ("x", "backends", "expected BackendSpec records; got 'x'"),
    ],
)
def test_what_does_not_fit_is_not_registered(site, spec, kind, message):
    with pytest.raises(plugins.PluginError, match=message):
        plugins.register(spec, kind)
    assert "x" not in plugins.names("backends")


def test_a_name_is_registered_once(site):
    spec = BackendSpec(name="mine", factory="a:b")
    plugins.register(spec, "backends")
    with pytest.raises(plugins.PluginError, match="expected a new name for a backend"):
        plugins.register(spec, "backends")
