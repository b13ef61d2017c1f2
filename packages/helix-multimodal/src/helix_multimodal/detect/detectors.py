"""Detectors of other packages: asked beside ours, and left out when they fail."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterable
from queue import Empty, SimpleQueue
from typing import Any

from helix_core import plugins

from ..detection import Detection

OURS = "signatures"
FIRST = 5.0  # seconds of the first call, which may import
ALLOWED = 0.002  # seconds of a later one
GRACE = 0.05  # seconds until one that is late is given up

Detector = Callable[[bytes, bytes, int], Iterable[Detection]]


class Foreign:
    """One detector of another package, in a thread of its own.

    It is quarantined, with one warning, when it raises, gives anything but detections,
    takes longer than 2 ms twice in a row, or does not come back.

    Attributes
    ----------
    name : str
    priority : int
    reason : str
        Why it is quarantined; empty while it is asked.
    """

    def __init__(self, name: str, priority: int, detector: Detector) -> None:
        self.name = name
        self.priority = priority
        self.reason = ""
        self._detector = detector
        self._lock = threading.Lock()
        self._asked: SimpleQueue[tuple[bytes, bytes, int]] | None = None
        self._given: SimpleQueue[list[Detection] | str] = SimpleQueue()
        self._late = 0

    def __call__(self, head: bytes, tail: bytes, size: int) -> list[Detection]:
        """What it says; nothing once it is quarantined."""
        if self.reason:
            return []
        with self._lock:
            if self.reason:
                return []
            allowed = ALLOWED
            if self._asked is None:
                allowed = FIRST
                self._asked = SimpleQueue()
                args = (self._asked,)
                threading.Thread(target=self._serve, args=args, daemon=True).start()
            self._asked.put((head, tail, size))
            return self._answer(allowed)

    def _answer(self, allowed: float) -> list[Detection]:
        try:
            answer = self._given.get(timeout=allowed)
            self._late = 0
        except Empty:
            self._late += 1
            try:
                answer = self._given.get(timeout=GRACE)
            except Empty:
                answer = f"it did not come back within {allowed + GRACE:g} s"
            else:
                if self._late > 1:
                    answer = f"it took longer than {ALLOWED * 1e3:g} ms, twice"
        if isinstance(answer, str):
            self._quarantine(answer)
            return []
        return answer

    def _serve(self, asked: SimpleQueue[tuple[bytes, bytes, int]]) -> None:
        while not self.reason:
            ends = asked.get()
            try:
                found = list(self._detector(*ends))
                strange = [d for d in found if not isinstance(d, Detection)]
                if strange:
                    self._given.put(f"it gave a {type(strange[0]).__name__}")
                else:
                    self._given.put(found)
            except BaseException as e:  # a panic of Rust is no Exception
                self._given.put(f"{type(e).__name__}: {e}")

    def _quarantine(self, reason: str) -> None:
        self.reason = reason
        warnings.warn(
            f"[detect] the detector {self.name!r} is left out from now on: {reason}",
            plugins.HelixPluginWarning,
            stacklevel=2,
        )


_LOCK = threading.Lock()
_FOREIGN: tuple[Foreign, ...] | None = None


def foreign() -> tuple[Foreign, ...]:
    """Detectors of other packages, by priority; looked up once."""
    return refresh() if _FOREIGN is None else _FOREIGN


def refresh() -> tuple[Foreign, ...]:
    """Look again: after ``helix_core.plugins.register`` in this process.

    What was quarantined is asked again.
    """
    global _FOREIGN
    with _LOCK:
        found = []
        for name in plugins.names("detectors"):
            if name != OURS:
                found += _load(name)
        _FOREIGN = tuple(sorted(found, key=lambda f: (-f.priority, f.name)))
        return _FOREIGN


def _load(name: str) -> list[Foreign]:
    record: Any = plugins.get("detectors", name)
    try:
        detector = plugins.load("detectors", name)
    except plugins.PluginUnavailable as e:
        warnings.warn(f"[detect] {e}", plugins.HelixPluginWarning, stacklevel=3)
        return []
    return [Foreign(name, record.spec.priority, detector)]
