"""The hook behind the entry-point group ``helix.callbacks``."""

from __future__ import annotations

from ..contracts import CallbackSpec
from ..plugins._markers import hookspec


@hookspec
def helix_callbacks() -> list[CallbackSpec]:
    """Training callbacks.

    Called
        Once per process and module, when a name of this kind is first asked for.
    Results
        Any number of records, with names that are unique within the kind. Order does
        not matter. Records hold dotted paths: the module itself stays light.
    Errors
        An exception loses this hook's records only, with one warning that names the
        distribution.
    Threading
        In one thread at a time; it must not ask the manager for plugins.
    Since
        0.1

    Examples
    --------
    >>> from helix_core.contracts import CallbackSpec
    >>> from helix_core.plugins import hookimpl
    >>> @hookimpl
    ... def helix_callbacks():
    ...     return [
    ...         CallbackSpec(name="mine", factory="my_pkg.cb:Mine")
    ...     ]
    """
    raise NotImplementedError
