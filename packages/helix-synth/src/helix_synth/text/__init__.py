"""Text of grammars."""

from .formal import Arithmetic as Arithmetic
from .formal import Json as Json
from .formal import Logic as Logic
from .formal import Patterns as Patterns
from .formal import Programs as Programs
from .language import Dates as Dates
from .language import English as English
from .language import NumberWords as NumberWords
from .language import Ordering as Ordering
from .language import Roman as Roman
