"""Detectors of other packages: asked beside ours, and left out when they fail."""

import sys
import threading
import time
import types
import warnings
from collections.abc import Callable, Iterator

import pytest
from helix_core import plugins
from helix_core.contracts import DetectorSpec
from helix_multimodal import Detection
from helix_multimodal.detect import candidates, detect, detectors, refresh
from helix_multimodal.detection import EXACT, GRAMMAR, WEAK

DATA = b"MYFMT\0\1\2 nothing that we know \xff\xfe\0"


def mine(confidence: float = EXACT, name: str = "mine") -> Detection:
    return Detection(
        modality="points", format=name, mime="model/x-mine", confidence=confidence
    )


Install = Callable[..., None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Put one detector, of a module of its own, in the place of all foreign ones."""
    module = types.ModuleType("foreign_detectors_of_tests")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    specs: dict[str, DetectorSpec] = {}
    names, get, load = plugins.names, plugins.get, plugins.load

    def put(fn: object, name: str = "mine", priority: int = 0) -> None:
        setattr(module, name, fn)
        path = f"{module.__name__}:{name}"
        specs[name] = DetectorSpec(name=name, factory=path, priority=priority)
        refresh()

    monkeypatch.setattr(plugins, "names", lambda kind: [*names(kind), *specs])
    monkeypatch.setattr(
        plugins,
        "get",
        lambda kind, n: (
            types.SimpleNamespace(spec=specs[n]) if n in specs else get(kind, n)
        ),
    )
    monkeypatch.setattr(
        plugins,
        "load",
        lambda kind, n: getattr(module, n) if n in specs else load(kind, n),
    )
    yield put
    monkeypatch.undo()
    refresh()


def test_it_is_asked_beside_ours(install: Install) -> None:
    seen = []

    def ask(head: bytes, tail: bytes, size: int) -> list[Detection]:
        seen.append((head, tail, size))
        return [mine()] if head.startswith(b"MYFMT") else []

    install(ask)
    assert detect(DATA).format == "mine"
    assert seen == [(DATA, DATA, len(DATA))]
    assert detect(b"fLaC\0\0\0\x22").format == "flac"
    assert [d.format for d in candidates(DATA)] == ["mine", "bytes"]


def test_a_better_rule_wins_and_ours_at_a_draw(install: Install) -> None:
    flac = b"fLaC\0\0\0\x22"
    install(lambda *ends: [mine(EXACT), mine(WEAK, "weak")])
    assert [d.format for d in candidates(flac)] == ["flac", "mine", "weak", "bytes"]
    assert detect(b"some words\n").format == "mine"  # a grammar is less than exact
    install(lambda *ends: [mine(EXACT)], priority=1)
    assert detect(flac).format == "mine"


def test_candidates_are_in_order(install: Install) -> None:
    install(lambda *ends: [mine(WEAK, "weak"), mine(GRAMMAR, "middle"), mine(EXACT)])
    ranked = candidates(b"a,b\n1,2\n3,4\n")
    sure = [d.confidence for d in ranked]
    assert sure == sorted(sure, reverse=True)
    assert [d.format for d in ranked][:3] == ["mine", "csv", "middle"]


@pytest.mark.parametrize(
    "error", [ValueError("bad luck"), SystemExit(3), MemoryError()]
)
def test_one_that_raises_is_left_out(install: Install, error: BaseException) -> None:
    calls = []

    def ask(*ends: object) -> list[Detection]:
        calls.append(1)
        raise error

    install(ask)
    said = rf"'mine' is left out from now on: {type(error).__name__}"
    with pytest.warns(plugins.HelixPluginWarning, match=said):
        assert detect(DATA).format == "bytes"
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # one warning, not one a file
        assert detect(DATA).format == "bytes"
        candidates(DATA)
    assert calls == [1]
    assert detectors.foreign()[0].reason.startswith(type(error).__name__)


@pytest.mark.parametrize("given", [None, 3, ["text"], [None]])
def test_one_that_gives_something_else(install: Install, given: object) -> None:
    install(lambda *ends: given)
    with pytest.warns(plugins.HelixPluginWarning, match="left out from now on"):
        assert detect(DATA).format == "bytes"


def test_one_that_is_slow(install: Install) -> None:
    calls = []

    def ask(*ends: object) -> list[Detection]:
        calls.append(1)
        time.sleep(0.02)
        return [mine()]

    install(ask)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert detect(DATA).format == "mine"  # the first call may import
        assert detect(DATA).format == "mine"  # late once: the machine may be busy
    with pytest.warns(plugins.HelixPluginWarning, match="longer than 2 ms"):
        assert detect(DATA).format == "bytes"
    assert detect(DATA).format == "bytes"
    assert len(calls) == 3


def test_one_that_hangs_does_not_hang_us(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detectors, "FIRST", 0.1)
    go = threading.Event()
    install(lambda *ends: go.wait(30) and [])
    start = time.perf_counter()
    with pytest.warns(plugins.HelixPluginWarning, match="did not come back"):
        assert detect(DATA).format == "bytes"
    assert time.perf_counter() - start < 2
    assert detect(DATA).format == "bytes"
    go.set()


def test_the_others_go_on(install: Install) -> None:
    install(lambda *ends: 1 / 0, "broken", 5)
    install(lambda *ends: [mine()], "mine")
    with pytest.warns(plugins.HelixPluginWarning, match="ZeroDivisionError"):
        assert detect(DATA).format == "mine"
    assert detect(DATA).format == "mine"


def test_one_that_cannot_be_loaded(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(kind: str, name: str) -> object:
        raise plugins.PluginUnavailable(f"[plugins] {name} needs what is missing")

    monkeypatch.setattr(plugins, "load", load)
    with pytest.warns(plugins.HelixPluginWarning, match="needs what is missing"):
        install(print)
    assert detect(DATA).format == "bytes"


def test_ours_is_in_the_list() -> None:
    assert "signatures" in plugins.names("detectors")
    found = plugins.load("detectors", "signatures")(b"fLaC\0\0\0\x22", b"", 8)
    assert [d.format for d in found] == ["flac"]
