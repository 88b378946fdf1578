"""Batches for Keras: photos from the memory map, in a new order and a little changed each epoch.

Nothing here remembers where it stands: the order and every change follow from the seed, the epoch
and the photo's number alone. So a resumed training sees what an unbroken one would have seen, and
it does not matter in which thread or how early Keras asks for a batch.
"""

from __future__ import annotations

import keras
import numpy as np
from numpy.typing import NDArray

from happysad.images import Pixels
from happysad.training.augment import DRAWS, augment
from happysad.training.config import TrainConfig

__all__ = ["Feed"]


class Feed(keras.utils.PyDataset):  # type: ignore[misc]
    """Gives batches (images, labels): uint8 (b, size, size, channels) and float32 (b, k)."""

    def __init__(
        self,
        images: Pixels,
        labels: NDArray[np.float32],
        config: TrainConfig,
        *,
        training: bool,
    ) -> None:
        """Feed photos.

        Args:
            images: uint8, shape (n, size, size, channels); a memory map will do.
            labels: what is to be learned of each, shape (n, k): for two classes 0 or 1, k = 1.
            config: batch size, seed and augmentation.
            training: shuffled and augmented; False gives the photos as and where they are.
        """
        super().__init__()
        self.images = images
        self.labels = labels
        self.config = config
        self.training = training
        self.begin(0)

    def begin(self, epoch: int) -> None:
        """Turn to an epoch, counted from 0.

        A callback must say it before each epoch: Keras calls a PyDataset's own ``on_epoch_end``
        once before training starts, and its ``on_epoch_begin`` does not know the number.
        """
        self.epoch = epoch
        self.order = np.arange(len(self.images))
        if self.training:
            rng = np.random.default_rng((self.config.seed, epoch))
            self.order = rng.permutation(self.order)
            self.draws = rng.random((len(self.images), DRAWS), dtype=np.float32)

    def __len__(self) -> int:
        """Count the batches of an epoch; the last may be smaller."""
        return -(-len(self.images) // self.config.batch_size)

    def __getitem__(self, index: int) -> tuple[Pixels, NDArray[np.float32]]:
        """Give one batch of the current epoch."""
        start = index * self.config.batch_size
        chosen = self.order[start : start + self.config.batch_size]
        batch = self.images[chosen]
        if self.training and self.config.augment:
            for place, number in enumerate(chosen):
                batch[place] = augment(batch[place], self.draws[number], self.config)
        return batch, self.labels[chosen]
