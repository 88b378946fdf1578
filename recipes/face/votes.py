"""FER+'s votes: what ten people said of each face of FER2013.

Source: Barsoum et al. 2016, arXiv:1608.01041.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from happysad.dataset.votes import leading_classes
from happysad.models.face import CLASSES, EMOTIONS

__all__ = ["CLASS_OF", "COLUMNS", "HAPPY", "NEITHER", "SAD", "targets", "true_classes"]

#: What people could vote for: `EMOTIONS` and two more.
COLUMNS = (*EMOTIONS, "unknown", "not_a_face")
HAPPY, NEITHER, SAD = range(len(CLASSES))
#: The class of each emotion, shape (8,): an index into `CLASSES`.
CLASS_OF = np.array([{"happiness": HAPPY, "sadness": SAD}.get(name, NEITHER) for name in EMOTIONS])

# A face is left out if this number of the ten people call it no face.
_NOT_A_FACE = 3


def targets(votes: NDArray[np.int8]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return what a network learns: each emotion's share of the votes.

    An emotion with a single vote counts as 0, as in FER+. Votes for `unknown` are left out of the
    shares.

    Args:
        votes: counts in the order of `COLUMNS`, shape (n, 10).

    Returns:
        The shares, shape (n, 8), and whether to learn from each face, shape (n,). Left out are
        faces that three or more call no face, faces that most call unknown, and faces on which no
        two people agree.
    """
    of_emotions = votes[:, : len(EMOTIONS)]
    counts = np.where(of_emotions > 1, of_emotions, 0)
    total = counts.sum(axis=1)
    unknown, not_a_face = votes[:, len(EMOTIONS)], votes[:, len(EMOTIONS) + 1]
    kept = (total > 0) & (not_a_face < _NOT_A_FACE) & (2 * unknown <= votes.sum(axis=1))
    return (counts / np.maximum(total, 1)[:, None]).astype(np.float32), kept


def true_classes(votes: NDArray[np.int8]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the emotion with the most votes, and its class; -1 where two emotions lead together.

    Args:
        votes: as for `targets`.

    Returns:
        Indices into `EMOTIONS` and into `CLASSES`, both of shape (n,).
    """
    emotion = leading_classes(votes[:, : len(EMOTIONS)].astype(np.float64))
    return emotion, np.where(emotion < 0, -1, CLASS_OF[emotion])
