"""Copy the table of figures from the card of the shipped classifier.

    python benchmarks/shipped.py --write FILE

`recipes.face` measures these figures on FER2013's test faces, once for each version, and writes the
card.
"""

from __future__ import annotations

import argparse
from itertools import dropwhile, takewhile
from pathlib import Path

from happysad.files import write_text
from happysad.model_file import SHIPPED


def table(card: str) -> str:
    """Return the first table under the heading "How good it is"."""
    after = card.split("## How good it is\n", 1)[1].splitlines()
    rows = takewhile(lambda line: line.startswith("|"), dropwhile(lambda line: not line, after))
    return "\n".join(rows) + "\n"


def main() -> None:
    """Print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", type=Path, help="file to which the table is also written")
    chosen = parser.parse_args()
    text = table(SHIPPED.with_name("MODEL_CARD.md").read_text(encoding="utf-8"))
    print(text, end="")
    if chosen.write:
        write_text(chosen.write, text)


if __name__ == "__main__":
    main()
