"""The choice of the learner for a training."""

from __future__ import annotations

from happysad.training.config import TrainConfig
from happysad.training.learner_base import Learner, Photos

__all__ = ["learner"]


def learner(config: TrainConfig, photos: Photos) -> Learner:
    """Return the learner: by gradient steps, or the fusion of faces and photo.

    Args:
        config: the settings, resolved.
        photos: the training and validation photos.
    """
    if config.learns_by_steps:
        from happysad.training.step_learner import StepLearner

        return StepLearner(config, photos)
    from happysad.training.face_fusion import FaceFusion

    return FaceFusion(config, photos)
