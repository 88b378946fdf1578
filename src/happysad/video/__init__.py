"""Webcams and films: faces followed from frame to frame, outcomes smoothed over time."""

from __future__ import annotations

from happysad.video.following import Follower, Tracked

__all__ = ["Follower", "Tracked"]
