"""Models of random graphs."""

from .communities import LFR as LFR
from .communities import Bipartite as Bipartite
from .communities import BlockModel as BlockModel
from .communities import Caveman as Caveman
from .communities import DegreeCorrected as DegreeCorrected
from .random import BarabasiAlbert as BarabasiAlbert
from .random import ErdosRenyi as ErdosRenyi
from .random import RandomRegular as RandomRegular
from .random import RandomTree as RandomTree
from .random import WattsStrogatz as WattsStrogatz
from .spatial import RMAT as RMAT
from .spatial import Grid as Grid
from .spatial import Motifs as Motifs
from .spatial import RandomGeometric as RandomGeometric
