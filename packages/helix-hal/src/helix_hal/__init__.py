"""Fast backends of HelixML: numba kernels for the CPU, and what they stand on."""

from ._version import __version__ as __version__
