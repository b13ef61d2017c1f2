"""Bytes of any kind to tensors, safely."""

from ._version import __version__ as __version__
from .detect import detect as detect
from .detect import detect_file as detect_file
from .detection import Detection as Detection
from .detection import Evidence as Evidence
from .errors import Corrupt as Corrupt
from .errors import DataError as DataError
from .errors import LimitExceeded as LimitExceeded
from .errors import MissingExtra as MissingExtra
from .errors import PluginFailed as PluginFailed
from .errors import Timeout as Timeout
from .errors import UnknownFormat as UnknownFormat
from .errors import Unreadable as Unreadable
from .errors import UnsupportedFormat as UnsupportedFormat
from .errors import WorkerDied as WorkerDied
from .limits import Limits as Limits
from .samples import Archive as Archive
from .samples import Arrays as Arrays
from .samples import Audio as Audio
from .samples import Bytes as Bytes
from .samples import Image as Image
from .samples import Points as Points
from .samples import Sample as Sample
from .samples import Table as Table
from .samples import Text as Text
from .samples import Video as Video
