"""``helix doctor`` and ``helix devices``: whatever a backend does is a row."""

from __future__ import annotations

import json
import os

import pytest
from helix_core.cli._doctor import examine
from helix_core.cli._inspect import device_rows
from plugin_kit import BACKEND, HEAD, backend

POINTS = {"backends": {"fast": "plugin"}}


@pytest.fixture
def site(site, monkeypatch):
    """Acme and helix-core, whose own backend is left out: fewer processes to wait for."""
    path = os.pathsep.join([str(site.root), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", path.rstrip(os.pathsep))
    monkeypatch.setenv("HELIX_PLUGINS", "acme")
    monkeypatch.setenv("HELIX_DISABLE_PLUGINS", "numpy")
    return site


def doctor(timeout=60.0):
    """Rows by check."""
    rows = {r["check"]: r for r in examine(timeout)}
    for check in ("python", "helix-core", "cpus"):  # whatever else is wrong
        assert rows[check]["ok"]
    return rows


def devices():
    return [r for r in device_rows(20.0) if r["distribution"] == "acme"]


def test_all_is_well_with_core_alone(site):
    done = site.run("doctor", "--json", HELIX_PLUGINS="", HELIX_DISABLE_PLUGINS="")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads(done.stdout)
    assert all(r["ok"] for r in rows)
    abouts = {r["check"]: r["about"] for r in rows}
    for device in ("numpy", "cpu"):
        assert abouts[f"backend numpy on {device}"] == "a matrix product came out right"


def test_a_failure_ends_with_1_and_is_shown(site):
    site.add("acme", POINTS, plugin="1 / 0")
    done = site.run("doctor")
    assert done.returncode == 1 and done.stderr == ""
    assert "ok    python " in done.stdout
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    expected = "FAIL backends fast acme 1.0 is broken: ZeroDivisionError"
    assert any(line.startswith(expected) for line in lines)


def test_a_good_backend_is_checked(site):
    site.add("acme", POINTS, plugin=backend(), work=BACKEND)
    rows = doctor()
    assert rows["backend fast on fast:0"]["ok"]
    [row] = devices()
    assert (row["device"], row["backend"], row["state"]) == ("fast:0", "fast", "ready")


CRASH = "import ctypes\nctypes.string_at(0)\n"
HANG = "import time\ntime.sleep(600)\n"
FAILURES = {
    "dies when imported": (CRASH, "the process died of SIGSEGV in "),
    "hangs when imported": (HANG, "no answer in 2 s"),
    "exits when imported": ("raise SystemExit(7)", "SystemExit: 7"),
    "leaves when imported": (
        "import os\nos._exit(0)",
        "the process ended without an answer",
    ),
    "leaves with a code": ("import os\nos._exit(5)", "ended with exit code 5"),
    "aborts": ("import os\nos.abort()", "the process died of SIGABRT"),
    "does not import": ("import does_not_exist", "No module named 'does_not_exist'"),
    "cannot be made": (
        "class Backend:\n    def __init__(self): raise OSError('no driver')",
        "OSError: no driver",
    ),
    "exits when made": (
        "class Backend:\n    def __init__(self): raise SystemExit(2)",
        "SystemExit: 2",
    ),
    "has no devices()": ("class Backend: pass", "AttributeError"),
    "dies when asked": (
        BACKEND + "    def devices(self):\n        import ctypes; ctypes.string_at(0)",
        "the process died of SIGSEGV in ",
    ),
}


@pytest.mark.parametrize("what", FAILURES)
def test_a_backend_that_fails_is_a_row_in_both(site, what):
    work, reason = FAILURES[what]
    site.add("acme", POINTS, plugin=backend(), work=work)
    rows = doctor(2.0 if "hangs" in what else 60.0)
    row = rows["backend fast"]
    assert not row["ok"] and reason in row["about"]
    if what in ("dies when imported", "cannot be made", "has no devices()"):
        [row] = devices()
        assert row["state"] == "broken" and reason in row["about"]


def test_a_crash_names_the_line(site):
    site.add("acme", POINTS, plugin=backend(), work="x = 1\n" + CRASH)
    rows = doctor()
    assert "ctypes" in rows["backend fast"]["about"]
    assert "acme/work.py" in rows["backend fast"]["detail"].replace("\\", "/")


WRONG = {
    "a wrong result": (
        "    def to_host(self, buffer):\n        return buffer + 1\n",
        "log(exp(x @ y)) is [[4.0, 4.0], [13.0, 13.0]]",
    ),
    "a crash": (
        "    def to_host(self, buffer):\n        import ctypes; ctypes.string_at(0)\n",
        "the process died of SIGSEGV",
    ),
    "an exit": (
        "    def to_host(self, buffer):\n        raise SystemExit\n",
        "SystemExit",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_backend_that_computes_badly_is_a_row(site, what):
    method, reason = WRONG[what]
    site.add("acme", POINTS, plugin=backend(), work=BACKEND + method)
    rows = doctor()
    row = rows["backend fast on fast:0"]
    assert not row["ok"] and reason in row["about"]


def test_what_a_backend_prints_is_no_part_of_the_answer(site):
    noise = "import os\nprint('hello')\nos.write(1, b'{}')\n"
    site.add(
        "acme", POINTS, plugin="print('light')\n" + backend(), work=noise + BACKEND
    )
    rows = doctor()
    assert rows["backend fast on fast:0"]["ok"]


def test_a_backend_with_nothing_to_do_here_is_no_failure(site):
    probe = "def probe(): return 'there is no such chip'"
    light = backend(probe="acme.probe:probe")
    site.add("acme", POINTS, plugin=light, probe=probe)
    rows = doctor()
    assert rows["backend fast"]["ok"]
    assert rows["backend fast"]["about"] == "there is no such chip"
    [row] = devices()
    assert (row["state"], row["about"]) == ("unsupported", "there is no such chip")
    assert row["device"] == "fast:0"


def test_each_missing_kind_is_one_row(site):
    probe = "def probe(): return \"no driver. Hint: pip install 'acme[opencl]'\""
    light = backend(kinds=("opencl",), probe="acme.probe:probe")
    site.add("acme", POINTS, plugin=light, probe=probe)
    rows = [r for r in device_rows(20.0) if r["device"]]
    by_device = {r["device"]: r for r in rows}
    assert len(by_device) == len(rows)
    assert (
        by_device["opencl:0"]["about"] == "no driver. Hint: pip install 'acme[opencl]'"
    )
    for kind, extra in (("cuda", "cuda"), ("vulkan", "webgpu"), ("xla", "xla")):
        row = by_device[f"{kind}:0"]
        assert row["state"] == "missing"
        assert f"pip install 'helix-hal[{extra}]'" in row["about"]


def test_a_kind_that_another_backend_serves_is_not_missing(site, monkeypatch):
    probe = "def probe(): return 'broken driver'"
    light = backend(kinds=("vk",), probe="acme.probe:probe")
    site.add("acme", POINTS, plugin=light, probe=probe)
    other = {"backends": {"slow": "plugin"}}
    site.add("bolt", other, plugin=backend("slow", kinds=("vk",)), work=BACKEND)
    monkeypatch.setenv("HELIX_PLUGINS", "acme,bolt")
    rows = device_rows(20.0)
    ready = [r for r in rows if r["device"] == "vk:0"]
    assert [r["state"] for r in ready] == ["ready"]
    [lost] = [r for r in rows if r["backend"] == "fast"]
    assert (lost["device"], lost["about"]) == ("", "broken driver")


def test_a_backend_without_devices_is_no_failure(site):
    work = BACKEND + "    def devices(self):\n        return []\n"
    site.add("acme", POINTS, plugin=backend(), work=work)
    rows = doctor()
    assert rows["backend fast"]["about"] == "it has no device here"
    [row] = devices()
    assert (row["state"], row["about"]) == ("unsupported", "it has no device here")


def test_devices_of_several_kinds_have_a_row_each(site):
    work = BACKEND + (
        "    def devices(self):\n"
        "        from helix_core.contracts import DeviceInfo\n"
        "        return [DeviceInfo(index='0', name='a', kind='vk'),\n"
        "                DeviceInfo(index='1', name='b', kind='vk'),\n"
        "                DeviceInfo(index='0', name='c', kind='mt')]\n"
    )
    light = backend(kinds=("vk", "mt", "dx"))
    site.add("acme", POINTS, plugin=light, work=work)
    assert [r["device"] for r in devices()] == ["vk:0", "vk:1", "mt:0"]
    rows = doctor()
    mine = [c for c in rows if c.startswith("backend fast")]
    assert mine == ["backend fast on vk:0", "backend fast on mt:0"]


def test_the_better_backend_of_a_kind_is_ready(site):
    site.add("acme", POINTS, plugin=backend(kinds=("cpu",), priority=5), work=BACKEND)
    done = site.run("devices", "--json", HELIX_DISABLE_PLUGINS="")
    assert done.returncode == 0
    states = {(r["device"], r["backend"]): r["state"] for r in json.loads(done.stdout)}
    assert states["cpu", "fast"] == "ready" and states["cpu", "numpy"] == "shadowed"
    assert states["numpy", "numpy"] == "ready" and states["cuda:0", "-"] == "missing"


# ------------------------------------------------------------------------- light modules
@pytest.mark.parametrize(
    "source, reason",
    [
        (CRASH, "importing acme.plugin: the process died of SIGSEGV"),
        (HANG, "importing acme.plugin: no answer in 3 s"),
        (
            "import os\nos._exit(3)",
            "importing acme.plugin: the process ended with exit co",
        ),
    ],
    ids=["crash", "hang", "exit"],
)
def test_a_light_module_that_takes_python_down_is_a_row(
    site, monkeypatch, source, reason
):
    site.add(
        "acme",
        {"backends": {"a": "plugin"}, "commands": {"a": "plugin"}},
        plugin=source,
    )
    site.add("bolt", POINTS, plugin=backend("bolted"), work=BACKEND)
    monkeypatch.setenv("HELIX_PLUGINS", "acme,bolt")
    rows = doctor(3.0)
    row = rows["plugins of acme 1.0"]
    assert reason in row["about"]
    assert "Hint: HELIX_DISABLE_PLUGINS=acme" in row["about"]
    assert rows["backend bolted on fast:0"]["ok"]


def test_a_broken_light_module_is_a_row_with_its_traceback(site):
    site.add("acme", POINTS, plugin="1 / 0")
    rows = doctor()
    row = rows["backends fast"]
    assert not row["ok"]
    assert row["about"].startswith("acme 1.0 is broken: ZeroDivisionError")
    assert "HELIX_DISABLE_PLUGINS=acme" in row["about"]
    assert "plugin.py" in row["detail"]


def test_conflicts_and_versions_are_rows(site, monkeypatch):
    site.add("acme", POINTS, plugin=backend(), work=BACKEND)
    site.add("bolt", POINTS, plugin=backend(), work=BACKEND)
    site.add(
        "cord", {"backends": {"old": "plugin"}}, plugin=backend("old", contract=(9, 0))
    )
    monkeypatch.setenv("HELIX_PLUGINS", "acme,bolt,cord")
    abouts = [r["about"] for r in examine() if not r["ok"]]
    assert len(abouts) == 3
    assert sum("'fast' is offered by acme 1.0 and bolt 1.0" in a for a in abouts) == 2
    assert any("version 9.0 of the backends contract" in a for a in abouts)


def test_a_disabled_plugin_is_a_row_and_a_misspelt_switch_a_failure(site, monkeypatch):
    site.add("acme", POINTS, plugin="raise AssertionError")
    monkeypatch.setenv("HELIX_DISABLE_PLUGINS", "numpy,acme")
    rows = doctor()
    assert all(r["ok"] for r in rows.values())
    assert "is disabled" in rows["backends fast"]["about"]
    monkeypatch.setenv("HELIX_DISABLE_PLUGINS", "numpy,acme,acmee")
    row = doctor()["HELIX_DISABLE_PLUGINS"]
    assert not row["ok"] and "names acmee: not installed" in row["about"]


def test_strictness_does_not_stop_the_doctor(site, monkeypatch):
    site.add("acme", POINTS, plugin="1 / 0")
    monkeypatch.setenv("HELIX_PLUGIN_STRICT", "1")
    rows = doctor()
    assert "ZeroDivisionError" in rows["backends fast"]["about"]


def test_a_cache_that_cannot_be_written_is_a_row(site, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HELIX_CACHE_DIR", str(tmp_path / "file"))
    rows = doctor()
    assert not rows["cache"]["ok"] and "Hint: HELIX_CACHE_DIR" in rows["cache"]["about"]


def test_a_grandchild_does_not_hold_the_doctor(site):
    work = (
        "import subprocess, sys\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    )
    site.add("acme", POINTS, plugin=backend(), work=work + HANG)
    rows = doctor(2.0)
    assert rows["backend fast"]["about"] == "no answer in 2 s"


@pytest.mark.parametrize("limit", ["0", "-1", "soon"])
def test_the_timeout_is_checked(site, limit):
    done = site.run("doctor", "--timeout", limit)
    assert done.returncode == 2 and "--timeout" in done.stderr


def test_a_command_plugin_cannot_replace_or_break_the_doctor(site):
    source = HEAD + (
        "@hookimpl\ndef helix_commands():\n"
        "    return [CommandSpec(name='doctor', factory='a.b:c')]\n"
    )
    site.add("acme", {"commands": {"doctor": "plugin"}}, plugin=source)
    rows = doctor()
    conflict = rows["commands doctor"]
    assert "is offered by acme 1.0 and helix-core" in conflict["about"]
