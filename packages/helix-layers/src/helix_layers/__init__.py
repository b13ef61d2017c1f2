"""Layers, blocks and whole models of HelixML."""

from ._block import Block as Block
from ._check import LayerError as LayerError
from ._dropout import Dropout as Dropout
from ._embedding import Embedding as Embedding
from ._linear import Linear as Linear
from ._linear import linear as linear
from ._lm import LanguageModel as LanguageModel
from ._mamba import MambaBlock as MambaBlock
from ._mamba import MambaMixer as MambaMixer
from ._mamba import MambaState as MambaState
from ._mamba import StepSizes as StepSizes
from ._mamba_lm import LMState as LMState
from ._mamba_lm import MambaConfig as MambaConfig
from ._mamba_lm import MambaLM as MambaLM
from ._normalisation import LayerNorm as LayerNorm
from ._normalisation import RMSNorm as RMSNorm
from ._sampling import Sampler as Sampler
from ._stack import Stack as Stack
from ._stack import StackConfig as StackConfig
from ._stack import StackLM as StackLM
from ._version import __version__ as __version__
