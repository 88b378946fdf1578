"""Run the course on drawn faces, and store its outputs in the notebook (make notebook)."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

__all__ = ["NOTEBOOK", "executed", "sources_hash"]

NOTEBOOK = Path(__file__).with_name("getting_started.ipynb")

# The longest time of a cell in seconds.
_TIMEOUT = 3600


def executed(notebook: NotebookNode, folder: Path) -> NotebookNode:
    """Run all cells in a new kernel, and return the notebook with their outputs.

    Progress and warnings, which the cells write to standard error, are left out: they would differ
    from one machine to the next.

    Args:
        notebook: the notebook; its outputs are replaced.
        folder: the working folder of the kernel.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell raises an error.
    """
    client = NotebookClient(
        notebook,
        timeout=_TIMEOUT,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
    )
    done: NotebookNode = client.execute()
    for cell in done.cells:
        if cell.cell_type == "code":
            cell.outputs = [one for one in cell.outputs if one.get("name") != "stderr"]
    done.metadata.pop("language_info", None)
    done.metadata["sources"] = sources_hash(done)
    return done


def sources_hash(notebook: NotebookNode) -> str:
    """Return the SHA-256 of the sources of all code cells, 64 hex digits."""
    sources = "\0".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    return hashlib.sha256(sources.encode()).hexdigest()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        os.environ["XDG_CACHE_HOME"] = str(Path(name, "cache"))
        os.environ["IPYTHONDIR"] = str(Path(name, "ipython"))
        work = Path(name, "work")
        work.mkdir()
        nbformat.write(executed(nbformat.read(NOTEBOOK, 4), work), NOTEBOOK)
