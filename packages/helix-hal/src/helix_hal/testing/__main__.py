"""``python -m helix_hal.testing``."""

import sys

from ._cli import main

sys.exit(main())
