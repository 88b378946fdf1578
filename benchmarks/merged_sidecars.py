"""Show what `happysad report --tag` changes in sidecars of digiKam and Lightroom, as a diff.

    PYTHONPATH=. python benchmarks/merged_sidecars.py

The photo has one happy face. Each difference is unified, with one line around each change.
"""

from __future__ import annotations

import difflib
from pathlib import Path

from happysad.batch.sidecar import Region, Sidecar
from happysad.files import write_text
from tests.sidecars import SIDECARS

_FACE = Region("happy", 0.6, 0.5, 0.1, 0.2, "happy 93 %")
_NAMES = {"digikam": "photo.jpg.xmp", "lightroom": "photo.xmp"}


def diff(program: str) -> str:
    """Return the changed lines of the sidecar of a program, and the lines around them."""
    before = SIDECARS[program]
    sidecar = Sidecar(before, "photo.jpg")
    sidecar.tag("happy", (_FACE,), (640, 480), ["happy"])
    after = sidecar.dump()
    assert after is not None
    name = _NAMES[program]
    one, other = (data.decode().splitlines() for data in (before, after))
    lines = difflib.unified_diff(one, other, name, f"{name}, with tags", n=1, lineterm="")
    return "\n".join(lines)


def main() -> None:
    """Write the differences."""
    text = "\n\n".join(f"```diff\n{diff(program)}\n```" for program in _NAMES)
    write_text(Path(__file__).parent / "results" / "merged_sidecars.md", text + "\n")


if __name__ == "__main__":
    main()
