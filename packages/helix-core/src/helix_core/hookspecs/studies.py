"""The hook behind the entry-point group ``helix.studies``."""

from __future__ import annotations

from ..contracts import StudySpec
from ..plugins._markers import hookspec


@hookspec
def helix_studies() -> list[StudySpec]:
    """Studies: experiments of many runs, for `helix study`.

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
    >>> from helix_core.contracts import StudySpec
    >>> from helix_core.plugins import hookimpl
    >>> @hookimpl
    ... def helix_studies():
    ...     return [
    ...         StudySpec(name="mine", factory="my_pkg.study:Mine")
    ...     ]
    """
    raise NotImplementedError
