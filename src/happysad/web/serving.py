"""What a running server holds: its settings, the classifier in use, its counters and threads."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
from anyio import CapacityLimiter, to_thread
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket

from happysad.classifier import SHIPPED, Classifier
from happysad.web.metrics import Metrics
from happysad.web.settings import Settings

__all__ = ["InUse", "Serving", "load", "serving"]

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class InUse:
    """The classifier that answers."""

    classifier: Classifier
    file: Path
    """The .onnx it was loaded from."""
    name: str
    """What it is called: "face" for the one that comes with happysad, else its run or file."""
    sha256: str
    """Of the .onnx, 64 hex digits."""

    @property
    def shipped(self) -> bool:
        """Whether it is the one that comes with happysad."""
        return self.file == SHIPPED


@dataclass(slots=True, kw_only=True)
class Serving:
    """What all requests share. `in_use` may be set to another classifier at any time."""

    settings: Settings
    own: InUse
    """What the server was started with."""
    in_use: InUse
    metrics: Metrics
    threads: CapacityLimiter
    """One token a photo that is worked on."""
    live: set[WebSocket] = field(default_factory=set)
    """The Live views that are open."""

    async def work(self, call: Callable[[], Answer]) -> Answer:
        """Run what takes long in a thread, as many at once as there are `workers`.

        Once begun it runs to its end, also where the request's time is up: only then its token is
        free again.
        """
        return await to_thread.run_sync(call, limiter=self.threads)


def load(model: Path | None) -> InUse:
    """Load a classifier to serve: an .onnx, a run's folder, or None for the one that ships.

    Raises:
        ClassifierError: as `Classifier.load`.
    """
    path = model or SHIPPED
    # The threads are those of the requests: a prediction in one of its own is faster altogether.
    classifier = Classifier.load(path, threads=1)
    # Whatever is loaded on first use is loaded now.
    classifier.predict(np.zeros((64, 64, 3), np.uint8))
    file = path / "model.onnx" if path.is_dir() else path
    name = path.resolve().name if path.is_dir() else path.stem
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return InUse(classifier=classifier, file=file, name=name, sha256=digest)


def serving(connection: HTTPConnection) -> Serving:
    """Give what the server of a request or of a WebSocket holds."""
    state = connection.app.state.serving
    assert isinstance(state, Serving)
    return state
