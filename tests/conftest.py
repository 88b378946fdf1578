"""The order, the threads and the cache of all tests, and folders that are made once for all."""

from __future__ import annotations

import fcntl
import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

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


#: The folder of the tests of the browser.
BROWSER = "tests/web_browser"
#: The modules that take longest begin first, in this order, so that all processes end together.
LONGEST = (
    "test_training_face_fusion",
    "test_training_trainer",
    "test_notebook",
    "test_batch_cluster",
    "test_training_settings",
    "test_training_processes",
    "test_web_teach",
    "test_keras_file",
    "test_recipes_face",
    "test_models",
    "test_demo",
    "test_models_face",
    "test_evaluation_evaluator",
    "test_models_faces_and_photo",
    "test_recipes_face_networks",
    "test_web_limits",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of the browser first, then the longest modules."""
    order = {name: place for place, name in enumerate(LONGEST, start=1)}

    def place(item: pytest.Item) -> int:
        return 0 if _module(item.nodeid) == BROWSER else order.get(item.path.stem, len(order) + 1)

    items.sort(key=place)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Run the tests of a module in one process, and all tests of the browser in one.

    Otherwise every process would make the fixtures of every module, and start a browser.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Modules(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return _module(nodeid)

    config.option.loadscopereorder = False  # keep the order of the tests
    return Modules(config, log)


def _module(nodeid: str) -> str:
    """Return the module of a test, or the folder of the tests of the browser."""
    return BROWSER if nodeid.startswith(BROWSER) else nodeid.partition("::")[0]


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


@pytest.fixture
def eager() -> Iterator[None]:
    """Train without graphs, which take longer to build than a few small batches take to learn."""
    from happysad.keras_backend import quiet

    quiet()
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep decoded photos and notes of moved files out of the user's own folders."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield
