"""Measurements beside other people's code: ``python -m benchmarks SUITE``."""
