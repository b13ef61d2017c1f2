"""Point clouds."""

from .solids import Solids as Solids
