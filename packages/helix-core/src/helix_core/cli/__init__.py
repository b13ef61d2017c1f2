"""The ``helix`` command: a shell around subcommands that are plugins themselves."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from typing import Any

# where a command that is not installed would come from
KNOWN = {
    "train": "helix-hammer",
    "eval": "helix-hammer",
    "generate": "helix-layers",
}


def main(args: list[str] | None = None) -> None:
    """Entry point. Exit codes: 0 fine, 1 a problem, 2 wrong usage.

    Tracebacks are printed where ``HELIX_TRACE`` is set.
    """
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        sys.exit(_run(args))


def _run(args: list[str] | None) -> int:
    import click

    from .._errors import HelixError
    from ._group import helix

    try:
        code = helix.main(args, prog_name="helix", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as e:
        return e.exit_code
    except click.Abort:
        print("aborted", file=sys.stderr)
    except click.ClickException as e:
        e.show()
        return e.exit_code
    except BrokenPipeError:  # `helix plugins | head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as e:
        if os.environ.get("HELIX_TRACE"):
            traceback.print_exc()
        elif isinstance(e, (HelixError, OSError)):
            print(f"error: {e}", file=sys.stderr)
        else:
            hint = "Hint: HELIX_TRACE=1 shows where"
            print(f"error: {type(e).__name__}: {e}. {hint}", file=sys.stderr)
    return 1


def _show_warning(message: Any, *where: Any, **more: Any) -> None:
    """A warning as a line: a user of the command does not want our source lines."""
    print(f"warning: {message}", file=sys.stderr)
