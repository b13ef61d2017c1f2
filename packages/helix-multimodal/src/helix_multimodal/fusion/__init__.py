"""Learned fusion of modalities: ``pip install 'helix-multimodal[fusion]'``."""

from ._attention import Part as Part
from ._base import Fused as Fused
from ._base import Fusion as Fusion
from .bottleneck import BottleneckFusion as BottleneckFusion
from .cross import CrossFusion as CrossFusion
from .early import EarlyFusion as EarlyFusion
from .late import LateFusion as LateFusion
from .low_rank import LowRankFusion as LowRankFusion
from .resampler import Resampler as Resampler

MODES = {
    "early": EarlyFusion,
    "late": LateFusion,
    "cross": CrossFusion,
    "bottleneck": BottleneckFusion,
    "resampler": Resampler,
    "low_rank": LowRankFusion,
}
