"""Measure what each extra takes on the disk, each in a new environment.

    python benchmarks/installed.py [--write FILE]

uv installs happysad with one extra, in the versions that `requirements/dev.txt` pins. The sizes
are those of all files, before Python writes its byte code. What two extras share counts for both.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from happysad.files import write_text

_ROOT = Path(__file__).parents[1]


def installed(uv: str, extra: str) -> tuple[int, int]:
    """Return the bytes and the packages of happysad with an extra, or with none for ""."""
    what = f"{_ROOT}[{extra}]" if extra else str(_ROOT)
    pinned = ("--no-verify-hashes", "--constraints", _ROOT / "requirements" / "dev.txt")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([uv, "venv", "-q", "--python", sys.executable, folder], check=True)
        python = Path(folder, "bin", "python")
        subprocess.run([uv, "pip", "install", "-q", "--python", python, *pinned, what], check=True)
        files = [one for one in Path(folder, "lib").rglob("*") if one.is_file()]
        packages = [one for one in files if one.match("*.dist-info/METADATA")]
        return sum(one.stat().st_size for one in files), len(packages)


def main() -> None:
    """Print a table, and write it if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", type=Path, help="file to which the table is also written")
    options = parser.parse_args()
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = ["| install | MB | more than happysad alone, MB | packages |", "|---|---|---|---|"]
    alone = 0
    for extra in ("", *project["optional-dependencies"]):
        if extra == "dev":
            continue
        size, packages = installed(uv, extra)
        alone = alone or size
        name = f"`happysad[{extra}]`" if extra else "`happysad`"
        more = f"{(size - alone) / 1e6:,.0f}" if extra else ""
        lines.append(f"| {name} | {size / 1e6:,.0f} | {more} | {packages} |")
        print(lines[-1], file=sys.stderr, flush=True)
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if options.write:
        write_text(options.write, text)


if __name__ == "__main__":
    main()
