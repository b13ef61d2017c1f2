"""Tables."""

from .make import Blobs as Blobs
from .make import Records as Records
from .make import Regression as Regression
