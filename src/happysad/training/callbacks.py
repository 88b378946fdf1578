"""Callbacks of a training: the progress line, history.csv, TensorBoard, the checkpoints."""

from __future__ import annotations

import math
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import keras

from happysad import progress
from happysad.errors import RunError
from happysad.run import Epoch, LearningCurve, Run
from happysad.training import checkpoints
from happysad.training.checkpoints import State
from happysad.training.feed import Feed

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["Bookkeeper", "Live", "tensorboard", "write_curve"]

_FIGURES = ("loss", "accuracy", "val_loss", "val_accuracy")

# Minimum number of seconds between two updates of the progress line.
_REFRESH = 0.1


class Bookkeeper(keras.callbacks.Callback):  # type: ignore[misc]
    """Starts the feed's epochs, writes history.csv and checkpoints, and may stop a training."""

    def __init__(self, run: Run, feed: Feed, state: State, patience: int) -> None:
        """Create the callback.

        Args:
            run: the run.
            feed: the training photos.
            state: the state of the training so far.
            patience: the number of epochs without a better val_loss after which training stops; 0
                never stops early.
        """
        super().__init__()
        self.run = run
        self.feed = feed
        self.state = state
        self.patience = patience

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Start the feed's epoch."""
        self.feed.begin(epoch)
        self._began = self._trained = time.perf_counter()

    def on_test_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Record the time at which training ends and validation begins."""
        self._trained = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Write the epoch's figures and a checkpoint.

        Raises:
            RunError: the loss is not finite.
        """
        logs = dict(logs or {})
        for name, value in logs.items():
            if not math.isfinite(value):
                raise RunError(
                    f"{self.run.folder}: training diverged in epoch {epoch + 1} ({name} {value}); "
                    "start again with a lower --learning-rate"
                )
        state = self.state
        row = Epoch(
            epoch=epoch + 1,
            seconds=time.perf_counter() - self._began,
            images_per_second=len(self.feed.images) / (self._trained - self._began),
            learning_rate=float(self.model.optimizer.learning_rate),
            **{name: float(logs[name]) for name in _FIGURES},
        )
        better = row.val_loss < state.best_loss
        self.state = replace(
            state,
            epoch=epoch + 1,
            waited=0 if better else state.waited + 1,
            best_epoch=epoch + 1 if better else state.best_epoch,
            best_loss=row.val_loss if better else state.best_loss,
            history=(*state.history, row),
        )
        self.run.write_history(self.state.history)
        checkpoints.save(self.run.checkpoints, self.state, self.model)
        checkpoints.prune(self.run.checkpoints, self.state)
        if self.patience and self.state.waited >= self.patience:
            self.model.stop_training = True


class Live(keras.callbacks.Callback):  # type: ignore[misc]
    """Shows progress on standard error: one bar per epoch on a terminal, otherwise one line.

    It is a context manager, so that the terminal is restored even if training fails.
    """

    # Keras may call it in another thread instead of waiting for it.
    async_safe = True

    def __init__(self, feed: Feed, epochs: int, done: int, *, refresh: float = _REFRESH) -> None:
        """Show epochs `done` + 1 to `epochs`, and update the bar every `refresh` seconds."""
        super().__init__()
        self.photos = len(feed.images)
        self.batch_size = feed.config.batch_size
        self.epochs = epochs
        self.started_at = done
        self.refresh = refresh
        self.bar: Progress | None = None

    def __enter__(self) -> Self:
        """Start the bar, and the clock for the time left."""
        self._began = self._shown = time.perf_counter()
        bar = progress.bar()
        if bar.console.is_terminal:
            self.bar = bar
            self.bar.start()
            self._task = bar.add_task("", total=self.photos, note="")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Restore the terminal."""
        if self.bar is not None:
            self.bar.stop()

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Start a bar."""
        self._epoch = epoch
        progress.report("training", epoch, self.epochs)
        if self.bar is not None:
            self.bar.reset(self._task, description=f"epoch {epoch + 1}/{self.epochs}", note="")

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        """Advance the bar."""
        now = time.perf_counter()
        if self.bar is None or now - self._shown < self.refresh:
            return
        self._shown = now
        logs = logs or {}
        done = min((batch + 1) * self.batch_size, self.photos)
        note = f"loss {logs['loss']:.3f}  acc {logs['accuracy']:.3f}"  # fits in 80 columns
        left = self._left(self._epoch + done / self.photos)
        self.bar.update(self._task, completed=done, note=f"{note}  {left}")

    def on_test_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Fill the bar; validation follows."""
        if self.bar is not None:
            self.bar.update(self._task, completed=self.photos)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Print one line for the epoch."""
        figures = "  ".join(f"{name} {(logs or {})[name]:.3f}" for name in _FIGURES)
        line = f"epoch {epoch + 1}/{self.epochs}  {figures}  {self._left(epoch + 1)}"
        if self.bar is not None:
            self.bar.console.print(line, highlight=False, soft_wrap=True)
        else:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()

    def _left(self, done: float) -> str:
        """Return the time left for the whole training, by the speed of this process so far."""
        elapsed = time.perf_counter() - self._began
        seconds = round(elapsed / (done - self.started_at) * (self.epochs - done))
        return f"end in {seconds // 60}:{seconds % 60:02}"


def tensorboard(run: Run) -> list[keras.callbacks.Callback]:
    """Return the callback that writes the figures of training and validation for TensorBoard.

    The list is empty if TensorFlow, which writes these files, is not installed.
    """
    if find_spec("tensorflow") is None:
        return []

    class Scalars(keras.callbacks.TensorBoard):  # type: ignore[misc]
        async_safe = True

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            super().on_epoch_end(epoch, logs)
            for writer in self._writers.values():  # otherwise a kill loses minutes of figures
                writer.flush()

    return [Scalars(str(run.tensorboard), write_graph=False)]


def write_curve(run: Run, curve: LearningCurve) -> None:
    """Write a learning curve for TensorBoard, whose steps are numbers of photos.

    Nothing is written if TensorFlow, which writes these files, is not installed.
    """
    if find_spec("tensorflow") is None:
        return
    import tensorflow as tf

    shutil.rmtree(run.tensorboard, ignore_errors=True)  # an interrupted training may have left it
    for part in ("train", "held_out"):
        writer = tf.summary.create_file_writer(str(run.tensorboard / part))
        with writer.as_default():
            for point in curve.points:
                for name in ("accuracy", "log_loss"):
                    value = getattr(point, f"{part}_{name}")
                    tf.summary.scalar(name, value, step=point.photos)
        writer.close()
