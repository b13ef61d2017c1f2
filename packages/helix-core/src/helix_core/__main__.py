"""``python -m helix_core`` is the ``helix`` command."""

from .cli import main

if __name__ == "__main__":
    main()
