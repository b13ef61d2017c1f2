"""Sound."""

from .codes import Clicks as Clicks
from .codes import Dtmf as Dtmf
from .codes import Morse as Morse
from .instruments import Bells as Bells
from .instruments import Chords as Chords
from .instruments import Notes as Notes
from .instruments import Plucks as Plucks
from .waves import FM as FM
from .waves import Chirps as Chirps
from .waves import Tones as Tones
