"""The NumPy backend: slow, simple, and the definition of what every op means."""
