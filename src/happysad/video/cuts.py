"""Find the cuts of a film, and its fades from one shot to the next."""

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
# The frames over which a fade is looked for, the difference of its ends, and the share of it that a
# mixture may leave over: docs/decisions.md, "Fades of films".
_LAGS, _FADE, _LEFT_OVER = (12, 30), 0.35, 0.2


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


def _is_mixture(
    between: NDArray[np.uint8], before: NDArray[np.uint8], now: NDArray[np.uint8]
) -> bool:
    """Return whether a picture looks like two others, one over the other, as in a fade.

    Args:
        between: grey, of any shape.
        before: the same; its share of the mixture must be between a quarter and three quarters.
        now: the same.
    """
    first = before.astype(np.float32)
    change, part = now - first, between - first
    share = float((part * change).sum() / max(1.0, (change * change).sum()))
    left = float(np.abs(part - share * change).mean())
    return 0.25 < share < 0.75 and left < _LEFT_OVER * float(np.abs(change).mean())


class CutDetector:
    """Tells a cut or a fade from motion and changes of light, frame by frame."""

    def __init__(self) -> None:
        self._frames: deque[NDArray[np.uint8]] = deque(maxlen=1 + max(_LAGS))
        self._recent: deque[float] = deque(maxlen=_FRAMES)

    def step(self, picture: VideoFrame) -> bool:
        """Return whether a cut, or the middle of a fade, lies just before this frame."""
        small = picture.reformat(width=_SIDE, height=_SIDE, format="gray", interpolation="AREA")
        return self.step_small(np.asarray(small.to_ndarray(), np.uint8))

    def step_small(self, grey: NDArray[np.uint8]) -> bool:
        """Return what `step` does.

        Args:
            grey: the frame, reduced by area to shape (64, 64).
        """
        self._frames.append(grey)
        if len(self._frames) == 1:
            return False
        now = difference(self._frames[-2], grey)
        # Between people on the same background less changes, but more than in the frames before.
        sudden = len(self._recent) == _FRAMES and now > max(_SUDDEN, _TIMES * max(self._recent))
        cut, fade = now > _CUT or sudden, self._is_fade()
        if fade:  # the same fade is not found again
            self._frames = deque([grey], self._frames.maxlen)
        if cut or fade:
            self._recent.clear()
        else:
            self._recent.append(now)
        return cut or fade

    def _is_fade(self) -> bool:
        """Return whether an earlier frame became this one by a mixture of both."""
        now = self._frames[-1]
        for lag in _LAGS:
            if len(self._frames) > lag:
                before, between = self._frames[-1 - lag], self._frames[-1 - lag // 2]
                if _is_mixture(between, before, now) and difference(before, now) > _FADE:
                    return True
        return False
