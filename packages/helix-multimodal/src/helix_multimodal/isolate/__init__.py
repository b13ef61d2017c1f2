"""Containment of crashes: decoders in worker processes that may die.

A worker is a process of its own with limits on memory, processor time, open files and
writing (on Windows: wall clock alone). It contains crashes, hangs and hunger; it is no
sandbox against code that an attacker runs in it.
"""

from ._pool import Pool as Pool
from ._pool import call as call
from ._pool import close as close
