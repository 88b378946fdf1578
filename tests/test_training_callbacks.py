"""The progress bar on a terminal; test_training_trainer.py tests its lines and the bookkeeper."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from happysad import progress
from happysad.keras_backend import quiet

quiet()

from happysad.run import Run  # noqa: E402
from happysad.training.callbacks import Live, write_curve  # noqa: E402
from happysad.training.config import TrainConfig  # noqa: E402
from happysad.training.feed import Feed  # noqa: E402
from tests.test_run import CURVE  # noqa: E402


def test_a_terminal_gets_a_bar_that_is_cleared_again(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    plain = progress.bar()
    plain.live.console, plain.disable = Console(file=screen, force_terminal=True, width=80), False
    monkeypatch.setattr(progress, "bar", lambda: plain)
    images = np.zeros((20, 32, 32, 1), np.uint8)
    feed = Feed(images, np.zeros((20, 1), np.float32), TrainConfig(batch_size=8), training=True)
    logs = {"loss": 0.51234, "accuracy": 0.8125}
    with pytest.raises(KeyboardInterrupt), Live(feed, 4, 1, refresh=0) as live:
        live.on_epoch_begin(1)
        live.on_train_batch_end(2, logs)  # the last batch is smaller: 20 photos, not 24
        assert plain.tasks[0].completed == 20
        assert plain.tasks[0].description == "epoch 2/4"
        assert "loss 0.512  acc 0.812  end in 0:0" in plain.tasks[0].fields["note"]
        live.on_epoch_end(1, {**logs, "val_loss": 0.6, "val_accuracy": 0.7})
        raise KeyboardInterrupt
    shown = screen.getvalue()
    assert "epoch 2/4  loss 0.512  accuracy 0.812  val_loss 0.600  val_accuracy 0.700" in shown
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 1  # the cursor is back


def test_tensorboard_shows_the_learning_curve_by_the_number_of_photos(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    run = Run(tmp_path)
    for _ in range(2):  # the curve of a resumed training replaces the first one
        write_curve(run, CURVE)
    read = {}
    for part in ("train", "held_out"):
        events = EventAccumulator(str(run.tensorboard / part)).Reload()
        for name in events.Tags()["tensors"]:
            read[part, name] = [
                (one.step, round(float(make_ndarray(one.tensor_proto)), 4))
                for one in events.Tensors(name)
            ]
    assert read == {
        ("train", "accuracy"): [(10, 0.9), (500, 0.9), (1000, 0.9)],
        ("train", "log_loss"): [(10, 0.2), (500, 0.2), (1000, 0.2)],
        ("held_out", "accuracy"): [(10, 0.7), (500, 0.7), (1000, 0.7)],
        ("held_out", "log_loss"): [(10, 0.6), (500, 0.5), (1000, 0.45)],
    }
