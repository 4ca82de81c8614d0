"""What commands print on: a console of Rich's whose reader may leave."""

from __future__ import annotations

from rich.console import Console


class Screen(Console):
    """Rich ends the program with status 1 when nobody reads any more; here it is an error like any other."""

    def on_broken_pipe(self) -> None:
        """Raises BrokenPipeError: who read what we print has seen enough (gatecrash.results.exit_codes)."""
        raise BrokenPipeError
