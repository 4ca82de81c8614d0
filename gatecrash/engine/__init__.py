"""Tries rules on a target: prepares it, makes clients up, judges, shrinks, spreads the work over processes."""
