"""torch's operator database on our functions: see `harness`."""
