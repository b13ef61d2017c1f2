"""Readers of formats: bytes to samples, every size checked before it is believed."""

from ._registry import decode as decode
from ._registry import decoders as decoders
from ._registry import header as header
from ._registry import refresh as refresh
