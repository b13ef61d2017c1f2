"""What the manager knows about one plugin, and the errors that it raises."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from .._errors import HelixError

STATES = (
    "available",  # registered, its heavy part not yet imported
    "loaded",
    "disabled",  # switched off by the environment
    "incompatible",  # another contract version, or unmet requirements
    "broken",  # raised when imported, in its hook, or when loaded
    "conflict",  # another distribution has the same name
    "unsupported",  # its probe, or this helix-core, says that it cannot work here
)


class PluginError(HelixError, RuntimeError):
    """A plugin cannot be used."""


class PluginUnavailable(PluginError):
    """What was asked for is missing, broken, disabled or ambiguous."""


class HelixPluginWarning(UserWarning):
    """A plugin was left out; everything else works."""


@dataclass(frozen=True, slots=True)
class Record:
    """One plugin, or one entry point that yielded none.

    Attributes
    ----------
    kind, name : str
    state : str
        One of ``STATES``.
    distribution, version : str
        Where it comes from.
    entry : str
        The entry point, ``name = value``.
    spec : object or None
        What its hook returned.
    reason, hint, traceback : str
        Why it is not usable, and the ways out.
    seconds : float
        What importing its light module took.
    """

    kind: str
    name: str
    state: str
    distribution: str
    version: str
    entry: str
    spec: Any = None
    reason: str = ""
    hint: str = ""
    traceback: str = ""
    seconds: float = 0.0

    @property
    def usable(self) -> bool:
        return self.state in ("available", "loaded")

    @property
    def origin(self) -> str:
        """Distribution and version, as messages name them."""
        return f"{self.distribution} {self.version}".rstrip()

    @property
    def key(self) -> tuple[str, ...]:
        factory = str(getattr(self.spec, "factory", ""))
        return self.kind, self.distribution, self.entry, self.name, factory

    def but(self, **changes: Any) -> Record:
        return replace(self, **changes)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for ``--json``."""
        names = (
            "kind name state distribution version entry reason hint traceback seconds"
        )
        out = {k: getattr(self, k) for k in names.split()}
        out["summary"] = getattr(self.spec, "summary", "")
        return out


def one(kind: str) -> str:
    """``"backend"`` for ``"backends"``, ``"study"`` for ``"studies"``."""
    if kind.endswith("ies"):
        return kind[:-3] + "y"
    return kind.removesuffix("es") if kind.endswith("sses") else kind.removesuffix("s")
