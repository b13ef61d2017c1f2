"""One file per section of the kit."""
