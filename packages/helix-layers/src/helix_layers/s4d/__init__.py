"""Diagonal state spaces: S4D (Gu et al., arXiv:2206.11893)."""

from ._kernel import S4DKernel as S4DKernel
from ._mixer import S4Block as S4Block
from ._mixer import S4DMixer as S4DMixer
from ._mixer import S4DState as S4DState
