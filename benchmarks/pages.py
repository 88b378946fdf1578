"""Copy the results of the benchmarks into the pages.

    python benchmarks/pages.py

The text between ``<!-- results/NAME.md -->`` and ``<!-- end -->`` is the content of that file.
"""

from __future__ import annotations

import re
from pathlib import Path

from happysad.files import write_text

__all__ = ["PAGES", "with_results"]

_ROOT = Path(__file__).parents[1]
PAGES = tuple(_ROOT / page for page in ("README.md", "docs/measured.md", "docs/scale.md"))

_PLACE = re.compile(r"(<!-- (results/\w+\.md) -->\n).*?(<!-- end -->)", re.DOTALL)


def with_results(text: str) -> str:
    """Return a page's text with the current results in it."""
    folder = Path(__file__).parent

    def filled(place: re.Match[str]) -> str:
        result = (folder / place[2]).read_text(encoding="utf-8")
        return f"{place[1]}\n{result.strip()}\n\n{place[3]}"

    return _PLACE.sub(filled, text)


if __name__ == "__main__":
    for page in PAGES:
        write_text(page, with_results(page.read_text(encoding="utf-8")))
