"""How a network learns: by steps, or by a regression on its faces and the look of the photo."""

from __future__ import annotations

from happysad.training.config import TrainConfig
from happysad.training.learner_base import Floats, Learner, Photos

__all__ = ["Floats", "Learner", "Photos", "learner"]


def learner(config: TrainConfig, photos: Photos) -> Learner:
    """Return how a network learns with these settings."""
    if config.learns_by_steps:
        from happysad.training.step_learner import StepLearner

        return StepLearner(config, photos)
    from happysad.training.face_fusion import FaceFusion

    return FaceFusion(config, photos)
