"""The progress bar on a terminal; test_training_trainer.py tests its lines and the bookkeeper."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

from happysad import progress
from happysad.keras_backend import quiet

quiet()

from happysad.training.callbacks import Live  # noqa: E402
from happysad.training.config import TrainConfig  # noqa: E402
from happysad.training.feed import Feed  # noqa: E402


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
