"""Plugins by kind and name.

Entry-point metadata is read first, the light module when a name of its kind is asked
for, the heavy object last. Whatever fails on the way is a record with a reason.

Environment: ``HELIX_PLUGINS``, ``HELIX_DISABLE_PLUGINS``, ``HELIX_PLUGIN_STRICT``,
``HELIX_TRACE=plugins``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._discover import fell_back as fell_back
from ._manager import get as get
from ._manager import load as load
from ._manager import names as names
from ._manager import providers as providers
from ._manager import records as records
from ._manager import register as register
from ._manager import reset as reset
from ._records import STATES as STATES
from ._records import HelixPluginWarning as HelixPluginWarning
from ._records import PluginError as PluginError
from ._records import PluginUnavailable as PluginUnavailable
from ._records import Record as Record

if TYPE_CHECKING:
    from ._markers import hookimpl as hookimpl


def __getattr__(name: str) -> Any:
    if name == "hookimpl":  # pluggy is imported when a plugin module is
        from ._markers import hookimpl

        return hookimpl
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
