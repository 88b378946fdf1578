"""Training by gradient steps: epochs with a checkpoint after each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from happysad.dataset.arrays import Arrays
from happysad.models import TRANSFER
from happysad.models.mirror import mirrored
from happysad.run import Run
from happysad.training import checkpoints
from happysad.training.callbacks import Bookkeeper, Live, tensorboard
from happysad.training.checkpoints import State
from happysad.training.feed import Accuracy, AccuracyOfThree, Feed
from happysad.training.learner_base import Floats, Learner
from happysad.training.processes import Share

__all__ = ["StepLearner", "class_weights_of"]


@dataclass(frozen=True)
class _Phase:
    epochs: int
    frees_backbone: bool = False


class StepLearner(Learner):
    """Trains a network of one picture with an optimizer of Keras."""

    @property
    def _phases(self) -> list[_Phase]:
        phases = [_Phase(self.config.epochs)]
        if self.config.model in TRANSFER and self.config.fine_tune_epochs:
            phases.append(_Phase(self.config.fine_tune_epochs, frees_backbone=True))
        return phases

    def begin(self, model: keras.Model) -> None:
        """Compile the network, so that the checkpoint contains the optimizer's state."""
        self._compile(model, State(), share=None)

    def learn(self, model: keras.Model, run: Run, share: Share | None) -> None:
        """Train from the last checkpoint to the end, and keep the best epoch's weights."""
        state = checkpoints.read_state(checkpoints.latest(run.checkpoints))
        self._compile(model, state, share)
        checkpoints.restore(checkpoints.latest(run.checkpoints), model, optimizer=True)
        run.write_history(state.history)
        while True:
            state = self._learn_phase(model, run, state, share)
            checkpoints.restore(checkpoints.best(run.checkpoints, state), model, optimizer=False)
            if state.phase + 1 == len(self._phases):
                return
            state = replace(state, phase=state.phase + 1, phase_start=state.epoch, waited=0)
            self._compile(model, state, share)

    def finished(self, model: keras.Model) -> keras.Model:
        """Return a copy of the trained network for export, without optimizer, loss or metrics.

        If training mirrored photos, the copy averages over a photo and its mirror image.
        """
        copy = super().finished(model)
        return mirrored(copy) if self.config.looks_twice else copy

    def answers(self, model: keras.Model, photos: Arrays) -> Floats:
        """Return the network's answers; see `Learner.answers`."""
        feed = self._feed(photos, training=False, share=None)
        p = np.asarray(model.predict(feed, verbose=0))
        return p[:, 0] if p.shape[1] == 1 else p

    def face_answers(self, model: keras.Model) -> tuple[Floats, Floats]:
        """Return the answers for all training photos, which are face crops, and their classes."""
        train = self.photos.train
        return self.answers(model, train), train.classes

    def _compile(self, model: keras.Model, state: State, share: Share | None) -> None:
        """Compile the network with a new optimizer, for the weights that this phase trains."""
        config, phase = self.config, self._phases[state.phase]
        if config.model in TRANSFER:
            from happysad.models.transfer import free

            free(model, phase.frees_backbone)
        steps = len(self._feed(self.photos.train, training=True, share=share))
        rate = config.fine_tune_learning_rate if phase.frees_backbone else config.learning_rate
        if config.schedule == "cosine":
            warmup = min(config.warmup, phase.epochs // 2) * steps
            rate = keras.optimizers.schedules.CosineDecay(
                0.0 if warmup else rate,
                phase.epochs * steps - warmup,
                warmup_target=rate if warmup else None,
                warmup_steps=warmup,
            )
        if config.weight_decay:
            optimizer = keras.optimizers.AdamW(rate, weight_decay=config.weight_decay)
            optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        else:
            optimizer = keras.optimizers.Adam(rate)
        optimizer.build(model.trainable_variables)
        two = len(self.photos.names) == 2
        loss = keras.losses.BinaryCrossentropy if two else keras.losses.CategoricalCrossentropy
        accuracy = Accuracy if two else AccuracyOfThree
        model.compile(
            optimizer,
            loss(label_smoothing=config.label_smoothing),
            metrics=[accuracy(name="accuracy")],
        )

    def _learn_phase(
        self, model: keras.Model, run: Run, state: State, share: Share | None
    ) -> State:
        config, phases = self.config, self._phases
        end = state.phase_start + phases[state.phase].epochs
        if state.epoch >= end or (config.patience and state.waited >= config.patience):
            return state  # the training was stopped after the last epoch of this phase
        feed = self._feed(self.photos.train, training=True, share=share)
        books = Bookkeeper(run, feed, state, config.patience)
        rest = sum(phase.epochs for phase in phases[state.phase + 1 :])
        weights = None
        if config.class_weights:
            weights = class_weights_of(self.photos.train, len(self.photos.names))
        with Live(feed, end + rest, state.epoch) as live:
            model.fit(
                feed,
                validation_data=self._feed(self.photos.val, training=False, share=share),
                initial_epoch=state.epoch,
                epochs=end,
                class_weight=weights,
                callbacks=[*tensorboard(run), books, live],
                shuffle=False,  # the feed shuffles; Keras would use Python's global random state
                verbose=0,
            )
        return books.state

    def _feed(self, photos: Arrays, *, training: bool, share: Share | None) -> Feed:
        targets = photos.classes[:, None]
        if photos.shares is not None:
            targets = photos.shares if len(self.photos.names) > 2 else photos.shares[:, 1:]
        elif len(self.photos.names) > 2:
            targets = np.eye(len(self.photos.names), dtype=np.float32)[photos.classes.astype(int)]
        return Feed(photos.images, targets, self.config, training=training, share=share)


def class_weights_of(photos: Arrays, classes: int = 2) -> dict[int, float]:
    """Return the inverse of each class's share, 1 on average ("balanced" in scikit-learn)."""
    counts: NDArray[Any] = np.bincount(photos.classes.astype(int), minlength=classes)
    total = counts.sum()
    return {place: float(total / (classes * count)) for place, count in enumerate(counts) if count}
