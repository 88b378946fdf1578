"""The Live view's WebSocket: its answers to frames, and what it refuses."""

from __future__ import annotations

import contextlib
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio.lowlevel
import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

from happysad import Classifier
from happysad.images import decode
from happysad.video.tracking import Follower
from happysad.web.api.in_use import load
from happysad.web.api.live import answer_frames
from happysad.web.app import create_app
from tests.classifiers import brightness_classifier
from tests.pictures import encoded, photo, portrait
from tests.web import LIVE, client, running, settings

DISCONNECT = {"type": "websocket.disconnect"}


@pytest.fixture
def shipped(tmp_path: Path) -> Iterator[TestClient]:
    with client(create_app(settings(tmp_path))) as one:
        yield one


@pytest.fixture
def bright(tmp_path: Path) -> Iterator[TestClient]:
    model = brightness_classifier(tmp_path / "bright.onnx", slope=0.01)
    app = create_app(settings(tmp_path, model=model, max_live=2, max_frame=100_000))
    with client(app) as one:
        yield one


def shifted(pixels: int) -> bytes:
    image = Image.open(io.BytesIO(portrait()))
    return encoded(np.roll(np.asarray(image), pixels, axis=1), "jpeg")


def test_a_face_keeps_its_number_and_is_answered(shipped: TestClient) -> None:
    expected = Classifier().predict(shifted(0))
    with shipped.websocket_connect(LIVE) as view:
        answers = []
        for pixels in (0, 4, 8):
            view.send_bytes(shifted(pixels))
            answers.append(view.receive_json())
    first = answers[0]
    assert set(first) == {
        *("faces", "label", "probability", "probabilities", "width", "height", "milliseconds")
    }
    assert (first["width"], first["height"]) == (512, 600)
    assert first["milliseconds"] > 0
    assert [[face["track"] for face in one["faces"]] for one in answers] == [[1]] * 3
    [face], [whole] = first["faces"], expected.faces
    smoothed = {
        "probability": pytest.approx(whole.probability),
        "probabilities": pytest.approx(whole.probabilities),
    }
    assert face == {"track": 1, **whole.row(), **smoothed}
    assert first["label"] == expected.label
    assert first["probability"] == pytest.approx(expected.probability)
    assert first["probabilities"] == pytest.approx(expected.probabilities)


def test_a_frame_of_a_film_has_its_own_time_and_cuts(shipped: TestClient) -> None:
    follower = Follower(Classifier(threads=1))
    moments = [(0.0, False), (0.1, False), (3.0, False), (3.1, True)]
    tracks, sad = [], []
    with shipped.websocket_connect(LIVE) as view:
        for pixels, (at, cut) in zip((0, 4, 0, 4), moments, strict=True):
            view.send_text(json.dumps({"at": at, "cut": cut}))
            view.send_bytes(shifted(pixels))
            answer = view.receive_json()
            if cut:
                follower.forget()
            [expected] = follower.step(decode(shifted(pixels), "the frame").pixels, at)
            [face] = answer["faces"]
            assert face["track"] == expected.track
            assert face["probabilities"] == pytest.approx(expected.probabilities)
            assert face["now"] == pytest.approx(follower.unsmoothed.faces[0].probabilities)
            assert answer["now"] == pytest.approx(follower.unsmoothed.probabilities)
            tracks.append(face["track"])
            sad.append((face["probabilities"]["sad"], face["now"]["sad"]))
    assert tracks == [1, 1, 1, 2]
    assert sad[1][0] != pytest.approx(sad[1][1])


def test_two_views_know_nothing_of_each_other(shipped: TestClient) -> None:
    with shipped.websocket_connect(LIVE) as one, shipped.websocket_connect(LIVE) as other:
        for view in (one, other):
            view.send_bytes(portrait())
            assert [face["track"] for face in view.receive_json()["faces"]] == [1]


def test_a_frame_without_a_face(shipped: TestClient) -> None:
    with shipped.websocket_connect(LIVE) as view:
        view.send_bytes(encoded(photo(1)))
        answer = view.receive_json()
    assert (answer["faces"], answer["label"], answer["probabilities"]) == ([], "no_face", None)


