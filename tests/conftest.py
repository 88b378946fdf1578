"""The order, the threads and the cache of all tests, and folders that are made once for all."""

from __future__ import annotations

import fcntl
import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Once = Callable[[str, Callable[[Path], None]], Path]

if "PYTEST_XDIST_WORKER" in os.environ:
    # One thread per process, because each process has one core. TensorFlow and numpy read these
    # variables when they are imported, here and in the processes that tests start.
    for _name in (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "TF_NUM_INTEROP_THREADS",
        "TF_NUM_INTRAOP_THREADS",
    ):
        os.environ.setdefault(_name, "1")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the browser tests first and in one process, then the slow modules, then all others.

    Otherwise every process would start a server and a browser, and one process would still wait for
    its browser, or train, when the others are done.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    browser = {item for item in items if item.get_closest_marker("browser")}
    for item in browser:
        item.add_marker(pytest.mark.xdist_group("browser"))
    items.sort(key=lambda item: (item not in browser, item.path not in slow))


def pytest_collection_finish() -> None:
    """Exempt what the test modules have imported from garbage collection.

    Otherwise Python walks through TensorFlow and all others again and again.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Make a folder once for all processes of this session; tests copy it before they change it.

    ``once(name, make)`` returns the folder; the first call in any process runs ``make(folder)``.
    """
    base = tmp_path_factory.getbasetemp()
    root = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def made(name: str, make: Callable[[Path], None]) -> Path:
        folder, finished = root / f"once-{name}", root / f"once-{name}.finished"
        with (root / f"once-{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not finished.exists():
                folder.mkdir()
                make(folder)
                finished.touch()
        return folder

    return made


@pytest.fixture(scope="module")
def blank_plots() -> Iterator[None]:
    """Write every plot as one white pixel, for tests that do not look at the plots of a run."""
    from matplotlib.figure import Figure

    from happysad.evaluation import plots

    save = plots.save

    def blank(_: Figure, file: Path) -> None:
        save(Figure((0.01, 0.01), dpi=100), file)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots, "save", blank)
        yield


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep decoded photos and notes of moved files out of the user's own folders."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield
