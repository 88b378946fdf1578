"""The Live view's WebSocket: a frame comes, its faces go; nothing of a frame is kept."""

from __future__ import annotations

import time
from typing import Any

import anyio.lowlevel
from fastapi import APIRouter
from starlette.websockets import WebSocket, WebSocketDisconnect

from happysad.errors import ImageError
from happysad.images import decode
from happysad.video import Follower
from happysad.web.answers import failure, refuse
from happysad.web.serving import Serving, serving

__all__ = ["router"]

router = APIRouter()


@router.websocket("/v1/live")
async def live(socket: WebSocket) -> None:
    """Answer the frames of one view, one after the other.

    Each is a binary message, an image of a type that happysad reads; the next is sent after the
    answer. The faces' numbers stay from frame to frame, and outcomes are smoothed over time.
    """
    server = serving(socket)
    views = server.live
    if len(views) >= server.settings.max_live:
        response = failure(429, "too many Live views at once; try again", {"Retry-After": "10"})
        await refuse(response, socket.scope, socket.receive, socket.send)
        return
    views.add(socket)
    server.metrics.live.set(len(views))
    try:
        await socket.accept()
        await _answer_frames(socket, server)
    except WebSocketDisconnect:
        pass
    finally:
        views.discard(socket)
        server.metrics.live.set(len(views))


async def _answer_frames(socket: WebSocket, server: Serving) -> None:
    view = _View(server)
    while True:
        with anyio.move_on_after(server.settings.live_seconds):
            # Else what is answered at once, and had come at once, would keep all others waiting.
            await anyio.lowlevel.checkpoint()
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            await socket.send_json(await _answer(message.get("bytes"), view, server))
            continue
        await socket.close(1000, "no frame for a long time")
        return


async def _answer(frame: bytes | None, view: _View, server: Serving) -> dict[str, Any]:
    most = server.settings.max_frame
    if frame is None:
        return {"error": "a frame is a binary message: an image's bytes"}
    if len(frame) > most:
        return {"error": f"the frame is too large (at most {most:,} bytes)"}
    began = time.perf_counter()
    answer = await server.work(lambda: view.step(frame))
    seconds = time.perf_counter() - began
    server.metrics.frames.observe(seconds)
    return answer if "error" in answer else {**answer, "milliseconds": round(seconds * 1000, 1)}


class _View:
    """What is known of one view: where its faces were, by the classifier in use."""

    def __init__(self, server: Serving) -> None:
        self._server = server
        self._in_use = server.in_use
        self._follower = Follower(self._in_use.classifier)

    def step(self, frame: bytes) -> dict[str, Any]:
        if self._in_use is not self._server.in_use:
            self._in_use = self._server.in_use
            self._follower = Follower(self._in_use.classifier)
        try:
            most = self._server.settings.max_pixels
            pixels = decode(frame, "the frame", max_pixels=most).pixels
        except ImageError as error:
            return {"error": str(error)}
        faces = [
            {
                "track": one.track,
                "label": one.label,
                "p_sad": one.p_sad,
                "x": one.face.x,
                "y": one.face.y,
                "width": one.face.width,
                "height": one.face.height,
                "score": one.face.score,
            }
            for one in self._follower.step(pixels)
        ]
        whole = self._follower.prediction
        return {
            "faces": faces,
            "label": whole.label,
            "p_sad": whole.p_sad,
            "width": pixels.shape[1],
            "height": pixels.shape[0],
        }
