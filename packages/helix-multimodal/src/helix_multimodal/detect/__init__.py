"""What bytes are: signatures, containers, footers, text grammars and encodings."""

from .detectors import refresh as refresh
from .encodings import guesses as guesses
from .engine import candidates as candidates
from .engine import candidates_ends as candidates_ends
from .engine import detect as detect
from .engine import detect_ends as detect_ends
from .files import detect_file as detect_file
from .table import FORMATS as FORMATS
from .table import Format as Format
