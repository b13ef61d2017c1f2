"""The ``helix`` command: a shell around subcommands that are plugins themselves."""

from __future__ import annotations

import os
import sys
import traceback

# where a command that is not installed would come from
KNOWN = {
    "train": "helix-hammer",
    "eval": "helix-hammer",
    "generate": "helix-layers",
}


def main(args: list[str] | None = None) -> None:
    """Entry point. Exit codes: 0 fine, 1 a problem, 2 wrong usage."""
    import click

    from .._errors import HelixError
    from ._group import helix

    try:
        code = helix.main(args, prog_name="helix", standalone_mode=False)
    except click.exceptions.Exit as e:
        code = e.exit_code
    except click.Abort:
        print("aborted", file=sys.stderr)
        code = 1
    except click.ClickException as e:
        e.show()
        code = e.exit_code
    except (HelixError, OSError) as e:
        if os.environ.get("HELIX_TRACE"):
            traceback.print_exc()
        else:
            print(f"error: {e}", file=sys.stderr)
        code = 1
    sys.exit(code if isinstance(code, int) else 0)
