"""The engine room of HelixML: training that can be killed, and resumed bit for bit."""

from __future__ import annotations

from typing import Any

from ._version import __version__ as __version__

_PUBLIC = {
    "Batches": "stream",
    "ByteWindows": "corpus",
    "Callback": "callbacks",
    "Corpus": "corpus",
    "DataError": "corpus",
    "EarlyStopping": "callbacks",
    "RunDir": "rundir",
    "RunError": "rundir",
    "Trainer": "trainer",
    "TrainingError": "snapshot",
    "mean_loss": "_evaluation",
}
__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    """Public names load their file when asked for: listing plugins stays light."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)
