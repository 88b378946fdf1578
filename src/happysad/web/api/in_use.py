"""The state of a running server: its settings, the classifier in use, its counters and threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
from anyio import CapacityLimiter, to_thread
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket

from happysad.classifier import Classifier
from happysad.model_file import SHIPPED, resolve
from happysad.web.http.counters import Counters
from happysad.web.http.settings import Settings

__all__ = ["InUse", "ServerState", "load", "server_state"]

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class InUse:
    """A loaded classifier with its file and its name."""

    classifier: Classifier
    file: Path
    """The .onnx that it was loaded from."""
    name: str
    """"face" for the classifier that comes with happysad, else the name of its run or file."""

    @property
    def shipped(self) -> bool:
        """Whether it is the classifier that comes with happysad."""
        return self.file == SHIPPED


@dataclass(slots=True, kw_only=True)
class ServerState:
    """The state that all requests share. `in_use` may change to another classifier at any time."""

    settings: Settings
    own: InUse
    """The classifier that the server was started with."""
    in_use: InUse
    """The classifier that answers requests."""
    counters: Counters
    threads: CapacityLimiter
    """One token for each photo that is being processed."""
    live: set[WebSocket] = field(default_factory=set)
    """The open Live views."""

    async def work(self, call: Callable[[], Answer]) -> Answer:
        """Run a slow call in a thread, at most `Settings.workers` of them at a time.

        A call that has begun runs to its end, even after its request has timed out; only then its
        token is released.
        """
        return await to_thread.run_sync(call, limiter=self.threads)


def load(model: Path | None, answers: Sequence[str] | None = None) -> InUse:
    """Load a classifier to serve.

    Args:
        model: an .onnx or a run's folder; None for the classifier that comes with happysad.
        answers: as for `Classifier.answering`.

    Raises:
        ClassifierError: there is no such file, or happysad did not write it.
        UsageError: `answers` are not its classes.
    """
    file = SHIPPED if model is None else resolve(model)
    # Each request has its own thread, so more threads within one would only compete.
    classifier = Classifier(file, threads=1).answering(answers)
    # Predict once to load everything that is loaded on first use, so that no request waits for it.
    classifier.predict(np.zeros((64, 64, 3), np.uint8))
    name = model.resolve().name if model is not None and model.is_dir() else file.stem
    return InUse(classifier=classifier, file=file, name=name)


def server_state(connection: HTTPConnection) -> ServerState:
    """Return the state of the server that handles a request or a WebSocket."""
    state = connection.app.state.server
    assert isinstance(state, ServerState)
    return state
