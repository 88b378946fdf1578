"""Webcams and films: faces are tracked from frame to frame, and their answers smoothed."""

from __future__ import annotations

from happysad.video.tracking import Follower, Tracked

__all__ = ["Follower", "Tracked"]
