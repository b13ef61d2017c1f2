"""The markers of pluggy, imported when the first plugin module is."""

from pluggy import HookimplMarker, HookspecMarker

hookimpl = HookimplMarker("helix")
hookspec = HookspecMarker("helix")
