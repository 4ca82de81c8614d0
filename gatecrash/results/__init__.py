"""The record of a run, and what is computed of it: points, known failures, what was alike."""
