"""Which moment of one sequence belongs to which of another."""

from .ctc import Alignment as Alignment
from .ctc import Span as Span
from .ctc import forced_align as forced_align
from .dtw import Warp as Warp
from .dtw import dtw as dtw
from .dtw import dtw_path as dtw_path
from .dtw import kendall_tau as kendall_tau
from .dtw import path_error as path_error
from .soft_dtw import soft_dtw as soft_dtw
from .soft_dtw import soft_dtw_divergence as soft_dtw_divergence
