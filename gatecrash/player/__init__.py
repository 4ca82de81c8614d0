"""Plays a scenario on a running server and writes the transcript."""
