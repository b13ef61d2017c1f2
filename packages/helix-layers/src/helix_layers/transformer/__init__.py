"""Attention, feed-forward layers, Transformer blocks and models."""

from .attention import AttentionMixer as AttentionMixer
from .attention import CrossAttention as CrossAttention
from .attention import KVState as KVState
from .block import AttentionBlock as AttentionBlock
from .block import MLPBlock as MLPBlock
from .block import PostNormBlock as PostNormBlock
from .block import TransformerBlock as TransformerBlock
from .encoder import Encoder as Encoder
from .encoder import EncoderBlock as EncoderBlock
from .encoder import EncoderConfig as EncoderConfig
from .lm import TransformerConfig as TransformerConfig
from .lm import TransformerLM as TransformerLM
from .mlp import MLP as MLP
from .positions import LearnedPositions as LearnedPositions
from .positions import Rotary as Rotary
from .positions import Sinusoids as Sinusoids
from .positions import alibi_slopes as alibi_slopes
