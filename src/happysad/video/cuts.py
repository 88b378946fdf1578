"""Find the cuts of a film."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

__all__ = ["CutDetector", "difference"]

# The sides of the small pictures and of their blocks, and the shifts of a block, in pixels.
_SIDE, _BLOCK, _SHIFTS = 64, 8, range(-4, 5)
# Grey levels that are added to the contrast, so that noise in a dark picture is no cut.
_FLOOR = 8.0
# Differences: docs/decisions.md, "Cuts of films".
_CUT, _SUDDEN, _TIMES, _FRAMES = 0.3, 0.1, 3.0, 8


def difference(before: NDArray[np.uint8], now: NDArray[np.uint8]) -> float:
    """Return how much of a picture is new, whatever moved or became brighter.

    Every block is compared with its surroundings in the picture before, as encoders of films do.

    Args:
        before: grey, shape (64, 64).
        now: the same.

    Returns:
        The mean difference of the blocks by the contrast of both pictures: 0 for the same picture,
        usually above 0.4 for pictures of different things.
    """
    one, other = (picture.astype(np.float32) for picture in (before, now))
    other -= other.mean()
    most = max(_SHIFTS)
    padded = np.pad(one, most, mode="edge")
    blocks = (_SIDE // _BLOCK, _BLOCK) * 2
    best = np.full((_SIDE // _BLOCK,) * 2, np.inf, np.float32)
    for down in _SHIFTS:
        for across in _SHIFTS:
            moved = padded[most + down :, most + across :][:_SIDE, :_SIDE]
            apart = np.abs(moved - moved.mean() - other).reshape(blocks).mean(axis=(1, 3))
            np.minimum(best, apart, out=best)
    return float(best.mean() / ((one.std() + other.std()) / 2 + _FLOOR))


class CutDetector:
    """Tells a cut from motion and changes of light, frame by frame."""

    def __init__(self) -> None:
        self._before: NDArray[np.uint8] | None = None
        self._recent: deque[float] = deque(maxlen=_FRAMES)

    def step(self, picture: VideoFrame) -> bool:
        """Return whether a cut lies between the frame before and this one."""
        small = picture.reformat(width=_SIDE, height=_SIDE, format="gray", interpolation="AREA")
        return self.step_small(np.asarray(small.to_ndarray(), np.uint8))

    def step_small(self, grey: NDArray[np.uint8]) -> bool:
        """Return what `step` does.

        Args:
            grey: the frame, reduced by area to shape (64, 64).
        """
        if self._before is None:
            self._before = grey
            return False
        now = difference(self._before, grey)
        self._before = grey
        # Between people on the same background less changes, but more than in the frames before.
        sudden = len(self._recent) == _FRAMES and now > max(_SUDDEN, _TIMES * max(self._recent))
        cut = now > _CUT or sudden
        if cut:
            self._recent.clear()
        else:
            self._recent.append(now)
        return cut
