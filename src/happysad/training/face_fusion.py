"""The fusion of faces and photo, fitted to all photos at once instead of by gradient steps.

The network of `happysad.models.faces_and_photo` computes a few figures (features) of each photo:
from its faces, and from its look as a whole. A logistic regression, which has a unique solution,
weighs them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from happysad.dataset.arrays import Arrays
from happysad.dataset.split import MORE_GROUPS
from happysad.errors import DatasetError
from happysad.model_file import FACE_PROBABILITIES, PROBABILITIES
from happysad.models import faces_and_photo
from happysad.models.faces_and_photo import FROM_LOOK
from happysad.predictions import NEITHER, places_without_neither
from happysad.probability import among
from happysad.progress import bar, track
from happysad.run import Fusion, LearningCurve, Run, Trial
from happysad.training import checkpoints
from happysad.training.callbacks import write_curve
from happysad.training.learner_base import Floats as Answers, Learner
from happysad.training.learning_curve import learning_curve
from happysad.training.logistic_regression import Regression, fit, log_losses, most_probable
from happysad.training.processes import Share

__all__ = ["FaceFusion"]

# The inverse strengths of the L2 penalty that are tried.
_STRENGTHS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
_FOLDS = 5
_BATCH = 64

Floats = NDArray[np.float64]


class FaceFusion(Learner):
    """Fits the last layer of a network of faces and photo."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of the photos, and `NEITHER` if the network of faces keeps it."""
        kept = (NEITHER,) if self.config.keep_neither else ()
        return tuple(sorted((*self.photos.names, *kept)))

    def build(self, *, pretrained: bool = True) -> keras.Model:
        """Return the network, which contains the network of faces."""
        faces = super().build(pretrained=pretrained)
        return faces_and_photo.build(faces, self.classes, keeps_neither=self.config.keep_neither)

    def begin(self, model: keras.Model) -> None:
        """Do nothing: the checkpoint contains only the weights."""

    def learn(self, model: keras.Model, run: Run, share: Share | None) -> None:
        """Fit the last layer, and write a summary of the fit into the run.

        Three regressions are fitted to the training photos: to the figures of the faces, to those
        of the look, and to both. Cross-validation over groups of training photos chooses the
        strength of each one's penalty. Then the one with the lowest log loss is chosen, on the
        validation photos and on the held-out folds of the training photos, since the validation
        photos alone are often too few. Only the folds are random.

        The learning curve of the chosen regression is computed last, and changes no weight.

        Raises:
            DatasetError: a class has fewer than two groups of training photos.
        """
        checkpoints.restore(checkpoints.latest(run.checkpoints), model, optimizer=False)
        run.write_history([])
        train, val = self.photos.train, self.photos.val
        learned, unseen = (_figures(model, part.inputs) for part in (train, val))
        width = learned.shape[1]
        from_faces = width - FROM_LOOK
        sources = {
            "both": slice(0, width),
            "faces": slice(0, from_faces),
            "look": slice(from_faces, width),
        }
        fitted: dict[str, list[Floats]] = {}
        tried: dict[str, Trial] = {}
        for name, part in track(sources.items(), "fitting", len(sources)):
            strength, folded = self._strength(learned[:, part])
            found = self._fit(learned[:, part], train.classes, strength)
            logits = np.concatenate([folded, found.logits(unseen[:, part])])
            truth = np.concatenate([train.classes, val.classes])
            tried[name] = Trial(
                n=len(truth),
                accuracy=float((most_probable(logits) == truth).mean()),
                log_loss=_log_loss(logits, truth),
                strength=strength,
            )
            weights = np.zeros((width, len(found.bias)))
            weights[part] = found.kernel
            fitted[name] = [weights, found.bias]
        chosen = min(tried, key=lambda name: tried[name].log_loss)
        model.get_layer(PROBABILITIES).set_weights(fitted[chosen])
        curve = None
        if self.config.learning_curve:
            figures = np.concatenate([learned, unseen])[:, sources[chosen]]
            curve = self._curve(figures, tried[chosen].strength)
        if curve is not None:
            run.write_history(curve.points)
            write_curve(run, curve)
        splits = {"train": train, "val": val}
        run.write_fusion(
            Fusion(
                photos={name: len(part.classes) for name, part in splits.items()},
                with_faces={
                    name: int((part.inputs["weights"] > 0).any(axis=1).sum())
                    for name, part in splits.items()
                },
                tried=tried,
                chosen=chosen,
                learning_curve=curve,
            )
        )

    def answers(self, model: keras.Model, photos: Arrays) -> Answers:
        """Return the network's answers; see `Learner.answers`."""
        found = model.predict(photos.inputs, verbose=0)
        p = np.asarray(found[PROBABILITIES] if isinstance(found, dict) else found)
        if len(self.photos.names) > 2:
            return p
        if len(self.classes) > 2:
            p = among(p, places_without_neither(self.classes))
        return p[:, -1].astype(np.float32)

    def face_answers(self, model: keras.Model) -> tuple[Answers, Answers]:
        """Return the answers for all faces in the training photos, and the photos' classes."""
        train = self.photos.train
        there = train.inputs["weights"] > 0
        p = model.predict(train.inputs, verbose=0)[FACE_PROBABILITIES]
        places = np.array([self.classes.index(name) for name in self.photos.names], np.float32)
        classes = places[train.classes.astype(int)]
        return np.asarray(p)[there], np.repeat(classes, there.sum(axis=1))

    def _curve(self, figures: Floats, strength: float) -> LearningCurve | None:
        """Return the learning curve over the training and validation photos, in this order."""
        train, val = self.photos.train, self.photos.val
        return learning_curve(
            figures,
            np.concatenate([train.classes, val.classes]),
            [*train.groups, *val.groups],
            lambda some, classes: self._fit(some, classes, strength),
            seed=self.config.seed,
        )

    def _strength(self, figures: Floats) -> tuple[float, Floats]:
        """Return the strength with the lowest cross-validated log loss, and its logits."""
        from sklearn.model_selection import StratifiedGroupKFold

        classes, groups = self.photos.train.classes, np.array(self.photos.train.groups)
        number = len(self.photos.names)
        fewest = min(len(set(groups[classes == place])) for place in range(number))
        if fewest < 2:
            raise DatasetError(
                f"the training photos of each class must form 2 groups or more, not {fewest}; "
                f"{MORE_GROUPS}"
            )
        seed = self.config.seed
        dealt = StratifiedGroupKFold(min(_FOLDS, fewest), shuffle=True, random_state=seed)
        splits = list(dealt.split(figures, classes, groups))
        unseen = {strength: np.zeros((len(classes), number)) for strength in _STRENGTHS}
        for strength, logits in unseen.items():
            for learned, others in splits:
                found = self._fit(figures[learned], classes[learned], strength)
                logits[others] = found.logits(figures[others])
        best = min(unseen, key=lambda strength: _log_loss(unseen[strength], classes))
        return best, unseen[best]

    def _fit(self, figures: Floats, classes: Answers, strength: float) -> Regression:
        return fit(figures, classes, strength, balanced=self.config.class_weights)


def _figures(model: keras.Model, inputs: Mapping[str, NDArray[Any]]) -> Floats:
    """Return the inputs of the last layer for each photo, with one batch in memory at a time."""
    measure = keras.Model(model.inputs, model.get_layer("figures").output)
    count = len(inputs["weights"])
    parts = []
    with bar() as progress:
        task = progress.add_task("measuring", total=count, note="")
        for at in range(0, count, _BATCH):
            batch = [inputs[one.name][at : at + _BATCH] for one in model.inputs]
            parts.append(np.asarray(measure(batch, training=False)))
            progress.advance(task, len(batch[0]))
    return np.concatenate(parts).astype(np.float64)


def _log_loss(logits: Floats, classes: NDArray[np.float32]) -> float:
    return float(log_losses(logits, classes).mean())
