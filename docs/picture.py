"""Draw drawn.png for the README: drawn faces with the answers of the classifier that ships.

The first drawn faces with each label are shown, so the picture says nothing about accuracy.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from happysad import Classifier
from happysad.dataset.drawn_faces import face

_SIZE = 240
_SHOWN = ("happy", "sad", "unsure", "happy", "sad")


def main() -> None:
    """Write the picture."""
    classifier, rng = Classifier(), np.random.default_rng(0)
    wanted, faces = list(_SHOWN), []
    while wanted:
        drawn = face("sad" if wanted[0] == "sad" else "happy", rng, _SIZE)
        if classifier.predict(drawn).label == wanted[0]:
            faces.append(drawn)
            wanted.pop(0)
    answer = classifier.predict(np.concatenate(faces, axis=1))
    Image.fromarray(answer.draw()).save(Path(__file__).with_name("drawn.png"), optimize=True)


if __name__ == "__main__":
    main()
