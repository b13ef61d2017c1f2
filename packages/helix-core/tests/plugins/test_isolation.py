"""A plugin that fails loses itself only, is named once, and says why when asked for."""

from __future__ import annotations

import warnings

import helix_core as hx
import pytest
from helix_core import plugins
from plugin_kit import BACKEND, HEAD, backend

POINTS = {"backends": {"bad": "plugin"}}


def good(site):
    site.add("acme-good", {"backends": {"good": "plugin"}}, plugin=backend("good"))


def warned(site, kind="backends"):
    """Records of a kind, and the text of the warnings that getting them gave."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        found = site.records(kind)
        site.records(kind)
    assert all(w.category is plugins.HelixPluginWarning for w in seen)
    return found, [str(w.message) for w in seen]


BROKEN = {
    "missing module": ("import does_not_exist", "ModuleNotFoundError: No module named"),
    "syntax": ("def (", "SyntaxError"),
    "exit": ("import sys\nsys.exit('bye')", "SystemExit: bye"),
    "exit 0": ("raise SystemExit(0)", "SystemExit: 0"),
    "any error": ("1 / 0", "ZeroDivisionError: division by zero"),
    "no hook": ("x = 1", "expected a function helix_backends decorated with @hookimpl"),
    "not decorated": (
        "def helix_backends():\n    return []",
        "expected a function helix_backends decorated with @hookimpl",
    ),
    "unknown hook": (
        HEAD + "@hookimpl\ndef helix_bakends():\n    return []",
        "unknown hook 'helix_bakends', did you mean 'helix_backends'?",
    ),
    "extra argument": (
        HEAD + "@hookimpl\ndef helix_backends(config):\n    return []",
        "{'config'} are declared in the hookimpl but can not be found in the hookspec",
    ),
    "invalid second hookimpl": (
        backend("bad") + "@hookimpl\ndef helix_models(config):\n    return []",
        "{'config'} are declared in the hookimpl but can not be found in the hookspec",
    ),
    "hook raises": (
        HEAD + "@hookimpl\ndef helix_backends():\n    raise KeyError('lost')",
        "helix_backends() raised KeyError: 'lost'",
    ),
    "hook exits": (
        HEAD + "@hookimpl\ndef helix_backends():\n    raise SystemExit(3)",
        "helix_backends() raised SystemExit: 3",
    ),
    "hook raises midway": (
        HEAD + "@hookimpl\ndef helix_backends():\n    yield from ()\n    1 / 0",
        "helix_backends() raised ZeroDivisionError",
    ),
    "record raises": (
        HEAD + "@hookimpl\ndef helix_backends():\n    return [BackendSpec(nme='x')]",
        "helix_backends() raised TypeError",
    ),
    "no record": (
        HEAD + "@hookimpl\ndef helix_backends():\n    return ['numba']",
        "expected BackendSpec records; got 'numba'",
    ),
    "record of another kind": (
        HEAD + "@hookimpl\ndef helix_backends():\n    return [ModelSpec(name='x')]",
        "expected BackendSpec records; got ModelSpec(",
    ),
    "no list": (
        HEAD + "@hookimpl\ndef helix_backends():\n    return 5",
        "helix_backends() raised TypeError: 'int' object is not iterable",
    ),
    "no name": (backend(""), "expected a name without colon or space; got ''"),
    "name is a number": (backend(5), "expected a name without colon or space; got 5"),
    "name with a colon": (backend("a:b"), "expected a name without colon"),
    "no factory": (backend("x", factory=""), "expected factory='package.module:name'"),
    "factory is no path": (
        backend("x", factory="acme.backend.Backend"),
        "expected factory='package.module:name'; got 'acme.backend.Backend'",
    ),
    "kinds is text": (
        backend("x", kinds="fast"),
        "a tuple of device kinds; got 'fast'",
    ),
    "priority is text": (backend("x", priority="1"), "an int as priority; got '1'"),
    "probe is no path": (backend("x", probe="work"), "expected probe='package"),
    "contract is text": (
        backend("x", contract="1.0"),
        "expected contract=(major, minor)",
    ),
    "contract of one": (
        backend("x", contract=(1,)),
        "expected contract=(major, minor)",
    ),
    "contract of text": (backend("x", contract=("1", "0")), "expected contract=(major"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_plugin_is_a_record_and_one_named_warning(site, what):
    source, reason = BROKEN[what]
    good(site)
    site.add("acme-bad", POINTS, version="0.7", plugin=source)
    found, texts = warned(site)
    assert [(r.name, r.state) for r in found] == [
        ("bad", "broken"),
        ("good", "available"),
    ]
    bad = found[0]
    assert (bad.distribution, bad.version) == ("acme-bad", "0.7")
    assert reason in bad.reason
    [text] = texts
    assert "'bad = acme_bad.plugin' of acme-bad 0.7, which is broken" in text
    assert bad.reason in text and "Everything else works" in text
    assert "Hint: pip install -U acme-bad, or HELIX_DISABLE_PLUGINS=acme-bad" in text


@pytest.mark.parametrize("what", ["any error", "exit", "hook raises"])
def test_the_traceback_is_kept(site, what):
    site.add("acme-bad", POINTS, plugin=BROKEN[what][0])
    [[bad], _] = warned(site)
    assert "Traceback (most recent call last)" in bad.traceback
    assert "acme_bad" in bad.traceback


@pytest.mark.parametrize("what", ["any error", "exit", "hook raises", "no record"])
def test_asking_for_a_broken_one_raises_with_reason_and_alternatives(site, what):
    source, reason = BROKEN[what]
    good(site)
    site.add("acme-bad", POINTS, plugin=source)
    warned(site)
    for ask in (plugins.get, plugins.load):
        for name in ("bad", "acme-bad:bad"):
            with pytest.raises(plugins.PluginUnavailable) as e:
                ask("backends", name)
            text = str(e.value)
            assert text.startswith("[plugins] expected a usable backend; got ")
            assert f"{name!r} of acme-bad 1.0, which is broken: " in text
            assert reason in text and "HELIX_DISABLE_PLUGINS=acme-bad" in text
            usable = text.partition("Usable backends: ")[2]
            assert "good" in usable and "numpy" in usable


def test_a_keyboard_interrupt_is_not_a_broken_plugin(site):
    site.add("acme-bad", POINTS, plugin="raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        plugins.records("backends")
    with pytest.raises(KeyboardInterrupt):  # and it is tried again
        plugins.records("backends")


def test_a_hook_that_raises_loses_its_own_records_only(site):
    source = backend("fine") + (
        "@hookimpl(specname='helix_backends')\n"
        "def second():\n"
        "    raise OSError('no device')\n"
        "@hookimpl(specname='helix_backends')\n"
        "def third():\n"
        "    yield BackendSpec(name='third', kinds=('t',), factory='a.b:c')\n"
        "    yield 'nonsense'\n"
        "@hookimpl\n"
        "def helix_models():\n"
        "    return [ModelSpec(name='m', factory='a.b:c')]\n"
    )
    site.add(
        "acme", {"backends": {"e": "plugin"}, "models": {"e": "plugin"}}, plugin=source
    )
    found, texts = warned(site)
    assert [(r.name, r.state) for r in found] == [
        ("fine", "available"),
        ("e", "broken"),
        ("third", "available"),
        ("e", "broken"),
    ]
    assert found[1].reason == "second() raised OSError: no device"
    assert found[3].reason == "third(): expected BackendSpec records; got 'nonsense'"
    assert len(texts) == 2
    assert [r.name for r in site.records("models")] == ["m"]


def test_none_and_one_record_are_results(site):
    source = HEAD + (
        "@hookimpl\ndef helix_models():\n    return None\n"
        "@hookimpl(specname='helix_models')\n"
        "def other():\n    return ModelSpec(name='m', factory='a.b:c')\n"
    )
    site.add("acme", {"models": {"e": "plugin"}}, plugin=source)
    assert [r.name for r in site.records("models")] == ["m"]


def test_an_object_can_be_the_plugin(site):
    source = HEAD + (
        "class Plugin:\n"
        "    @hookimpl\n"
        "    def helix_models(self):\n"
        "        return [ModelSpec(name='m', factory='a.b:c')]\n"
        "plugin = Plugin()\n"
    )
    site.add("acme", {"models": {"e": "acme.plugin:plugin"}}, plugin=source)
    assert [r.name for r in site.records("models")] == ["m"]


def test_a_factory_that_does_not_import_is_broken_from_then_on(site):
    good(site)
    site.add("acme-bad", POINTS, plugin=backend("bad"), work="import does_not_exist")
    assert plugins.get("backends", "bad").state == "available"
    for _ in range(2):
        with pytest.raises(
            plugins.PluginUnavailable, match="is broken: ModuleNotFoundErr"
        ):
            plugins.load("backends", "bad")
    [bad] = [r for r in site.records("backends") if r.name == "bad"]
    assert bad.state == "broken" and "work.py" in bad.traceback
    assert "bad" not in plugins.names("backends")


@pytest.mark.parametrize(
    "work", ["raise SystemExit(4)", "", "Backend = None.x", "Bakend = 1"]
)
def test_a_factory_may_exit_or_be_missing(site, work):
    site.add("acme-bad", POINTS, plugin=backend("bad"), work=work)
    with pytest.raises(
        plugins.PluginUnavailable, match=r"'bad' of acme-bad 1\.0, which is"
    ):
        plugins.load("backends", "bad")


PROBES = {
    "def probe(): return 'there is no device'": ("unsupported", "there is no device"),
    "def probe(): return False": ("unsupported", "its probe returned False"),
    "def probe(): return None": ("unsupported", "its probe returned None"),
    "def probe(): return ''": ("unsupported", "its probe returned ''"),
    "def probe(): raise OSError('driver')": ("broken", "OSError: driver"),
    "def probe(): raise SystemExit(1)": ("broken", "SystemExit: 1"),
}


@pytest.mark.parametrize("source", PROBES)
def test_a_probe_decides_before_the_factory_is_imported(site, source):
    state, reason = PROBES[source]
    light = backend("fast", probe="acme.probe:probe")
    points = {"backends": {"fast": "plugin"}}
    site.add("acme", points, plugin=light, probe=source, work="raise AssertionError")
    with pytest.raises(plugins.PluginUnavailable, match=f"which is {state}: {reason}"):
        plugins.load("backends", "fast")
    [record] = site.records("backends")
    assert (record.state, record.reason) == (state, reason)


def test_a_good_probe_lets_the_factory_load(site):
    light = backend("fast", probe="acme.probe:probe")
    points = {"backends": {"fast": "plugin"}}
    site.add(
        "acme", points, plugin=light, probe="def probe(): return True", work=BACKEND
    )
    assert plugins.load("backends", "fast").name == "fast"
    assert [r.state for r in site.records("backends")] == ["loaded"]


# ----------------------------------------------------------------------------- metadata
@pytest.mark.parametrize(
    "points, reason",
    [
        ("[helix.backends]\nthis is no entry point\n", "expected 'name = module'"),
        ("[helix.backends]\nbad =\n", "expected 'name = module'"),
        (
            "[helix.backends]\nbad = not a module!\n",
            "expected 'package.module[:object]'",
        ),
    ],
)
def test_a_damaged_entry_point_hides_nobody_else(site, points, reason):
    good(site)
    site.add("acme-bad", points)
    found, texts = warned(site)
    assert [r.state for r in found] == ["broken", "available"] and len(texts) == 1
    assert reason in found[0].reason


@pytest.mark.parametrize(
    "metadata", ["", "Name acme", "Metadata-Version: 2.1\n", b"\xff\xfe\x00"]
)
def test_damaged_metadata_hides_nobody_else(site, metadata):
    good(site)
    site.add("acme-bad", POINTS, metadata=metadata, plugin=backend("bad"))
    found, texts = warned(site)
    assert [r.state for r in found] == ["broken", "available"] and len(texts) == 1
    assert "metadata" in found[0].reason


def test_entry_points_that_are_not_text_hide_nobody_else(site):
    good(site)
    site.add("acme-bad", POINTS, plugin=backend("bad"))
    [path] = site.root.glob("acme_bad*/entry_points.txt")
    path.write_bytes(b"\xff\xfe[helix.backends]\n")
    plugins.reset()
    assert [r.name for r in site.records("backends")] == ["good"]


def test_comments_and_other_groups_are_no_plugins(site):
    text = (
        "[console_scripts]\nacme = acme.cli:main\n\n[helix.backends]\n"
        "# a comment\n; another\nfast=acme.plugin\n[helixir.backends]\nx = y\n"
    )
    site.add("acme", text, plugin=backend("fast"))
    assert [r.name for r in site.records("backends")] == ["fast"]


# ------------------------------------------------------------------------------ devices
def test_a_device_says_why_its_backend_is_not_usable(site):
    light = backend("fast", kinds=("fastdev",))
    site.add("acme", {"backends": {"fast": "plugin"}}, plugin=light, work="1 / 0")
    for _ in range(2):  # the second time from the record
        with pytest.raises(hx.DeviceError, match=r"'fastdev:0'; .*ZeroDivisionError"):
            hx.Device("fastdev:0").backend  # noqa: B018


def test_a_backend_that_cannot_be_made_gives_way_aloud(site):
    points = {"backends": {"fast": "plugin"}}
    best = backend("best", kinds=("yieldev",), priority=9)
    work = "class Backend:\n    def __init__(self): raise SystemExit('no driver')"
    site.add("acme-best", points, plugin=best, work=work)
    second = backend("second", kinds=("yieldev",))
    site.add("acme-second", points, plugin=second, work=BACKEND)
    expected = (
        r"'yieldev:0' is served by the backend 'second', because: 'best' of .*no dri"
    )
    with pytest.warns(plugins.HelixPluginWarning, match=expected):
        assert hx.Device("yieldev:0").backend.name == "fast"


def test_a_kernel_that_does_not_import_leaves_the_default(site):
    source = (
        HEAD
        + (
            "@hookimpl\ndef helix_kernels():\n"
            "    return [KernelSpec(op='softmax', backend='kerneldev', "
            "forward='acme.k:f')]\n"
        )
        + backend("b", kinds=("kerneldev",)).removeprefix(HEAD)
    )
    points = {"kernels": {"k": "plugin"}, "backends": {"b": "plugin"}}
    site.add("acme", points, plugin=source, work=BACKEND, k="import does_not_exist")
    x = hx.tensor([0.0, 0.0], device="kerneldev:0")
    assert (
        "is broken: No module named 'does_not_exist'"
        in hx.which("softmax", "kerneldev:0", x, axis=-1).why
    )
    with pytest.warns(UserWarning, match=r"\[softmax\].*is broken: No module named"):
        assert hx.softmax(x).tolist() == [0.5, 0.5]
