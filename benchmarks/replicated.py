"""Write the result of `happysad replicate` as a table: why tutorials report 1.00.

    python benchmarks/replicated.py DIR --out FOLDER --write FILE

FOLDER keeps every finished training, so that the script does not repeat it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from happysad.files import write_text
from happysad.training.replication import replicate


def main() -> None:
    """Train by both protocols; print and write a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/replicated"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--write", type=Path, help="file to which the table is also written")
    chosen = parser.parse_args()
    result = replicate(
        chosen.data, out=chosen.out, check_folder=chosen.out / "check", seeds=chosen.seeds
    )
    lines = [
        f"| protocol, {result.seeds} seeds | accuracy (95 %) | n per seed | also trained on |",
        "|---|---|---|---|",
    ]
    for name, protocol in result.protocols.items():
        assert protocol.interval is not None
        low, high = protocol.interval
        sizes = sorted({run.n for run in protocol.runs})
        n = "-".join(str(size) for size in dict.fromkeys((sizes[0], sizes[-1])))
        accuracy = f"{protocol.accuracy:.3f} ({low:.3f} to {high:.3f})"
        lines.append(f"| {name} | {accuracy} | {n} | {protocol.seen} of {protocol.judged} |")
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if chosen.write:
        write_text(chosen.write, text)


if __name__ == "__main__":
    main()
