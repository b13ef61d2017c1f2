"""Experiments on real data for ``helix study``: which fusion can learn what."""
