"""Write commands.md: an example and the whole --help of every command (make docs)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

__all__ = ["FILE", "commands", "text"]

FILE = Path(__file__).with_name("commands.md")

#: An example of each command, in the order in which they are used.
EXAMPLES = {
    "demo": "happysad demo",
    "info": "happysad info",
    "import": "happysad import fer2013.csv photos",
    "check": "happysad check photos --quarantine aside",
    "train": "happysad train photos --model classic --epochs 40",
    "evaluate": "happysad evaluate others --json",
    "predict": "happysad predict photos --out results",
    "report": "happysad report results --sort-into sorted",
    "cluster": "happysad cluster --workers 2",
    "serve": "happysad serve",
    "video": "happysad video party.mp4 --csv party.csv --out party-drawn.mp4",
    "webcam": "happysad webcam --terminal",
    "replicate": "happysad replicate photos",
    "export": "happysad export runs/photos-face-1 happysad.tflite",
}

HEAD = """# Commands

Written by `make docs` from `happysad COMMAND --help`; do not edit by hand.

Results go to standard output, progress and errors to standard error. The exit status is 0 where all
went well, 1 where work failed, 2 where the call was wrong.
"""


def commands() -> list[str]:
    """Give the names of all commands, as they stand in the command line."""
    from happysad.cli import app

    return sorted(
        command.name or command.callback.__name__
        for command in app.registered_commands
        if command.callback
    )


def text() -> str:
    """Give the whole page.

    Raises:
        ValueError: a command has no example, or an example no command.
    """
    if sorted(EXAMPLES) != commands():
        raise ValueError(f"EXAMPLES has {sorted(EXAMPLES)}, the commands are {commands()}")
    parts = [HEAD, _help()]
    for name, example in EXAMPLES.items():
        parts.append(f"\n## happysad {name}\n\n    {example}\n\n{_help(name)}")
    return "".join(parts)


def _help(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "happysad", *command, "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "96", "NO_COLOR": "1"},
    )
    lines = (line.rstrip() for line in done.stdout.strip().splitlines())
    return "```\n" + "\n".join(lines) + "\n```\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