def test_a_classifier_of_photos_answers_the_frame(bright: TestClient, tmp_path: Path) -> None:
    white, black = (encoded(np.full((9, 9, 3), value, np.uint8)) for value in (255, 0))
    with bright.websocket_connect(LIVE) as view:
        view.send_bytes(white)
        first = view.receive_json()
        view.send_bytes(black)
        second = view.receive_json()
        assert (first["faces"], first["label"]) == ([], "sad")
        sad = [one["probabilities"]["sad"] for one in (first, second)]
        assert 0.3 < sad[1] < sad[0]  # smoothed: without smoothing, black has 0.2
        dark = brightness_classifier(tmp_path / "dark.onnx", slope=-0.01)
        bright.app.state.server.in_use = load(dark)  # type: ignore[attr-defined]
        view.send_bytes(white)
        assert view.receive_json()["label"] == "happy"


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (b"", "the frame: the file is empty"),
        (b"no picture", "not an image"),
        (portrait()[:9000], "truncated"),
        (bytes(100_001), "the frame is too large (at most 100,000 bytes)"),
        ("text", "a frame must be a binary message: the bytes of an image"),
        ('{"at": 1}', "a frame must be a binary message: the bytes of an image"),
        ('{"at": NaN, "cut": false}', "a frame must be a binary message: the bytes of an image"),
    ],
)
def test_a_bad_frame_is_answered_and_the_next_is_too(
    bright: TestClient, frame: bytes | str, says: str
) -> None:
    with bright.websocket_connect(LIVE) as view:
        if isinstance(frame, str):
            view.send_text(frame)
        else:
            view.send_bytes(frame)
        answer = view.receive_json()
        assert list(answer) == ["error"]
        assert says in answer["error"]["text"]
        view.send_bytes(encoded(photo(1)))
        assert "label" in view.receive_json()


def test_many_messages_at_once_do_not_keep_others_waiting(bright: TestClient) -> None:
    """Each has a few bytes, so that one read contains tens of thousands of them."""
    left, turns = 100, 0

    class Burst:
        async def receive(self) -> dict[str, str]:
            nonlocal left
            left -= 1
            return {"type": "websocket.receive", "text": ""} if left else DISCONNECT

        async def send_json(self, answer: dict[str, str]) -> None:
            assert "error" in answer

    async def others() -> None:
        nonlocal turns
        while left:
            turns += 1
            await anyio.lowlevel.checkpoint()

    async def both() -> None:
        socket: Any = Burst()
        async with anyio.create_task_group() as group:
            group.start_soon(others)
            await answer_frames(socket, bright.app.state.server)  # type: ignore[attr-defined]

    anyio.run(both)
    assert turns > 90


def test_too_many_views_at_once(bright: TestClient) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(bright.websocket_connect(LIVE))
        with pytest.raises(WebSocketDenialResponse) as refused, bright.websocket_connect(LIVE):
            pass
        assert refused.value.status_code == 429
        assert refused.value.json() == {"error": "too many Live views at once; try again"}
        assert "happysad_live_views 2.0" in bright.get("/metrics").text
    with bright.websocket_connect(LIVE) as view:
        view.send_bytes(encoded(photo(1)))
        assert "label" in view.receive_json()


def test_a_view_that_sends_nothing_is_closed(tmp_path: Path) -> None:
    model = brightness_classifier(tmp_path / "model.onnx")
    with client(create_app(settings(tmp_path, model=model, live_seconds=0.2))) as one:
        with one.websocket_connect(LIVE) as view, pytest.raises(WebSocketDisconnect) as closed:
            view.receive_json()
        assert closed.value.code == 1000
        assert "happysad_live_views 0.0" in one.get("/metrics").text


def test_a_failure_ends_only_its_view(
    bright: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the secret")

    with bright.websocket_connect(LIVE) as view:
        monkeypatch.setattr("happysad.web.api.live.decode", broken)
        view.send_bytes(encoded(photo(1)))
        with pytest.raises(WebSocketDisconnect) as closed:
            view.receive_json()
        assert closed.value.code == 1011
        monkeypatch.undo()
    assert "the secret" in caplog.text
    with bright.websocket_connect(LIVE) as view:
        view.send_bytes(encoded(photo(1)))
        assert "label" in view.receive_json()


def test_on_a_real_server(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Frames, a frame that is too large, a client that disconnects, and one of another origin."""
    caplog.set_level(logging.INFO)
    model = brightness_classifier(tmp_path / "model.onnx")
    with running(settings(tmp_path, model=model, max_live=1, max_frame=100_000)) as one:
        address = f"ws://127.0.0.1:{one.port}/v1/live"
        with connect(address, compression=None) as view:
            view.send(encoded(photo(1)))
            assert "label" in str(view.recv())
            with pytest.raises(ConnectionClosedError) as closed:
                view.send(bytes(4_000_000))
                view.recv()
            assert closed.value.rcvd is None or closed.value.rcvd.code == 1009
        one.wait_for("happysad_live_views 0.0")
        with connect(address) as view:
            view.send(encoded(photo(1)))
            view.socket.close()
        one.wait_for("happysad_live_views 0.0")
        with connect(address) as view:
            view.send(encoded(photo(1)))
            assert "label" in str(view.recv())
        assert one.is_well()
    ours = [record for record in caplog.records if record.name != "websockets.client"]
    assert not [record for record in ours if record.levelno >= logging.ERROR]
