"""Write commands.md: an example and the whole --help of every command (make docs)."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from happysad.cli import COMMANDS, app

__all__ = ["FILE", "text"]

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


def text() -> str:
    """Return the whole page.

    Raises:
        ValueError: a command has no example, or an example no command.
    """
    if sorted(EXAMPLES) != sorted(COMMANDS):
        raise ValueError(f"EXAMPLES has {sorted(EXAMPLES)}, the commands are {sorted(COMMANDS)}")
    parts = [HEAD, _help()]
    for name, example in EXAMPLES.items():
        parts.append(f"\n## happysad {name}\n\n    {example}\n\n{_help(name)}")
    return "".join(parts)


def _help(*command: str) -> str:
    done = CliRunner(env={"COLUMNS": "96", "NO_COLOR": "1"}).invoke(
        app, [*command, "--help"], prog_name="happysad", catch_exceptions=False
    )
    lines = (line.rstrip() for line in done.stdout.strip().splitlines())
    return "```\n" + "\n".join(lines) + "\n```\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
