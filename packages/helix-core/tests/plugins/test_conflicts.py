"""Two plugins of one name: an error that names both, and a way to choose."""

from __future__ import annotations

import sys
import threading
import warnings

import helix_core as hx
import pytest
from helix_core import plugins
from plugin_kit import BACKEND, HEAD, backend

POINTS = {"backends": {"fast": "plugin"}}


@pytest.fixture
def two(site):
    site.add("acme", POINTS, version="1.1", plugin=backend(), work=BACKEND)
    site.add("bolt", POINTS, version="2.2", plugin=backend(), work=BACKEND)
    return site


def test_asking_for_a_shared_name_names_both_and_the_ways_out(two):
    with pytest.raises(plugins.PluginUnavailable) as e:
        plugins.load("backends", "fast")
    text = str(e.value)
    assert "which is conflict: 'fast' is offered by acme 1.1 and bolt 2.2" in text
    assert "ask for 'acme:fast', or set HELIX_DISABLE_PLUGINS=bolt" in text
    assert "fast" not in plugins.names("backends") and "numpy" in plugins.names(
        "backends"
    )


def test_both_are_listed_and_nothing_is_warned_about(two):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = two.records("backends")
    assert [(r.distribution, r.state) for r in found] == [
        ("acme", "conflict"),
        ("bolt", "conflict"),
    ]
    assert "HELIX_DISABLE_PLUGINS=acme" in found[1].hint


def test_the_distribution_chooses(two):
    assert plugins.load("backends", "acme:fast").__module__ == "acme.work"
    assert plugins.load("backends", "bolt:fast").__module__ == "bolt.work"
    assert plugins.load("backends", "Bolt:fast").__module__ == "bolt.work"
    with pytest.raises(plugins.PluginUnavailable, match="got 'cord:fast'"):
        plugins.load("backends", "cord:fast")


def test_switching_one_off_resolves_it(two, monkeypatch):
    monkeypatch.setenv("HELIX_DISABLE_PLUGINS", "bolt")
    plugins.reset()
    assert plugins.load("backends", "fast").__module__ == "acme.work"


def test_a_broken_namesake_is_no_conflict(site):
    site.add("acme", POINTS, plugin=backend(), work=BACKEND)
    site.add("bolt", POINTS, plugin="1 / 0")
    with pytest.warns(plugins.HelixPluginWarning, match="bolt"):
        assert plugins.load("backends", "fast").__module__ == "acme.work"


def test_a_namesake_that_breaks_when_loaded_gives_way(two):
    (two.root / "acme" / "work.py").write_text("1 / 0")
    with pytest.raises(plugins.PluginUnavailable, match="ZeroDivisionError"):
        plugins.load("backends", "acme:fast")
    assert plugins.load("backends", "fast").__module__ == "bolt.work"


def test_a_device_of_conflicting_backends_says_so(two):
    (two.root / "acme" / "plugin.py").write_text(backend(kinds=("twodev",)))
    (two.root / "bolt" / "plugin.py").write_text(backend(kinds=("twodev",)))
    with pytest.raises(
        hx.DeviceError, match=r"'fast' is offered by acme 1\.1 and bolt 2\.2"
    ):
        hx.Device("twodev:0").backend  # noqa: B018


def test_one_distribution_has_a_name_once(site):
    source = backend() + (
        "@hookimpl(specname='helix_backends')\n"
        "def second():\n"
        "    return BackendSpec(name='fast', kinds=('x',), factory='a.b:c')\n"
    )
    site.add("acme", POINTS, plugin=source, work=BACKEND)
    with pytest.warns(plugins.HelixPluginWarning, match="'fast' is its second record"):
        found = site.records("backends")
    assert [r.state for r in found] == ["available", "broken"]
    assert plugins.load("backends", "fast").__module__ == "acme.work"
    assert [r.state for r in site.records("backends")] == ["loaded", "broken"]


def test_kernels_of_one_op_are_no_conflict(site):
    for name, priority in (("acme", 1), ("bolt", 2)):
        source = HEAD + (
            "@hookimpl\ndef helix_kernels():\n"
            "    return [KernelSpec(op='softmax', backend='b', forward='a.b:c', "
            f"priority={priority})]\n"
        )
        site.add(name, {"kernels": {"k": "plugin"}}, plugin=source)
    assert [r.state for r in site.records("kernels")] == ["available", "available"]


def test_the_order_is_by_distribution_then_entry_then_hook(site):
    source = HEAD + "".join(
        f"@hookimpl(specname='helix_models', tryfirst={n == 'b'})\n"
        f"def {n}():\n    return ModelSpec(name=__name__[0] + '{n}', factory='a.b:c')\n"
        for n in "cab"
    )
    for name in ("zeta", "alpha", "mid"):  # as installed
        points = {"models": {"second": "two", "first": "one"}}
        site.add(name, points, one=source, two=source.replace("[0]", "[0] + '2'"))
    expected = [d + k + n for d in "amz" for k in ("", "2") for n in "abc"]
    assert [r.name for r in site.records("models")] == expected
    plugins.reset()
    assert [r.name for r in site.records("models")] == expected


def test_the_copy_that_python_finds_first_is_the_one(site, tmp_path, monkeypatch):
    from plugin_kit import Site

    site.add("acme", POINTS, version="1.0", plugin=backend("old"))
    other = tmp_path / "first"
    other.mkdir()
    monkeypatch.syspath_prepend(str(other))
    Site(other).add("acme", POINTS, version="2.0", plugin=backend("new"))
    assert [(r.name, r.version) for r in site.records("backends")] == [("new", "2.0")]
    for name in ("acme", "acme.plugin"):
        sys.modules.pop(name, None)


def test_threads_import_a_plugin_once(site):
    work = (
        "import time\ntime.sleep(0.2)\ncount = globals().get('count', 0) + 1\n"
        + BACKEND
    )
    light = "import time\ntime.sleep(0.2)\n" + backend()
    site.add("acme", POINTS, plugin=light, work=work)
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(plugins.load("backends", "fast")))
        for _ in range(8)
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(found) == 8 and len(set(found)) == 1
    assert sys.modules["acme.work"].count == 1
