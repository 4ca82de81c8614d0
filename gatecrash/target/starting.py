"""How the program of a target is started in an arena."""

from __future__ import annotations

from gatecrash.model.launch import Launch
from gatecrash.sandbox.arena import Arena
from gatecrash.sandbox.process import Process
from gatecrash.target.report_watch import note_start


def start(arena: Arena, launch: Launch, port: int, traps: frozenset[str] = frozenset()) -> Process:
    """Start it with this port; its calls of the families in `traps` come to the gates."""
    note_start(launch)
    return arena.spawn(
        launch.command(port),
        cwd=launch.cwd,
        env=launch.environment(port),
        traps=traps,
        typed=launch.typed,
        terminal=launch.terminal,
    )
