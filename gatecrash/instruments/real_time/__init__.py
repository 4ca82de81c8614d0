"""Waiting where time is real: on machines without gates, and for a target whose clock cannot be ours.

All that guesses is here: whether a limit that ended for nothing does so again, for how long a server that wakes by
itself is watched, which sleeps are too long to matter. Where time can be skipped (elapsing.py) nothing of it is needed.

| module | what it guesses |
|---|---|
| `waiting_out.py` | limits are waited out once, within patience |
| `ticks.py` | a wait that ended for nothing in some state does so again: an *early* look, which blames nobody |
"""
