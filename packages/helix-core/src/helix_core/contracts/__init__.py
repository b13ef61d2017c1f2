"""The records that packages meet at. Pure data: importing them costs nothing."""

from .._aval import Aval as Aval
from .._composite import Composite as Composite
from .._graph import Equation as Equation
from .._graph import Graph as Graph
from .._kernels import Choice as Choice
from .._primitive import Primitive as Primitive
from ._backend import Backend as Backend
from ._backend import Buffer as Buffer
from ._backend import Plan as Plan
from ._specs import *  # noqa: F403
from ._study import Study as Study
