"""Standard output that may be full: what cannot be printed costs no verdict."""

from __future__ import annotations

import os
import sys
from typing import Any, TextIO

from gatecrash.language import say


class Outlet:
    """Writes to standard output for as long as that takes what is written; then nowhere, and it is said once.

    Of who stops reading (EPIPE) nothing is said: it has seen enough. The verdict, and the exit code, come all the same.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write it."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._give_up(error)
            return len(text)

    def flush(self) -> None:
        """Have it written."""
        try:
            self._stream.flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """What is in the stream's own buffer goes nowhere, too, lest Python fails with it when it ends."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)
        self._stream.flush()
        if isinstance(error, BrokenPipeError):
            return
        said = say("standard output takes no more ({strerror}); the run goes on.", strerror=error.strerror)
        print(f"gatecrash: {said}", file=sys.stderr)
