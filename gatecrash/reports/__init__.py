"""The faces of a run: each format a module with `render(record)`, all from the one record.

A format's module may say `LIVE = True`: its file is written anew after every rule, so that a run that is cut off
still leaves what it knew; and `APPEND = True`: it is added to a file that others write to as well.
"""
