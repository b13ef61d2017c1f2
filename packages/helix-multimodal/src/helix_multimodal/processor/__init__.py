"""Anything to tensors: detect, decode within limits, make arrays, batch and fuse."""

from ._processor import IntelligentProcessor as IntelligentProcessor

__all__ = ["IntelligentProcessor"]
