"""``python -m happysad`` is the command line."""

from happysad.cli import program

program()
