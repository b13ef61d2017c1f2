"""Processes in time."""

from .kernel_synth import KernelSynth as KernelSynth
from .linear import ARMA as ARMA
from .linear import GARCH as GARCH
from .linear import OrnsteinUhlenbeck as OrnsteinUhlenbeck
from .linear import RandomWalk as RandomWalk
from .linear import Regimes as Regimes
from .shapes import ChangePoints as ChangePoints
from .shapes import Counts as Counts
from .shapes import LogisticMap as LogisticMap
from .shapes import Lorenz as Lorenz
from .shapes import Seasonal as Seasonal
from .shapes import Sinusoids as Sinusoids
from .shapes import Waves as Waves
