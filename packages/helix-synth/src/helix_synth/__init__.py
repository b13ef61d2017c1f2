"""Synthetic data that checks itself."""

from ._block import Block as Block
from ._block import Ragged as Ragged
from ._fields import field as field
from ._version import __version__ as __version__
from .distributions import Draws as Draws
from .errors import ManifestError as ManifestError
from .errors import MissingExtra as MissingExtra
from .errors import SpecError as SpecError
from .errors import SynthError as SynthError
from .errors import VerificationError as VerificationError
from .generator import Generator as Generator
from .sinks import Sink as Sink
from .system import Samples as Samples
from .system import SyntheticDataSystem as SyntheticDataSystem
