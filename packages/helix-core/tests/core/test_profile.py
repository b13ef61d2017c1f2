"""What devices say of themselves: dtypes, and what they were measured to do."""

import json
from dataclasses import asdict

import helix_core as hx
import numpy as np
import pytest
from helix_core import _profile, platform
from helix_core._device import need_dtype
from helix_core.contracts import DeviceInfo, DeviceProfile
from helix_core.reference.backend import NumpyBackend


class Narrow(NumpyBackend):
    """Knows two dtypes, and has no profile of its own."""

    name = "narrow"
    profile = None
    profile = None

    def devices(self):
        return [DeviceInfo(index="0", name="two dtypes", dtypes=("float32", "int32"))]


@pytest.fixture
def narrow():
    dev = hx.Device("narrow:0")
    dev.forget()
    dev._backend, dev._kernels = Narrow(), {}
    yield dev
    dev.forget()


@pytest.fixture
def calm(monkeypatch, tmp_path):
    """An empty cache on a machine that does nothing else."""
    monkeypatch.setenv("HELIX_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(platform, "load_average", lambda: 0.0)
    return tmp_path / "profiles"


def test_a_missing_dtype_names_device_dtypes_and_the_way_out(narrow):
    need_dtype(narrow, hx.float32, "add")
    with pytest.raises(hx.DTypeError) as e:
        need_dtype(narrow, hx.float64, "add")
    assert str(e.value) == (
        "[add] expected a dtype that 'narrow:0' has (float32, int32); got float64. "
        "Hint: x.astype('float32'), or x.to('cpu')"
    )
    with pytest.raises(hx.DTypeError, match=r"got complex64. Hint: x.to\('cpu'\)$"):
        need_dtype(narrow, "complex64", "fft")


def test_a_device_that_its_backend_does_not_have(narrow):
    other = hx.Device("narrow:7")
    other._backend = narrow._backend
    with pytest.raises(hx.DeviceError, match=r"there \(narrow:0\); got 'narrow:7'"):
        _ = other.info


def test_a_profile_is_measured_once_and_then_read(calm, monkeypatch):
    dev = hx.Device("numpy")
    first = _profile.profile(dev)
    assert {"float32", "bfloat16", "float64"} <= set(first.flops)
    assert all(np.isfinite(v) and v > 0 for v in first.rates.values())
    assert set(first.rates) == {*_profile._SAMPLES, "matrix", "loop"}
    assert 0 < first.launch < 1e-3 and first.bandwidth > 1e8
    for points in first.curves.values():
        assert len(points) >= 3 and np.all(np.diff(points, axis=0) >= 0)
    monkeypatch.setattr(_profile, "measure", lambda d: pytest.fail("measured again"))
    assert _profile.profile(dev) == first
    assert len(list(calm.iterdir())) == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace('"bandwidth"', '"width"'),
        lambda text: json.dumps([]),
        lambda text: json.dumps(json.loads(text) | {"profile": {"flops": "fast"}}),
        lambda text: text.replace('"launch": ', '"launch": -'),
        lambda text: text.replace('"curves": {', '"curves": {"memory": [[1, -1]]'),
    ],
)
def test_a_damaged_cache_is_measured_again(calm, monkeypatch, damage):
    dev = hx.Device("numpy")
    made = DeviceProfile(flops={"float32": 1e9}, bandwidth=1e9, launch=1e-6)
    monkeypatch.setattr(_profile, "measure", lambda d: made)
    assert _profile.profile(dev) == made
    (path,) = calm.iterdir()
    path.write_text(damage(path.read_text()))
    again = DeviceProfile(flops={"float32": 2e9}, bandwidth=1e9, launch=1e-6)
    monkeypatch.setattr(_profile, "measure", lambda d: again)
    assert _profile.profile(dev) == again
    assert json.loads(path.read_text())["profile"] == asdict(again)


def test_a_cache_that_cannot_be_written_costs_a_measurement(calm, monkeypatch):
    made = DeviceProfile(flops={"float32": 1e9}, bandwidth=1e9, launch=1e-6)
    monkeypatch.setattr(_profile, "measure", lambda d: made)
    calm.parent.joinpath("profiles").write_text("a file where a folder should be")
    assert _profile.profile(hx.Device("numpy")) == made


def test_what_a_busy_machine_measured_is_not_kept(calm, monkeypatch):
    made = DeviceProfile(flops={"float32": 1e9}, bandwidth=1e9, launch=1e-6)
    monkeypatch.setattr(_profile, "measure", lambda d: made)
    monkeypatch.setattr(platform, "load_average", lambda: 1e3)
    assert _profile.profile(hx.Device("numpy")) == made
    assert not calm.exists() or not list(calm.iterdir())


def test_a_backend_without_profile_gets_the_generic_one(calm, narrow):
    found = narrow.profile
    assert found.flops["float32"] > 1e8 and "random" in found.rates


def test_rates_are_told_by_work_that_outlasts_a_launch(monkeypatch):
    """A device that takes 50 us to launch, and then runs at 1e12 of anything a second."""

    def run(bench, name, *buffers, calls=1, **attrs):
        size = max(b.size for b in buffers)
        asked.append(size)
        return 50e-6 + size / 1e12

    asked = []
    monkeypatch.setattr(_profile._Bench, "run", run)
    bench = _profile._Bench(hx.Device("numpy"))
    assert bench.started == pytest.approx(50e-6)
    rate = bench.rate(_profile._SAMPLES["elementwise"])
    assert rate == pytest.approx(1e12, rel=0.05)
    sizes = asked[-3:]
    assert sizes[2] == 64 * sizes[0]  # grew, because launches hid the work
    monkeypatch.setattr(_profile._Bench, "run", lambda *a, **k: asked.append(0) or 1e-3)
    asked.clear()
    bench.rate(_profile._SAMPLES["scan"])
    assert len(asked) == 1  # long enough at once


def test_a_curve_has_no_delays_by_others():
    points = [(1.0, 5.0), (2.0, 9.0), (4.0, 6.0), (8.0, 7.0)]
    assert _profile._calm(points) == ((1.0, 5.0), (2.0, 6.0), (4.0, 6.0), (8.0, 7.0))
