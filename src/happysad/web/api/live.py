"""The Live view's WebSocket: it receives frames, sends the faces in them, and stores nothing."""

from __future__ import annotations

import json
import math
import time
from typing import Any, NamedTuple

import anyio.lowlevel
from fastapi import APIRouter
from starlette.websockets import WebSocket, WebSocketDisconnect

from happysad.errors import ErrorCode, ImageError
from happysad.images import decode
from happysad.predictions import FacePrediction, Failure
from happysad.video.tracking import Follower
from happysad.web.api.in_use import ServerState, server_state
from happysad.web.http.error_responses import error_response, refuse

__all__ = ["answer_frames", "router"]

router = APIRouter()


@router.websocket("/v1/live")
async def live(socket: WebSocket) -> None:
    """Answer the frames of one view, one after the other.

    Each frame is a binary message, an image of a type that happysad reads. The client sends the
    next one after the answer. A face keeps its number from frame to frame, and probabilities are
    smoothed over time.

    A text message before a frame makes it one of a film: ``{"at": seconds, "cut": false}`` has its
    time, and whether a cut lies just before it. Its answer also has the probabilities without
    smoothing, as ``now``.
    """
    server = server_state(socket)
    views = server.live
    if len(views) >= server.settings.max_live:
        response = error_response(
            429, "too many Live views at once; try again", {"Retry-After": "10"}
        )
        await refuse(response, socket.scope, socket.receive, socket.send)
        return
    views.add(socket)
    server.counters.live.set(len(views))
    try:
        await socket.accept()
        await answer_frames(socket, server)
    except WebSocketDisconnect:
        pass
    finally:
        views.discard(socket)
        server.counters.live.set(len(views))


async def answer_frames(socket: WebSocket, server: ServerState) -> None:
    """Answer frames until the client leaves, or sends none for `Settings.live_seconds`."""
    view = _View(server)
    while True:
        with anyio.move_on_after(server.settings.live_seconds):
            # Let other tasks run, even if messages arrive and are answered without a wait.
            await anyio.lowlevel.checkpoint()
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            if (moment := _moment(message.get("text"))) is not None:
                view.moment = moment
                continue
            await socket.send_json(await _answer(message.get("bytes"), view, server))
            continue
        await socket.close(1000, "no frame for a long time")
        return


class _Moment(NamedTuple):
    at: float
    cut: bool


def _moment(text: str | None) -> _Moment | None:
    """Return the moment of a film that a message states; None where it states none."""
    try:
        stated = json.loads(text or "")
        at, cut = float(stated["at"]), bool(stated["cut"])
    except (ValueError, TypeError, LookupError, OverflowError, RecursionError):
        return None
    return _Moment(at, cut) if math.isfinite(at) else None


async def _answer(frame: bytes | None, view: _View, server: ServerState) -> dict[str, Any]:
    most = server.settings.max_frame
    if frame is None:
        return _error(
            ErrorCode.NOT_AN_IMAGE, "a frame must be a binary message: the bytes of an image"
        )
    if len(frame) > most:
        return _error(ErrorCode.TOO_LARGE, f"the frame is too large (at most {most:,} bytes)")
    began = time.perf_counter()
    answer = await server.work(lambda: view.step(frame))
    seconds = time.perf_counter() - began
    server.counters.frames.observe(seconds)
    return answer if "error" in answer else {**answer, "milliseconds": round(seconds * 1000, 1)}


def _error(code: ErrorCode, text: str) -> dict[str, Any]:
    return {"error": {"code": code, "text": text}}


class _View:
    """The state of one view: the faces that are tracked, and the classifier that answers."""

    def __init__(self, server: ServerState) -> None:
        self._server = server
        self._in_use = server.in_use
        self._follower = Follower(self._in_use.classifier)
        self.moment: _Moment | None = None
        """The moment of the next frame, if it is one of a film."""

    def step(self, frame: bytes) -> dict[str, Any]:
        if self._in_use is not self._server.in_use:
            self._in_use = self._server.in_use
            self._follower = Follower(self._in_use.classifier)
        moment, self.moment = self.moment, None
        try:
            most = self._server.settings.max_memory
            pixels = decode(frame, "the frame", max_memory=most).pixels
        except ImageError as error:
            failure = Failure.of(error)
            return _error(failure.code, failure.text)
        if moment is not None and moment.cut:
            self._follower.forget()
        faces = []
        for one in self._follower.step(pixels, moment and moment.at):
            answer = FacePrediction(label=one.label, probabilities=one.probabilities, face=one.face)
            faces.append({"track": one.track, **answer.row()})
        whole, by_itself = self._follower.prediction, self._follower.unsmoothed
        if moment is not None:
            for face, alone in zip(faces, by_itself.faces, strict=True):
                face["now"] = alone.probabilities
        return {
            **({} if moment is None else {"now": by_itself.probabilities}),
            "faces": faces,
            "label": whole.label,
            "probability": whole.probability,
            "probabilities": whole.probabilities,
            "width": pixels.shape[1],
            "height": pixels.shape[0],
        }
