"""What devices can do, asked in processes of their own: whatever happens is a row."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace

import helix_core as hx
import pytest
from helix_core import _survey, platform
from helix_core._auto import explain_auto
from plugin_kit import BACKEND, backend

POINTS = {"backends": {"fast": "plugin"}}
CRASH = "import ctypes\nctypes.string_at(0)\n"
HANG = "import time\ntime.sleep(600)\n"
PROFILE = """
    def profile(self, device):
        from helix_core.contracts import DeviceProfile
        return DeviceProfile(flops={"float32": 1e9}, bandwidth=1e9, launch=1e-6)
"""


@pytest.fixture
def site(site, monkeypatch, tmp_path):
    """Acme alone, with an empty cache, on a machine that does nothing else."""
    path = os.pathsep.join([str(site.root), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", path.rstrip(os.pathsep))
    monkeypatch.setenv("HELIX_PLUGINS", "acme")
    monkeypatch.setenv("HELIX_DISABLE_PLUGINS", "numpy")
    monkeypatch.setenv("HELIX_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(platform, "load_average", lambda: 0.0)
    monkeypatch.setattr(_survey, "_ANSWERS", {})
    hx.Device("fast:0").forget()
    yield site
    hx.Device("fast:0").forget()


def rows():
    return [f for f in _survey.survey() if f.name.startswith("fast")]


@pytest.mark.parametrize(
    ("work", "reason"),
    [
        (CRASH, "the process died of SIGSEGV"),
        (HANG, "no answer in 2 s"),
        ("raise OSError('libvendor.so is damaged')", "libvendor.so is damaged"),
        (BACKEND + "    def devices(self): raise OSError('reset')", "OSError: reset"),
        (BACKEND + "    def devices(self): return []", "it has no device here"),
        (
            BACKEND
            + "    def profile(self, device): raise RuntimeError('device lost')",
            "RuntimeError: device lost",
        ),
        (
            BACKEND + "    def profile(self, device):\n        import ctypes\n"
            "        ctypes.string_at(0)",
            "the process died of SIGSEGV",
        ),
    ],
    ids=["crash", "hang", "import", "devices", "none", "lost", "dies in a kernel"],
)
def test_a_driver_that_fails_is_a_row_with_the_reason(site, monkeypatch, work, reason):
    monkeypatch.setattr(_survey, "_TIMEOUT", 2.0 if work == HANG else 60.0)
    site.add("acme", POINTS, plugin=backend(), work=work)
    [row] = rows()
    assert row.name == "fast:0" and row.profile is None
    assert reason in row.why
    assert not list((platform.cache_dir("devices")).iterdir())  # asked again next time


def test_a_missing_driver_is_a_row_with_the_words_of_its_probe(site):
    probe = "def probe(): return 'no driver. Hint: pip install acme-driver'"
    site.add("acme", POINTS, plugin=backend(probe="acme.probe:probe"), probe=probe)
    [row] = rows()
    assert row.name == "fast:0"
    assert row.why.endswith("no driver. Hint: pip install acme-driver")


def test_answers_are_kept_and_the_library_is_not_imported(site, monkeypatch):
    site.add("acme", POINTS, plugin=backend(), work=BACKEND + PROFILE)
    [first] = rows()
    assert first.profile.bandwidth == 1e9 and "float64" in first.dtypes
    asked = []
    monkeypatch.setattr(_survey, "_ask", asked.append)
    assert rows() == [first]
    monkeypatch.setattr(_survey, "_ANSWERS", {})
    assert rows() == [first] and not asked  # from the disk
    assert hx.Device("fast:0")._backend is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: text.replace('"bandwidth"', '"width"'),
        lambda text: text.replace('"bandwidth": ', '"bandwidth": -'),
        lambda text: json.dumps(json.loads(text) | {"time": time.time() - 8 * 86400}),
        lambda text: json.dumps(json.loads(text) | {"time": time.time() + 8 * 86400}),
    ],
    ids=["cut", "other", "key", "negative", "old", "of the future"],
)
def test_a_damaged_or_old_answer_is_asked_again(site, monkeypatch, damage):
    site.add("acme", POINTS, plugin=backend(), work=BACKEND + PROFILE)
    [first] = rows()
    [path] = platform.cache_dir("devices").iterdir()
    path.write_text(damage(path.read_text()))
    monkeypatch.setattr(_survey, "_ANSWERS", {})
    assert rows() == [first]
    assert json.loads(path.read_text())["devices"][0]["device"] == "fast:0"


def test_what_a_busy_machine_answered_is_asked_again_soon(site, monkeypatch):
    monkeypatch.setattr(platform, "load_average", lambda: 1e3)
    site.add("acme", POINTS, plugin=backend(), work=BACKEND + PROFILE)
    rows()
    [path] = platform.cache_dir("devices").iterdir()
    assert json.loads(path.read_text())["days"] < 0.1


def test_a_device_that_disappears_is_left_out_and_said(site, monkeypatch):
    """Its answer is kept; by the time of the choice it is gone."""
    site.add("acme", POINTS, plugin=backend(), work=BACKEND + PROFILE)
    slow = _survey.Found("numpy", rows()[0].profile)
    sooner = replace(slow.profile, flops={"float32": 1e11})
    fast = _survey.Found("fast:0", sooner)

    def gone(self):
        if self.name == "fast:0":
            raise hx.DeviceError("[device] the driver was removed")
        return object()

    monkeypatch.setattr(hx.Device, "backend", property(gone))
    monkeypatch.setattr("helix_core._auto.survey", lambda names: [fast, slow])
    table = explain_auto(flops=1e12, bytes=1e9)
    assert table.device.name == "numpy"
    assert "the driver was removed" in str(table)
    monkeypatch.setattr("helix_core._auto.survey", lambda names: [fast])
    with pytest.raises(hx.DeviceError, match=r"fast:0: \[device\] the driver was rem"):
        explain_auto(flops=1e12, bytes=1e9)


def test_a_device_in_use_that_disappears_is_a_row(site):
    work = BACKEND + (
        "    here = True\n    def devices(self):\n"
        "        return super().devices() if self.here else []\n"
    )
    site.add("acme", POINTS, plugin=backend(), work=work + PROFILE)
    dev = hx.Device("fast:0")
    assert hx.ones((2,), device=dev).sum().item() == 2.0
    assert rows()[0].profile is not None
    dev.backend.here = False
    [row] = rows()
    assert row.profile is None and "expected a device that is there (none)" in row.why


def test_the_command_shows_profiles_and_reasons(site):
    site.add("acme", POINTS, plugin=backend(), work=BACKEND + PROFILE)
    done = site.run("devices", "--profile", "--json", HELIX_DISABLE_PLUGINS="numpy")
    assert done.returncode == 0, done.stderr
    [row] = json.loads(done.stdout)
    assert row["device"] == "fast:0" and row["profile"]["bandwidth"] == 1e9
    assert row["profile"]["link_bandwidth"] is None  # JSON has no infinity
    done = site.run("devices", "--profile", HELIX_DISABLE_PLUGINS="numpy")
    [_, line] = done.stdout.splitlines()
    assert line.split()[:3] == ["fast:0", "1", "-"]
