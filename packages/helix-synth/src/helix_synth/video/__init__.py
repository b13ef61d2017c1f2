"""Captioned films of simple physics."""

from .forces import Bouncing as Bouncing
from .forces import Colliding as Colliding
from .forces import Falling as Falling
from .forces import Thrown as Thrown
from .swings import Orbiting as Orbiting
from .swings import Pendulum as Pendulum
from .swings import Spring as Spring
from .turns import Growing as Growing
from .turns import Sliding as Sliding
from .turns import Spinning as Spinning
