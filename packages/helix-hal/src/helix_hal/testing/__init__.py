"""The conformance kit: what a backend must do, as cases that anyone can run.

From a shell: ``python -m helix_hal.testing --backend NAME``. In a test suite of your
own (nothing to register, no plugin)::

    from helix_hal.testing import suite

    class TestArithmetic(suite.Arithmetic):
        device = "mine:0"

A backend passes by behaving as core's NumPy backend defines, within tolerances that the
kit owns. Importing this package imports no section.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._case import Case as Case
from ._case import Declined as Declined
from ._case import Section as Section
from ._case import case as case
from ._case import each as each
from ._runner import Outcome as Outcome
from ._runner import Report as Report
from ._runner import run as run
from ._target import Target as Target
from ._target import Unavailable as Unavailable

if TYPE_CHECKING:
    from . import suite as suite


def __getattr__(name: str) -> Any:
    if name == "suite":
        from importlib import import_module

        return import_module(".suite", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
