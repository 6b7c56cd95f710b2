"""Moves what other packages keep in Redis to this one: dry run, resume, verification, and a report of what was lost."""
