"""What happens around each epoch: the live line, history.csv, TensorBoard, the checkpoint."""

from __future__ import annotations

import csv
import io
import math
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import keras

from happysad import progress
from happysad.errors import RunError
from happysad.files import write_text
from happysad.training import checkpoints
from happysad.training.checkpoints import State
from happysad.training.feeding import Feed

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["HISTORY", "Bookkeeper", "Live", "tensorboard", "write_history"]

#: The columns of history.csv. `seconds` counts validation too, `images_per_second` training alone.
HISTORY = (
    "epoch",
    "seconds",
    "images_per_second",
    "learning_rate",
    "loss",
    "accuracy",
    "val_loss",
    "val_accuracy",
)

# The live line changes at most so often, in seconds.
_REFRESH = 0.1


class Bookkeeper(keras.callbacks.Callback):  # type: ignore[misc]
    """Turns the feed to the epoch; afterwards writes history.csv and a checkpoint, and may stop."""

    def __init__(self, run: Path, feed: Feed, state: State, patience: int) -> None:
        """Keep the books of `run`, from `state` on; `patience` 0 never stops early."""
        super().__init__()
        self.run = run
        self.feed = feed
        self.state = state
        self.patience = patience

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Turn the feed to this epoch."""
        self.feed.begin(epoch)
        self._began = self._trained = time.perf_counter()

    def on_test_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Note when training ended and validation began."""
        self._trained = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Write down what came out.

        Raises:
            RunError: the loss is no number any more.
        """
        logs = dict(logs or {})
        if not all(math.isfinite(value) for value in logs.values()):
            raise RunError(
                f"{self.run}: training diverged in epoch {epoch + 1} (loss {logs['loss']}); "
                "start again with a lower --learning-rate"
            )
        state = self.state
        row = {
            "epoch": epoch + 1,
            "seconds": time.perf_counter() - self._began,
            "images_per_second": len(self.feed.images) / (self._trained - self._began),
            "learning_rate": float(self.model.optimizer.learning_rate),
            **{name: logs[name] for name in HISTORY[4:]},
        }
        better = row["val_loss"] < state.best_loss
        self.state = replace(
            state,
            epoch=epoch + 1,
            waited=0 if better else state.waited + 1,
            best_epoch=epoch + 1 if better else state.best_epoch,
            best_loss=row["val_loss"] if better else state.best_loss,
            history=(*state.history, row),
        )
        write_history(self.run, self.state)
        checkpoints.save(self.run / "checkpoints", self.state, self.model)
        checkpoints.prune(self.run / "checkpoints", self.state)
        if self.patience and self.state.waited >= self.patience:
            self.model.stop_training = True


def write_history(run: Path, state: State) -> None:
    """Write history.csv anew."""
    text = io.StringIO()
    table = csv.DictWriter(text, HISTORY, lineterminator="\n")
    table.writeheader()
    table.writerows(state.history)
    write_text(run / "history.csv", text.getvalue())


class Live(keras.callbacks.Callback):  # type: ignore[misc]
    """Shows how training goes on standard error: a bar an epoch on a terminal, else a line.

    A context manager, so that the terminal is whole again also where training breaks.
    """

    # Keras may call it from another thread instead of waiting for it.
    async_safe = True

    def __init__(self, feed: Feed, epochs: int, done: int) -> None:
        """Show epochs `done` + 1 to `epochs`."""
        super().__init__()
        self.photos = len(feed.images)
        self.batch_size = feed.config.batch_size
        self.epochs = epochs
        self.started_at = done
        self.bar: Progress | None = None

    def __enter__(self) -> Self:
        """Start; the time left counts from here."""
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
        """Give the terminal back."""
        if self.bar is not None:
            self.bar.stop()

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Begin a bar."""
        self._epoch = epoch
        if self.bar is not None:
            self.bar.reset(self._task, description=f"epoch {epoch + 1}/{self.epochs}", note="")

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        """Move the bar on."""
        now = time.perf_counter()
        if self.bar is None or now - self._shown < _REFRESH:
            return
        self._shown = now
        logs = logs or {}
        done = min((batch + 1) * self.batch_size, self.photos)
        note = f"loss {logs['loss']:.3f}  acc {logs['accuracy']:.3f}"  # fits in 80 columns
        left = self._left(self._epoch + done / self.photos)
        self.bar.update(self._task, completed=done, note=f"{note}  {left}")

    def on_test_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Fill the bar; what follows is validation."""
        if self.bar is not None:
            self.bar.update(self._task, completed=self.photos)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Leave one line an epoch."""
        figures = "  ".join(f"{name} {(logs or {})[name]:.3f}" for name in HISTORY[4:])
        line = f"epoch {epoch + 1}/{self.epochs}  {figures}  {self._left(epoch + 1)}"
        if self.bar is not None:
            self.bar.console.print(line, highlight=False, soft_wrap=True)
        else:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()

    def _left(self, done: float) -> str:
        """Say how long the whole training will still take, by what this process has done of it."""
        elapsed = time.perf_counter() - self._began
        seconds = round(elapsed / (done - self.started_at) * (self.epochs - done))
        return f"end in {seconds // 60}:{seconds % 60:02}"


def tensorboard(run: Path) -> list[keras.callbacks.Callback]:
    """Give the callback that writes train and val figures for TensorBoard.

    None where TensorFlow, which writes these files, is not installed: Keras runs on others too.
    """
    if find_spec("tensorflow") is None:
        return []

    class Scalars(keras.callbacks.TensorBoard):  # type: ignore[misc]
        async_safe = True

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            super().on_epoch_end(epoch, logs)
            for writer in self._writers.values():  # else a kill takes minutes of figures with it
                writer.flush()

    return [Scalars(str(run / "tensorboard"), write_graph=False)]
