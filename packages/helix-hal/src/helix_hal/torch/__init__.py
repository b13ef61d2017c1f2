"""The ``torch`` backend: PyTorch as executor, on every device that it knows."""
