"""The Live view's WebSocket: it receives frames, sends the faces in them, and stores nothing."""

from __future__ import annotations

import time
from typing import Any

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
            await socket.send_json(await _answer(message.get("bytes"), view, server))
            continue
        await socket.close(1000, "no frame for a long time")
        return


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

    def step(self, frame: bytes) -> dict[str, Any]:
        if self._in_use is not self._server.in_use:
            self._in_use = self._server.in_use
            self._follower = Follower(self._in_use.classifier)
        try:
            most = self._server.settings.max_memory
            pixels = decode(frame, "the frame", max_memory=most).pixels
        except ImageError as error:
            failure = Failure.of(error)
            return _error(failure.code, failure.text)
        faces = []
        for one in self._follower.step(pixels):
            answer = FacePrediction(label=one.label, probabilities=one.probabilities, face=one.face)
            faces.append({"track": one.track, **answer.row()})
        whole = self._follower.prediction
        return {
            "faces": faces,
            "label": whole.label,
            "probability": whole.probability,
            "probabilities": whole.probabilities,
            "width": pixels.shape[1],
            "height": pixels.shape[0],
        }
