"""HELIX_PLUGINS, HELIX_DISABLE_PLUGINS, HELIX_PLUGIN_STRICT, HELIX_TRACE=plugins."""

from __future__ import annotations

import re
import sys

import pytest
from helix_core import plugins
from plugin_kit import BACKEND, HEAD, MODEL, backend

POINTS = {"backends": {"fast": "plugin"}}


@pytest.fixture
def two(site):
    site.add("acme-one", {"backends": {"one": "plugin"}}, plugin=backend("one"))
    site.add("acme_two", {"backends": {"two": "plugin"}}, plugin=backend("two"))
    return site


def states(site):
    plugins.reset()
    return {r.name: r.state for r in site.records("backends")}


@pytest.mark.parametrize(
    "value, on",
    [
        ("", []),
        (" , ", []),
        ("acme-one", ["one"]),
        ("Acme_One, acme-two", ["one", "two"]),
        ("acme.two", ["two"]),
        ("two", ["two"]),
        ("acme-one:one", ["one"]),
        ("acme-one:two", []),
        ("nobody", []),
    ],
)
def test_only_what_helix_plugins_names_is_imported(two, monkeypatch, value, on):
    monkeypatch.setenv("HELIX_PLUGINS", value)
    found = states(two)
    assert [n for n, s in found.items() if s == "available"] == on
    assert {s for s in found.values()} <= {"available", "disabled"}
    assert [n for n in ("one", "two") if f"acme_{n}.plugin" in sys.modules] == on
    assert "numpy" in plugins.names("backends")  # core's own stay


@pytest.mark.parametrize(
    "value, on",
    [
        ("", ["one", "two"]),
        ("acme-one", ["two"]),
        ("acme_one,ACME-TWO", []),
        ("one", ["two"]),
        ("acme-two:two", ["one"]),
        ("nobody", ["one", "two"]),
    ],
)
def test_what_is_disabled_is_listed_and_not_imported(two, monkeypatch, value, on):
    monkeypatch.setenv("HELIX_DISABLE_PLUGINS", value)
    found = states(two)
    assert [n for n, s in found.items() if s == "available"] == on
    assert [n for n in ("one", "two") if f"acme_{n}.plugin" in sys.modules] == on


def test_asking_for_a_disabled_one_says_which_switch(two, monkeypatch):
    monkeypatch.setenv("HELIX_DISABLE_PLUGINS", "acme-one")
    plugins.reset()
    message = "'one' of acme-one 1.0, which is disabled: HELIX_DISABLE_PLUGINS names it"
    with pytest.raises(plugins.PluginUnavailable, match=message):
        plugins.load("backends", "one")
    monkeypatch.setenv("HELIX_PLUGINS", "")
    plugins.reset()
    with pytest.raises(
        plugins.PluginUnavailable, match="HELIX_PLUGINS does not name it"
    ):
        plugins.load("backends", "two")


@pytest.mark.parametrize(
    "source",
    ["1 / 0", backend(contract=(7, 0)), HEAD + "@hookimpl\ndef helix_x(): ..."],
)
def test_strict_raises_what_would_be_a_warning(site, monkeypatch, source):
    monkeypatch.setenv("HELIX_PLUGIN_STRICT", "1")
    site.add("acme", POINTS, plugin=source)
    with pytest.raises(plugins.PluginError, match=r"of acme 1\.0, which is "):
        plugins.records("backends")
    monkeypatch.setenv("HELIX_PLUGIN_STRICT", "0")
    with pytest.warns(plugins.HelixPluginWarning):
        plugins.records("backends")


def test_trace_says_what_is_imported_loaded_and_how_long(site, monkeypatch, capsys):
    monkeypatch.setenv("HELIX_TRACE", "kernels, plugins")
    site.add("acme", POINTS, version="3.1", plugin=backend(), work=BACKEND)
    plugins.load("backends", "fast")
    said = capsys.readouterr().err.splitlines()
    mine = [line for line in said if "acme" in line]
    assert mine[0] == "[plugins] importing acme.plugin of acme 3.1"
    assert re.fullmatch(
        r"\[plugins\] acme.plugin of acme 3.1 took 0\.\d+ s, 1 records", mine[1]
    )
    assert mine[2] == "[plugins] loading acme.work:Backend of acme 3.1"
    assert len(mine) == 3


def test_without_trace_nothing_is_said(site, capsys):
    site.add("acme", POINTS, plugin=backend(), work=BACKEND)
    plugins.load("backends", "fast")
    assert capsys.readouterr() == ("", "")


def test_a_slow_plugin_is_named_with_its_time_and_delays_its_kind_only(
    site, monkeypatch, capsys
):
    monkeypatch.setenv("HELIX_TRACE", "plugins")
    slow = "import time\ntime.sleep(0.5)\n" + backend("slow")
    site.add("acme-slow", {"backends": {"slow": "plugin"}}, plugin=slow)
    site.add("bolt", POINTS, plugin=backend())
    site.add("cord", {"models": {"m": "plugin"}}, plugin=MODEL)
    assert [r.name for r in site.records("models")] == ["m"]
    assert "acme_slow" not in sys.modules
    assert plugins.get("backends", "bolt:fast").name == "fast"
    assert "acme_slow" not in sys.modules
    found = {r.name: r for r in site.records("backends")}
    assert found["slow"].state == found["fast"].state == "available"
    assert found["slow"].seconds >= 0.5 > found["fast"].seconds
    assert found["slow"].as_dict()["seconds"] >= 0.5
    said = capsys.readouterr().err
    assert re.search(r"acme_slow\.plugin of acme-slow 1\.0 took 0\.[5-9]", said)


def test_threads_that_ask_for_another_kind_do_not_wait_for_a_slow_one(site):
    import threading
    import time

    slow = "import time\ntime.sleep(3)\n" + backend("slow")
    site.add("acme-slow", {"backends": {"slow": "plugin"}}, plugin=slow)
    site.add("cord", {"models": {"m": "plugin"}}, plugin=MODEL)
    waiting = threading.Thread(target=plugins.records, args=("backends",))
    waiting.start()
    start = time.perf_counter()
    assert [r.name for r in site.records("models")] == ["m"]
    assert time.perf_counter() - start < 2 and waiting.is_alive()
    waiting.join()
