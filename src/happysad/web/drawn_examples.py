"""The examples of Try: drawn faces, for visitors who have no photo at hand."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from happysad.dataset.drawn_faces import face

__all__ = ["EXAMPLES", "drawn_example"]

# The faces of each picture, by their expressions and seeds. The classifier that ships answers
# happy, sad, neither and unsure, and finds all three faces of the last picture.
_PICTURES = (
    (("happy", 19),),
    (("sad", 6),),
    (("neither", 11),),
    (("sad", 0),),
    (("happy", 9),),
    (("happy", 8), ("neither", 7), ("happy", 4)),
)
# The side of each face in pixels, and the quality of the files.
_SIDE, _QUALITY = 320, 80


#: The number of examples.
EXAMPLES = len(_PICTURES)


@cache
def drawn_example(number: int) -> bytes:
    """Draw an example, the same picture each time.

    Args:
        number: from 1 to `EXAMPLES`.

    Returns:
        A JPEG file.
    """
    drawn = [face(mood, np.random.default_rng(seed), _SIDE) for mood, seed in _PICTURES[number - 1]]
    picture = cv2.cvtColor(np.hstack(drawn), cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()
