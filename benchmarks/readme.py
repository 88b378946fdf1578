"""Bring what the benchmarks measured into README.md; nobody types a figure there.

    python benchmarks/readme.py

Between ``<!-- results/NAME.md -->`` and ``<!-- end -->`` stands what is in that file.
"""

from __future__ import annotations

import re
from pathlib import Path

from happysad.files import write_text

__all__ = ["README", "with_results"]

README = Path(__file__).parents[1] / "README.md"

_PLACE = re.compile(r"(<!-- (results/\w+\.md) -->\n).*?(<!-- end -->)", re.DOTALL)


def with_results(text: str) -> str:
    """Give README's text with the results of today in it."""
    folder = Path(__file__).parent

    def filled(place: re.Match[str]) -> str:
        result = (folder / place[2]).read_text(encoding="utf-8")
        return f"{place[1]}\n{result.strip()}\n\n{place[3]}"

    return _PLACE.sub(filled, text)


if __name__ == "__main__":
    write_text(README, with_results(README.read_text(encoding="utf-8")))
