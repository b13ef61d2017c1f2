"""The ``xla`` backend: JAX as executor, whole graphs as one XLA program."""
