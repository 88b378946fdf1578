"""Draw drawn.png for the README: drawn faces with the answers of the classifier that ships.

Each is the first face drawn with an expression that is called unsure, or gets a certain class with
a probability of at least 0.9, so the picture says nothing about accuracy.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from happysad import Classifier
from happysad.dataset.drawn_faces import face
from happysad.predictions import UNSURE

_SIZE, _SURE = 240, 0.9
# The picture's width and height in pixels.
_SHAPE = (1400, 280)
# The expression of each face, and its label.
_SHOWN = (
    ("happy", "happy"),
    ("sad", "sad"),
    ("neither", "neither"),
    ("neither", UNSURE),
    ("happy", "happy"),
)


def main() -> None:
    """Write the picture."""
    classifier, rng = Classifier(), np.random.default_rng(0)
    wanted, faces = list(_SHOWN), []
    while wanted:
        expression, label = wanted[0]
        drawn = face(expression, rng, _SIZE)
        answer = classifier.predict(drawn)
        sure = answer.probability is not None and answer.probability >= _SURE
        if answer.label == label and (sure or label == UNSURE):
            faces.append(answer.draw())
            wanted.pop(0)
    picture = Image.fromarray(np.concatenate(faces, axis=1)).resize(
        _SHAPE, Image.Resampling.LANCZOS
    )
    picture.save(Path(__file__).with_name("drawn.png"), optimize=True)


if __name__ == "__main__":
    main()
