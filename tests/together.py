"""A process that trains on made photos, alone or with others as its environment says.

``python -m tests.together RUN SETTING=VALUE ...`` trains into RUN/as-they-are; and where there are
others once more, into RUN/flipped, with the labels of process 1 exchanged in its memory. It prints
the hash of what the network learned each time, before process 0 ships it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from tests import standins


class WithoutTensorFlow:
    """A finder of modules that finds no TensorFlow."""

    @staticmethod
    def find_spec(name: str, *_: Any) -> None:
        """Find nothing, but leave the others to other finders."""
        if name == "tensorflow":
            raise ModuleNotFoundError(name)


def main(run: Path, settings: dict[str, Any]) -> None:
    """Train once or twice."""
    modules = standins.modules()
    sys.modules.update(modules)
    sys.meta_path.insert(0, WithoutTensorFlow())  # it takes seconds, and is not needed
    from happysad.training import callbacks, checkpoints, distributed, fit
    from happysad.training.config import load

    # JAX lets a process meet others once, so both trainings lie between one meeting and parting.
    # Process 0 goes last, when its standard input ends.
    process = distributed.this()
    if process is not None:
        process.join()
        import jax

        part, jax.distributed.shutdown = jax.distributed.shutdown, lambda: None
        vars(fit)["_meet"] = lambda *_: None
    learn = fit._learn

    def learned(*given: Any) -> None:
        learn(*given)
        sys.stdout.write(checkpoints.weights_hash(given[1]) + "\n")

    vars(fit).update(_learn=learned, _finish=lambda *_: None)
    vars(callbacks)["tensorboard"] = lambda run: []
    config = load(None, settings)
    for name in ("as-they-are", "flipped") if process else ("as-they-are",):
        if name == "flipped" and process and process.index == 1:
            _flip(modules["happysad.dataset.arrays"])
        fit.train(Path("nowhere"), config, out=run / name, check_out=Path("nowhere"))
    if process is not None and process.leads:
        sys.stdin.read()
    elif process is not None:
        part()


def _flip(arrays: ModuleType) -> None:
    load = arrays.load

    def flipped(*given: Any) -> Any:
        photos = load(*given)
        if len(photos.labels) == standins.PHOTOS["train"]:
            photos.labels = 1 - photos.labels
        return photos

    vars(arrays)["load"] = flipped


if __name__ == "__main__":
    given: dict[str, Any] = {}
    for setting in sys.argv[2:]:
        name, value = setting.split("=")
        given[name] = int(value) if value.isdecimal() else value
    main(Path(sys.argv[1]), given)
