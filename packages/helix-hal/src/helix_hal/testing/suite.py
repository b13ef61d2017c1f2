"""Every section: subclass them in pytest, or let the command run them all."""

from __future__ import annotations

from ._case import Section
from .sections.arithmetic import Arithmetic as Arithmetic
from .sections.checkpoints import Checkpoints as Checkpoints
from .sections.compiled import Compiled as Compiled
from .sections.composites import Composites as Composites
from .sections.contractions import Contractions as Contractions
from .sections.control import Control as Control
from .sections.determinism import Determinism as Determinism
from .sections.dtypes import Dtypes as Dtypes
from .sections.errors import Errors as Errors
from .sections.fourier import Fourier as Fourier
from .sections.indexing import Indexing as Indexing
from .sections.memory import Memory as Memory
from .sections.movement import Movement as Movement
from .sections.protocol import Protocol as Protocol
from .sections.random import Random as Random
from .sections.reductions import Reductions as Reductions
from .sections.scans import Scans as Scans
from .sections.shapes import Shapes as Shapes
from .sections.sorting import Sorting as Sorting
from .sections.transfers import Transfers as Transfers

SECTIONS: tuple[type[Section], ...] = (
    Protocol,
    Arithmetic,
    Dtypes,
    Movement,
    Reductions,
    Indexing,
    Scans,
    Contractions,
    Sorting,
    Fourier,
    Control,
    Random,
    Composites,
    Compiled,
    Checkpoints,
    Transfers,
    Determinism,
    Errors,
    Memory,
    Shapes,
)


def classes(
    device: str, profile: str = "ci", xfails: str | None = None
) -> dict[str, type]:
    """A pytest class for every section: ``globals().update(suite.classes("mine:0"))``.

    Parameters
    ----------
    device : str
    profile : str
    xfails : str, optional
        The path of an xfails file.
    """
    body = {"device": device, "profile": profile, "xfails": xfails}
    return {
        f"Test{s.__name__}": type(f"Test{s.__name__}", (s,), body) for s in SECTIONS
    }
