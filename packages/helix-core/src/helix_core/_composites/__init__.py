"""Named functions with a default body and, per backend, kernels that may replace it."""

from .attention import attention as attention
from .convolution import causal_conv1d as causal_conv1d
from .cross_entropy import linear_cross_entropy as linear_cross_entropy
from .dropout import dropout as dropout
from .embedding import embedding as embedding
from .linear import linear as linear
from .normalisation import layer_norm as layer_norm
from .normalisation import rms_norm as rms_norm
from .rotary import rotary as rotary
from .selective_scan import selective_scan as selective_scan
from .softmax import log_softmax as log_softmax
from .softmax import softmax as softmax
