"""Synthetic data that checks itself."""

from ._version import __version__ as __version__
