"""Batches for Keras: photos from the memory map, shuffled and augmented anew in each epoch.

A feed has no state: the order and every change depend only on the seed, the epoch and the photo's
number. So a resumed training gets the same batches as an uninterrupted one, and Keras may request a
batch early and in any thread.

If several processes train together, each returns its part of every batch. The size of every batch
must then be a multiple of the number of devices. In training, the few photos left over are skipped,
others in each epoch. In validation, no photo may be missing, so padding with weight 0 is added.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from happysad.images import Pixels
from happysad.training.augmentation import DRAWS, augment
from happysad.training.config import TrainConfig
from happysad.training.processes import Share

__all__ = ["Accuracy", "AccuracyOfThree", "Feed"]

#: The target of padding.
_PADDING = -1


class Accuracy(keras.metrics.BinaryAccuracy):  # type: ignore[misc]
    """The share of right answers, regardless of the photos' weights and without padding."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch."""
        photo = keras.ops.cast(y_true != _PADDING, "float32")
        super().update_state(keras.ops.cast(y_true >= 0.5, "float32"), y_pred, photo)


class AccuracyOfThree(keras.metrics.CategoricalAccuracy):  # type: ignore[misc]
    """As `Accuracy`, for targets and answers of shape (b, 3)."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch."""
        photo = keras.ops.cast(y_true[:, 0] != _PADDING, "float32")
        super().update_state(y_true, y_pred, photo)


class Feed(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches (images, targets): uint8 (b, size, size, channels) and float32 (b, k).

    Validation shared by several processes also has float32 weights (b,), 0 for padding.
    """

    def __init__(
        self,
        images: Pixels,
        targets: NDArray[np.float32],
        config: TrainConfig,
        *,
        training: bool,
        share: Share | None = None,
    ) -> None:
        """Create a feed of photos.

        Args:
            images: uint8, shape (n, size, size, channels); may be a memory map.
            targets: the target values of each photo, shape (n, k): for two classes the
                share of the second, k = 1; for three the share of each, k = 3. Without votes, a
                share is 0 or 1.
            config: batch size, seed and augmentation.
            training: True shuffles and augments; False keeps the photos and their order.
            share: this process's part of each batch; None for whole batches.
        """
        super().__init__()
        self.images = images
        self.targets = targets
        self.config = config
        self.training = training
        self.share = share
        self.begin(0)

    def begin(self, epoch: int) -> None:
        """Start an epoch, counted from 0.

        A callback must call it before each epoch: Keras calls a PyDataset's own ``on_epoch_end``
        once before training starts, and its ``on_epoch_begin`` does not get the number.
        """
        self.epoch = epoch
        self.order = np.arange(len(self.images))
        if self.training:
            rng = np.random.default_rng((self.config.seed, epoch))
            self.order = rng.permutation(self.order)
            self.draws = rng.random((len(self.images), DRAWS), dtype=np.float32)
        if self.share is not None:
            left_over = len(self.images) % self.share.devices
            if self.training:
                self.order = self.order[: len(self.images) - left_over]
            elif left_over:
                self.order = np.pad(
                    self.order, (0, self.share.devices - left_over), constant_values=_PADDING
                )

    def __len__(self) -> int:
        """Return the number of batches of an epoch; the last may be smaller."""
        return -(-len(self.order) // self.config.batch_size)

    def __getitem__(self, index: int) -> tuple[NDArray[Any], ...]:
        """Return one batch of the current epoch."""
        start = index * self.config.batch_size
        chosen = self.order[start : start + self.config.batch_size]
        if self.share is not None:
            chosen = np.split(chosen, self.share.count)[self.share.index]
        batch = self.images[chosen]
        if self.training and self.config.augment:
            for place, number in enumerate(chosen):
                batch[place] = augment(batch[place], self.draws[number], self.config)
        targets = self.targets[chosen]
        if self.share is None or self.training:
            return batch, targets
        photo = chosen != _PADDING
        # Keras divides by the number of rows, including padding.
        weight = len(self.order) / len(self.images)
        return (
            batch,
            np.where(photo[:, None], targets, np.float32(_PADDING)),
            np.where(photo, np.float32(weight), np.float32(0)),
        )
