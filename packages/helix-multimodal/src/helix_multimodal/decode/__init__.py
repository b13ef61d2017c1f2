"""Readers of formats: bytes to samples, every size checked before it is believed."""
