"""NVIDIA GPUs through numba-cuda."""
