"""The engine room of HelixML: training that can be killed, and resumed bit for bit."""

from ._version import __version__ as __version__
from .callbacks import Callback as Callback
from .corpus import ByteWindows as ByteWindows
from .corpus import Corpus as Corpus
from .corpus import DataError as DataError
from .corpus import load as load_corpus
from .trainer import Trainer as Trainer
from .trainer import TrainingError as TrainingError
