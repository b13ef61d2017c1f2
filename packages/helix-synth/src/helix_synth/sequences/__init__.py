"""Tasks on sequences of tokens."""

from .copying import Copy as Copy
from .copying import Reverse as Reverse
from .copying import SelectiveCopy as SelectiveCopy
from .copying import Sorting as Sorting
from .learned import Automata as Automata
from .learned import HiddenMarkov as HiddenMarkov
from .learned import InContextRegression as InContextRegression
from .recall import MQAR as MQAR
from .recall import AssociativeRecall as AssociativeRecall
from .recall import Induction as Induction
from .recall import NBack as NBack
from .recall import Needle as Needle
from .state import Addition as Addition
from .state import Dyck as Dyck
from .state import Majority as Majority
from .state import ModularAddition as ModularAddition
from .state import Parity as Parity
from .state import StateTracking as StateTracking
