"""Train one network on hard or soft targets of FER2013's seven classes, and resume."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from happysad.images import Pixels
from happysad.models.residual import features
from happysad.run import Run
from happysad.training import checkpoints
from happysad.training.callbacks import Bookkeeper, Live
from happysad.training.checkpoints import State
from happysad.training.config import TrainConfig
from happysad.training.feed import Feed
from recipes.face.photos import CLASSES, HAPPY, SAD, SIZE, Photos

__all__ = ["CONFIG", "answers", "happy_or_sad", "network", "smoothed", "train"]

#: The settings of every training; each network has its own epochs, seed and learning rate.
CONFIG = TrainConfig(
    size=SIZE,
    channels=1,
    epochs=1,
    batch_size=64,
    rotation=15.0,
    shift=0.1,
    zoom=0.15,
    light=0.25,
    worsening=0.25,
    erasing=0.2,
)

_NEUTRAL = CLASSES.index("neutral")
# The share of the neutral faces that the fine-tuning on happy and sad uses, as neither.
_NEUTRAL_SHARE = 0.2


def network(widths: tuple[int, ...]) -> keras.Model:
    """Return a new network of seven classes, whose stages have these widths."""
    image = layers.Input((SIZE, SIZE, 1), dtype="uint8", name="image")
    x = layers.Dropout(CONFIG.dropout)(features(image, widths, stride=2))
    p = layers.Dense(len(CLASSES), activation="softmax", dtype="float32", name="p")(x)
    return keras.Model(image, p)


def smoothed(classes: NDArray[np.intp]) -> NDArray[np.float32]:
    """Return the targets of labels with label smoothing, shape (n, 7)."""
    smoothing = CONFIG.label_smoothing
    hard = np.eye(len(CLASSES), dtype=np.float32)[classes]
    return (1 - smoothing) * hard + np.float32(smoothing / len(CLASSES))


def happy_or_sad(
    photos: Photos, taught: NDArray[np.float32], seed: int
) -> tuple[Photos, NDArray[np.float32]]:
    """Return the photos and targets of the fine-tuning: happy, sad, and some neutral faces.

    The targets of happy and sad are the means of the label and the teachers; the label of a neutral
    face is half happy, half sad. The targets of the other classes are 0.

    Args:
        photos: n photos of all seven classes.
        taught: the teachers' probabilities, shape (n, 7).
        seed: the seed that chooses a fifth of the neutral faces.

    Returns:
        The m chosen photos, and their targets, shape (m, 7).
    """
    both = np.isin(photos.classes, (HAPPY, SAD))
    some = np.random.default_rng(seed).random(len(both)) < _NEUTRAL_SHARE
    rows = np.flatnonzero(both | ((photos.classes == _NEUTRAL) & some))
    chosen = photos.rows(rows)
    hard = np.eye(len(CLASSES), dtype=np.float32)[chosen.classes][:, [HAPPY, SAD]]
    hard = (1 - CONFIG.label_smoothing) * hard + np.float32(CONFIG.label_smoothing / 2)
    hard[chosen.classes == _NEUTRAL] = 0.5
    soft = taught[rows][:, [HAPPY, SAD]]
    soft /= soft.sum(axis=1, keepdims=True)
    targets = np.zeros((len(rows), len(CLASSES)), np.float32)
    targets[:, [HAPPY, SAD]] = (hard + soft) / 2
    return chosen, targets


def train(
    model: keras.Model,
    photos: Photos,
    targets: NDArray[np.float32],
    validation: Photos,
    config: TrainConfig,
    run: Path,
) -> None:
    """Train `model` for `config.epochs`, and write a checkpoint to `run` after each epoch.

    Args:
        model: a network of `network`; it ends with the weights of the last epoch.
        photos: n training photos.
        targets: the target probabilities of the classes, float32, shape (n, 7).
        validation: photos that are judged after each epoch; they decide nothing.
        config: the settings, based on `CONFIG`.
        run: the folder of the run; created if it is missing.
    """
    _compile(model, config, len(targets))
    kept = Run(run)
    folder = kept.checkpoints
    if not folder.is_dir():
        checkpoints.save(folder, State(), model)
    state = checkpoints.read_state(checkpoints.latest(folder))
    checkpoints.restore(checkpoints.latest(folder), model, optimizer=True)
    kept.write_history(state.history)
    if state.epoch == config.epochs:
        return
    feed = Feed(photos.images, targets, config, training=True)
    seen = Feed(validation.images, smoothed(validation.classes), config, training=False)
    with Live(feed, config.epochs, state.epoch) as live:
        model.fit(
            feed,
            validation_data=seen,
            initial_epoch=state.epoch,
            epochs=config.epochs,
            callbacks=[Bookkeeper(kept, feed, state, patience=0), live],
            shuffle=False,
            verbose=0,
        )


def answers(model: keras.Model, images: Pixels) -> NDArray[np.float32]:
    """Return the geometric mean of the probabilities of each photo and its mirror image.

    Returns:
        The normalised probabilities, float32, shape (n, 7).
    """
    both = [
        np.log(model.predict(look, batch_size=256, verbose=0) + 1e-9)
        for look in (images, images[:, :, ::-1])
    ]
    p = np.exp(sum(both) / 2)
    return np.asarray(p / p.sum(axis=1, keepdims=True), dtype=np.float32)


def _compile(model: keras.Model, config: TrainConfig, photos: int) -> None:
    steps = -(-photos // config.batch_size)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0,
        (config.epochs - config.warmup) * steps,
        warmup_target=config.learning_rate,
        warmup_steps=config.warmup * steps,
    )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=config.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    optimizer.build(model.trainable_variables)
    model.compile(
        optimizer,
        "categorical_crossentropy",
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
    )
