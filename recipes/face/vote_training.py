"""Train one network on shares of votes, and resume if interrupted."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from happysad.files import replacing
from recipes.face.augmentation import Changes, augment

__all__ = ["Examples", "Schedule", "load", "train"]

# The number of seconds between two checkpoints within an epoch.
_SAVED_EVERY = 300
_BATCH = 64


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How one network is trained."""

    head_epochs: int = 0
    """Epochs in which only the last layer learns, before the others."""
    epochs: int
    """Epochs in which all layers learn."""
    rate: float
    """The peak learning rate; it falls to zero as a cosine in each of the two phases."""
    warmup: float = 0.0
    """The share of the second phase in which the rate rises from zero."""
    weight_decay: float = 1e-4
    changes: Changes = field(default_factory=Changes)
    """The augmentation."""
    seed: int = 0
    saved_every: float = _SAVED_EVERY
    """Seconds between two checkpoints within an epoch."""


@dataclass(frozen=True)
class Examples:
    """Faces and what a network should answer for them."""

    images: NDArray[np.uint8]
    """Shape (n, side, side, 1)."""
    targets: NDArray[np.float32]
    """Probabilities of the emotions, shape (n, 8)."""
    anew: NDArray[np.uint8] | None = None
    """The same faces in other crops, shape (n, side, side, 1). Each step draws one of the two
    crops of each face."""


def train(
    model: keras.Model, learned: Examples, validation: Examples, schedule: Schedule, folder: Path
) -> None:
    """Train `model`, which ends with the weights of the last step.

    Args:
        model: a new network whose output is logits; also if an interrupted training continues.
        learned: the training faces.
        validation: faces that are judged after each epoch; they decide nothing.
        schedule: how it is trained.
        folder: the folder of last.npz (weights, optimizer, step) and of history.jsonl, which has a
            row for each epoch.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "last.npz"
    per_epoch = -(-len(learned.images) // _BATCH)
    head = schedule.head_epochs * per_epoch
    for head_alone, first, last in (
        (True, 0, head),
        (False, head, head + schedule.epochs * per_epoch),
    ):
        done = _step(file)
        if done < last:
            _compile(model, schedule, last - first, head_alone=head_alone)
            if done:
                _restore(file, model, optimizer=done > first)
            _steps(model, learned, validation, schedule, folder, range(done, last))
    load(model, folder)


def load(model: keras.Model, folder: Path) -> None:
    """Load the last weights of a training into `model`."""
    _restore(folder / "last.npz", model, optimizer=False)


def _steps(
    model: keras.Model,
    learned: Examples,
    validation: Examples,
    schedule: Schedule,
    folder: Path,
    steps: range,
) -> None:
    """Take the steps of one phase; their numbers count from the beginning of the training."""
    per_epoch = -(-len(learned.images) // _BATCH)
    losses: list[float] = []
    begun = saved = time.monotonic()
    for step, (images, targets) in zip(steps, _batches(learned, schedule, steps), strict=True):
        losses.append(float(model.train_on_batch(images, targets)))
        ends = (step + 1) % per_epoch == 0
        if not ends and time.monotonic() - saved < schedule.saved_every:
            continue
        _save(folder / "last.npz", model, step + 1)
        saved = time.monotonic()
        if ends:
            row = {
                "epoch": (step + 1) // per_epoch,
                "loss": round(float(np.mean(losses)), 4),
                "val_loss": round(_loss(model, validation), 4),
                "steps": len(losses),
                "seconds": round(time.monotonic() - begun, 1),
                "cpu_seconds": round(time.process_time(), 1),
            }
            with (folder / "history.jsonl").open("a") as history:
                history.write(json.dumps(row) + "\n")
            print(folder.name, row, flush=True)  # noqa: T201
            losses, begun = [], time.monotonic()


def _batches(
    learned: Examples, schedule: Schedule, steps: range
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
    """Yield the batch of each step; it depends only on the step's number and the seed."""
    count = len(learned.images)
    per_epoch = -(-count // _BATCH)
    crops = [learned.images] if learned.anew is None else [learned.images, learned.anew]
    for step in steps:
        epoch, batch = divmod(step, per_epoch)
        order = np.random.default_rng((schedule.seed, epoch)).permutation(count)
        rows = order[batch * _BATCH : (batch + 1) * _BATCH]
        rng = np.random.default_rng((schedule.seed, epoch, batch))
        images = [
            augment(crops[rng.integers(len(crops))][row], schedule.changes, rng) for row in rows
        ]
        yield np.stack(images), learned.targets[rows]


def _compile(model: keras.Model, schedule: Schedule, steps: int, *, head_alone: bool) -> None:
    for layer in model.layers[:-1]:
        layer.trainable = not head_alone
    warmup = 0 if head_alone else round(schedule.warmup * steps)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0 if warmup else schedule.rate,
        max(1, steps - warmup),
        warmup_target=schedule.rate if warmup else None,
        warmup_steps=warmup,
    )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=schedule.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    optimizer.build(model.trainable_variables)
    model.compile(optimizer, keras.losses.CategoricalCrossentropy(from_logits=True))


def _loss(model: keras.Model, validation: Examples) -> float:
    """Return the cross-entropy on unchanged crops."""
    logits = model.predict(validation.images, batch_size=256, verbose=0).astype(np.float64)
    return -float((validation.targets * log_softmax(logits, axis=1)).sum(axis=1).mean())


def _save(file: Path, model: keras.Model, step: int) -> None:
    with replacing(file) as temporary:
        np.savez(
            temporary,
            step=step,
            **_arrays("model", model.variables),
            **_arrays("optimizer", model.optimizer.variables),
        )


def _step(file: Path) -> int:
    """Return the number of finished steps."""
    if not file.exists():
        return 0
    with np.load(file) as stored:
        return int(stored["step"])


def _restore(file: Path, model: keras.Model, *, optimizer: bool) -> None:
    with np.load(file) as stored:
        kinds = [("model", model.variables)]
        kinds += [("optimizer", model.optimizer.variables)] if optimizer else []
        for kind, variables in kinds:
            for number, variable in enumerate(variables):
                variable.assign(stored[f"{kind}{number:04}"])


def _arrays(kind: str, variables: list[Any]) -> dict[str, Any]:
    return {
        f"{kind}{number:04}": keras.ops.convert_to_numpy(variable)
        for number, variable in enumerate(variables)
    }
