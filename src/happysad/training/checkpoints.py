"""Checkpoints: weights, optimizer and state after each epoch, from which training resumes exactly.

The learning rate's schedule follows the optimizer's step count, and dropout's generators are
variables of the network, so the file contains both; the feed needs only the epoch's number.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from happysad.errors import RunError, shown
from happysad.files import replacing
from happysad.run import Epoch

if TYPE_CHECKING:
    import keras

__all__ = [
    "State",
    "best",
    "digest",
    "latest",
    "prune",
    "read_state",
    "restore",
    "save",
    "weights_hash",
]


@dataclass(frozen=True, kw_only=True)
class State:
    """The state of a training between two epochs."""

    epoch: int = 0
    """The number of epochs done, over all phases."""
    phase: int = 0
    """0, or 1 while a backbone is fine-tuned."""
    phase_start: int = 0
    """The number of epochs that were done when this phase began."""
    waited: int = 0
    """Epochs of this phase since the best one."""
    best_epoch: int = 0
    """The epoch (from 1) with the lowest val_loss; 0 before the first."""
    best_loss: float = math.inf
    history: tuple[Epoch, ...] = ()


def save(folder: Path, state: State, model: keras.Model) -> None:
    """Write ``NNN.npz``, where NNN is the number of epochs done, completely or not at all.

    If the network is compiled, the file contains the optimizer's state.
    """
    optimizer = getattr(model, "optimizer", None)
    with replacing(_file(folder, state.epoch)) as temporary:
        np.savez(
            temporary,
            state=np.array(json.dumps(asdict(state))),
            **_arrays("model", model.variables),
            **_arrays("optimizer", optimizer.variables if optimizer else ()),
        )


def latest(folder: Path) -> Path:
    """Return the last checkpoint.

    Raises:
        RunError: there is none.
    """
    epochs = _epochs(folder)
    if not epochs:
        raise RunError(f"{folder}: no checkpoint, so this run cannot be resumed")
    return _file(folder, epochs[-1])


def best(folder: Path, state: State) -> Path:
    """Return the checkpoint of the epoch with the lowest val_loss."""
    return _file(folder, state.best_epoch)


def prune(folder: Path, state: State) -> None:
    """Remove all checkpoints but the last two and the best, and files of interrupted writes."""
    kept = {*_epochs(folder)[-2:], state.best_epoch}
    for epoch in _epochs(folder):
        if epoch not in kept:
            _file(folder, epoch).unlink()
    for leftover in folder.glob(".*.npz"):
        leftover.unlink()


def read_state(file: Path) -> State:
    """Return the state in a checkpoint.

    Raises:
        RunError: the file is damaged.
    """
    with _opened(file) as stored:
        fields = json.loads(str(stored["state"]))
        history = tuple(Epoch(**row) for row in fields["history"])
        return State(**{**fields, "history": history})


def restore(file: Path, model: keras.Model, *, optimizer: bool) -> None:
    """Load a checkpoint's weights into a network and, if `optimizer`, the optimizer's state.

    Raises:
        RunError: the file is damaged, or belongs to another network or version of Keras.
    """
    with _opened(file) as stored:
        _assign(file, stored, "model", model.variables)
        if optimizer:
            _assign(file, stored, "optimizer", model.optimizer.variables)


def digest(file: Path) -> str:
    """Return the SHA-256 of a checkpoint's file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def weights_hash(model: keras.Model) -> str:
    """Return the SHA-256 of all weights in the network's order: their types, shapes and bits."""
    digest = hashlib.sha256()
    for weight in model.get_weights():
        digest.update(f"{weight.dtype.str}{weight.shape}".encode())
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    """Open a checkpoint, and turn the many errors of a damaged one into one line."""
    try:
        with file.open("rb") as opened, np.load(opened) as stored:
            yield stored
    except RunError:
        raise
    except Exception as error:
        raise RunError(f"{file}: a damaged checkpoint: {shown(str(error))}") from error


def _file(folder: Path, epoch: int) -> Path:
    return folder / f"{epoch:03}.npz"


def _epochs(folder: Path) -> list[int]:
    return sorted(int(file.stem) for file in folder.glob("[0-9]*.npz"))


def _arrays(kind: str, variables: Sequence[Any]) -> dict[str, Any]:
    import keras

    return {
        f"{kind}{number:04}": keras.ops.convert_to_numpy(variable)
        for number, variable in enumerate(variables)
    }


def _assign(file: Path, stored: Any, kind: str, variables: Sequence[Any]) -> None:
    names = [name for name in stored.files if name.startswith(kind)]
    fits = len(names) == len(variables) and all(
        stored[name].shape == tuple(variable.shape)
        for name, variable in zip(names, variables, strict=True)
    )
    if not fits:
        raise RunError(f"{file}: its {kind} variables do not fit the network of this run")
    for name, variable in zip(names, variables, strict=True):
        variable.assign(stored[name])
