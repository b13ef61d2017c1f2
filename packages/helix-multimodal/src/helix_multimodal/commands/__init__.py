"""The subcommands of ``helix`` that this package adds."""
