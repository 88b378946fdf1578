"""Counters for Prometheus; none contains data from a picture or text from a client."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

__all__ = ["Counters"]

_SECONDS = (0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24)


class Counters:
    """The counters of one server, in a separate registry."""

    def __init__(self) -> None:
        """Start at zero."""
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "happysad_requests",
            "Answered requests, by method, route and status.",
            ["method", "route", "status"],
            registry=self._registry,
        )
        self.seconds = Histogram(
            "happysad_request_seconds",
            "Time from a request's headers to the end of its answer.",
            ["route"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.busy = Gauge(
            "happysad_requests_busy",
            "Requests with a body that are not answered yet.",
            registry=self._registry,
        )
        self.held = Gauge(
            "happysad_requests_held_bytes",
            "Bytes of request bodies in memory.",
            registry=self._registry,
        )
        self.photos = Counter(
            "happysad_photos",
            "Answered photos, by label; the label is error for photos that could not be read.",
            ["label"],
            registry=self._registry,
        )
        self.live = Gauge("happysad_live_views", "Open Live views.", registry=self._registry)
        self.frames = Histogram(
            "happysad_frame_seconds",
            "Server time for a frame of a Live view.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        """Return the counters in Prometheus's text format."""
        return generate_latest(self._registry)
