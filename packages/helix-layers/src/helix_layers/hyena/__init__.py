"""Gated long convolutions: Hyena (Poli et al., arXiv:2302.10866) and HyenaDNA."""

from ._block import HyenaBlock as HyenaBlock
from ._filter import HyenaFilter as HyenaFilter
from ._infill import from_infill as from_infill
from ._infill import infill_pair as infill_pair
from ._infill import to_infill as to_infill
from ._lm import HyenaConfig as HyenaConfig
from ._lm import HyenaLM as HyenaLM
from ._mixer import HyenaMixer as HyenaMixer
from ._mixer import HyenaState as HyenaState
