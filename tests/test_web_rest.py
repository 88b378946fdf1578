"""The answers to single requests; their rows equal those of the command line and of Python."""

from __future__ import annotations

import hashlib
import io
import json
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from happysad import Classifier
from happysad.model_file import SHIPPED
from happysad.web.api.card import CardPicture
from happysad.web.api.in_use import load
from happysad.web.api.rest import name_of
from happysad.web.app import create_app
from tests.classifiers import brightness_classifier, three_class_classifier
from tests.command_line import run_command
from tests.pictures import encoded, photo, portrait
from tests.web import client, settings

REAL = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with client(create_app(settings(tmp_path_factory.mktemp("web")))) as one:
        yield one


@pytest.fixture
def bright(tmp_path: Path) -> Iterator[TestClient]:
    model = brightness_classifier(tmp_path / "bright.onnx")
    with client(create_app(settings(tmp_path, model=model))) as one:
        yield one


def form(*photos: tuple[str, bytes]) -> list[tuple[str, tuple[str, bytes]]]:
    return [("files", one) for one in photos]


def rows_of_command_line(folder: Path, names: list[str], *options: str) -> list[Any]:
    done = run_command("predict", *names, "--json", *options, cwd=folder)
    assert done.status in (0, 1), done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def shorten(row: dict[str, Any]) -> None:
    """Shorten a row's path to its last part, as the server does."""
    whole, row["path"] = row["path"], Path(row["path"]).name
    if row["error"]:
        row["error"]["text"] = row["error"]["text"].replace(whole, row["path"])


def test_server_command_line_and_python_give_identical_rows(
    shipped: TestClient, tmp_path: Path
) -> None:
    """With and without faces, grey, transparent, turned, damaged, and not a picture at all."""
    pictures = {
        "portrait.jpg": portrait(),
        "blobs.png": encoded(photo(1)),
        "small.gif": encoded(photo(2, 5, 7), "gif"),
        "clear.webp": encoded(np.dstack([photo(3), photo(4)[..., 0]]), "webp"),
        "half.jpg": portrait()[:9000],
        "notes.txt": b"no picture",
        "empty.png": b"",
    }
    for name, data in pictures.items():
        (tmp_path / name).write_bytes(data)
    names = list(pictures)
    for each, options in (("photo", ()), ("face", ("--rows", "face", "--no-unsure"))):
        query = {"rows": "face", "unsure": "false"} if options else {}
        answer = shipped.post("/v1/predict", files=form(*pictures.items()), params=query)
        assert answer.status_code == 200
        predictions = Classifier().predict(
            [str(tmp_path / name) for name in names], unsure=not options
        )
        from_python = [row for one in predictions for row in one.rows(each)]
        for row in from_python:
            shorten(row)
        assert answer.json() == rows_of_command_line(tmp_path, names, *options) == from_python


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason="the real pictures are not here")
def test_identical_rows_for_forty_real_pictures(shipped: TestClient) -> None:
    scenes = sorted(str(file) for file in (REAL / "scenes").glob("*/*"))
    crops = sorted(str(file) for file in (REAL / "faces" / "test").glob("*/*"))
    chosen = random.Random(0).sample(scenes, 24) + random.Random(1).sample(crops, 16)
    from_python = [one.row() for one in Classifier().predict(chosen)]
    rows = []
    for start in range(0, 40, 20):
        files = [(name, Path(name).read_bytes()) for name in chosen[start : start + 20]]
        rows += shipped.post("/v1/predict", files=form(*files)).json()
    assert rows_of_command_line(Path.cwd(), chosen) == from_python
    for row in from_python:
        shorten(row)
    assert rows == from_python
    assert sum(bool(row["faces"]) for row in rows) > 20


def test_a_body_is_one_photo(shipped: TestClient) -> None:
    row = Classifier().predict(portrait()).row()
    for kind in ("image/jpeg", "application/octet-stream", "text/plain; x", ""):
        answer = shipped.post("/v1/predict", content=portrait(), headers={"Content-Type": kind})
        assert answer.json() == [row], kind


def test_a_face_crop_is_given(shipped: TestClient) -> None:
    crop = encoded(photo(1, 48, 48, 1))
    answer = shipped.post("/v1/predict?faces=given&unsure=false", content=crop).json()
    assert answer == [Classifier().predict(crop, faces="given", unsure=False).row()]


def test_three_classes(tmp_path: Path) -> None:
    model = three_class_classifier(tmp_path / "three.onnx")
    picture = encoded(np.full((9, 9, 3), 130, np.uint8))
    with client(create_app(settings(tmp_path, model=model))) as one:
        answer = one.post("/v1/predict", content=picture)
        [row] = answer.json()
        assert row == Classifier(model).predict(picture).row()
        assert list(row["probabilities"]) == ["happy", "neither", "sad"]
        explained = one.post("/v1/explain", content=picture)
        assert json.loads(explained.headers["x-happysad-probabilities"]) == row["probabilities"]
        assert one.get("/v1/model").json()["details"]["classes"] == list(row["probabilities"])
        two = one.post("/v1/predict?answers=sad,happy", content=picture).json()
        assert two == [Classifier(model).predict(picture, answers=("happy", "sad")).row()]
        explained = one.post("/v1/explain?answers=happy,sad", content=picture)
        shown = json.loads(explained.headers["x-happysad-probabilities"])
        assert shown == two[0]["probabilities"]


def test_a_server_of_two_answers(tmp_path: Path) -> None:
    model = three_class_classifier(tmp_path / "three.onnx")
    picture = encoded(np.full((9, 9, 3), 130, np.uint8))
    given = settings(tmp_path, model=model, answers=("happy", "sad"))
    with client(create_app(given)) as one:
        [row] = one.post("/v1/predict", content=picture).json()
        assert row == Classifier(model).predict(picture, answers=("happy", "sad")).row()
        assert one.get("/v1/model").json()["details"]["classes"] == ["happy", "sad"]


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("faces=given", "faces given is for a classifier of faces; this one looks at whole photos"),
        ("faces=some", "query faces: input should be 'find' or 'given'"),
        ("rows=each", "query rows: input should be 'photo' or 'face'"),
        ("answers=happy,glad", "answers must be two or more of happy, sad, not ['happy', 'glad']"),
        ("answers=", "answers must be two or more of happy, sad, not ['']"),
        ("unsure=perhaps", "query unsure: input should be a valid boolean"),
    ],
)
def test_parameters_that_cannot_be(bright: TestClient, query: str, error: str) -> None:
    answer = bright.post(f"/v1/predict?{query}", content=encoded(photo(1)))
    assert answer.status_code == 422
    assert answer.json()["error"].startswith(error)


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("party.jpg", "party.jpg"),
        ("../../etc/passwd", "passwd"),
        ("/etc/passwd", "passwd"),
        ("C:\\photos\\party.jpg", "party.jpg"),
        ("a\\..\\b/c.jpg", "c.jpg"),
        ("..", ".."),
        ("", ""),
        ("Grüße ☺.jpg", "Grüße ☺.jpg"),
        ("line\nbreak.jpg", "line\nbreak.jpg"),
    ],
)
def test_a_files_name_is_cut_to_its_last_part(sent: str, name: str) -> None:
    assert name_of(sent) == name


@pytest.mark.parametrize("name", ["../../x.jpg", "..", "%2e%2e%2fx.jpg", "x\x01.jpg", "☺" * 90])
def test_a_weird_name_is_only_said_again(bright: TestClient, tmp_path: Path, name: str) -> None:
    before = sorted(tmp_path.rglob("*"))
    [row] = bright.post("/v1/predict", files=form((name, b"no picture"))).json()
    assert "/" not in row["path"]
    allowed = "jpeg, png, bmp, gif, webp, tiff, heif, avif, jpeg2000, raw"
    assert row["error"] == {
        "code": "not_an_image",
        "text": f"{row['path']}: not an image (allowed by content: {allowed})",
    }
    assert sorted(tmp_path.rglob("*")) == before


def test_what_decided_is_a_picture_with_the_answer(shipped: TestClient) -> None:
    answer = shipped.post("/v1/explain", content=portrait())
    picture = Image.open(io.BytesIO(answer.content))
    assert (picture.format, picture.size) == ("PNG", (384, 384))
    face = Classifier().predict(portrait()).faces[0]
    assert answer.headers["x-happysad-label"] == face.label
    assert json.loads(answer.headers["x-happysad-probabilities"]) == face.probabilities
    assert shipped.post("/v1/explain?face=1", content=portrait()).content == answer.content


@pytest.mark.parametrize(
    ("query", "body", "error"),
    [
        ("?face=2", "portrait", "face=2: the photo has 1 face"),
        ("", "blobs", "face=1: the photo has no face"),
        ("?face=0", "portrait", "query face: input should be greater than or equal to 1"),
        ("", "", "the picture: the file is empty"),
    ],
)
def test_what_cannot_be_explained(shipped: TestClient, query: str, body: str, error: str) -> None:
    data = {"portrait": portrait(), "blobs": encoded(photo(1)), "": b""}[body]
    answer = shipped.post(f"/v1/explain{query}", content=data)
    assert (answer.status_code, answer.json()) == (422, {"error": error})


def test_the_model_says_what_it_is(bright: TestClient, shipped: TestClient, tmp_path: Path) -> None:
    own, ships = bright.get("/v1/model").json(), shipped.get("/v1/model").json()
    digest = hashlib.sha256((tmp_path / "bright.onnx").read_bytes()).hexdigest()
    assert (own["name"], own["sha256"], own["shipped"]) == ("bright", digest, False)
    assert own["id"] == digest[:12]
    assert own["details"]["classes"] == ["happy", "sad"]
    assert (ships["name"], ships["shipped"]) == (SHIPPED.stem, True)
    assert ships["details"]["looks_at"] == "face"


def test_another_classifier_answers_as_soon_as_it_is_in_use(
    bright: TestClient, tmp_path: Path
) -> None:
    white = encoded(np.full((9, 9, 3), 255, np.uint8))
    assert bright.post("/v1/predict", content=white).json()[0]["label"] == "sad"
    other = load(brightness_classifier(tmp_path / "dark.onnx", slope=-0.1))
    bright.app.state.server.in_use = other  # type: ignore[attr-defined]
    assert bright.post("/v1/predict", content=white).json()[0]["label"] == "happy"
    assert bright.get("/v1/model").json()["name"] == "dark"


def test_a_request_ends_with_the_classifier_it_began_with(
    bright: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the photos arrive, Teach switches to a classifier that does not allow `faces`."""
    serving = bright.app.state.server  # type: ignore[attr-defined]
    photos = serving.in_use
    faces = brightness_classifier(tmp_path / "faces.onnx", looks_at="face", slope=-0.1)
    serving.in_use = load(faces)
    white = encoded(np.full((9, 9, 3), 255, np.uint8))

    async def photos_of(*_: object) -> list[tuple[str | None, bytes]]:
        serving.in_use = photos
        return [(None, white)]

    monkeypatch.setattr("happysad.web.api.rest.photos_of", photos_of)
    answer = bright.post("/v1/predict?faces=given")
    assert answer.status_code == 200
    assert answer.json()[0]["label"] == "happy"


def test_the_card_has_its_pictures_and_gives_no_other_file(shipped: TestClient) -> None:
    images = re.findall(r'<img src="(.*?)" alt="(.+?)" />', shipped.get("/v1/card").text)
    assert [address for address, _ in images] == [f"v1/card/{one}" for one in CardPicture]
    for address, _ in images:
        answer = shipped.get(address)
        assert answer.headers["content-type"] == "image/png"
        assert answer.content == SHIPPED.with_name(address.rpartition("/")[2]).read_bytes()
    for other in ("face.onnx", "..%2Fassets%2Ffailures.png", "FAILURES.PNG", "%00"):
        assert shipped.get(f"/v1/card/{other}").status_code in (404, 422)


def test_the_card_is_html_without_scripts(bright: TestClient, shipped: TestClient) -> None:
    card = shipped.get("/v1/card")
    assert card.headers["content-type"].startswith("text/html")
    assert card.text.startswith("<h1>")
    assert "<table>" in card.text or "<li>" in card.text
    serving = bright.app.state.server  # type: ignore[attr-defined]
    serving.in_use = replace(serving.in_use, name="<script>alert(1)</script> [x](javascript:1)")
    own = bright.get("/v1/card").text
    assert "<script>" not in own
    assert "<a " not in own
    assert "&lt;script&gt;" in own
    assert "<td>brightness</td>" in own


def test_metrics_count_what_was_asked_and_answered(bright: TestClient) -> None:
    bright.post("/v1/predict", files=form(("a.png", encoded(photo(1))), ("b.png", b"")))
    bright.get("/v1/nothing-of-that-name")
    bright.request("BREW", "/v1/predict")
    text = bright.get("/metrics").text
    for line in (
        'happysad_requests_total{method="POST",route="/v1/predict",status="200"} 1.0',
        'happysad_requests_total{method="GET",route="other",status="404"} 1.0',
        'happysad_requests_total{method="other",route="/v1/predict",status="405"} 1.0',
        'happysad_photos_total{label="error"} 1.0',
        "process_resident_memory_bytes",
    ):
        assert line in text
    assert "nothing-of-that-name" not in text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/static/nothing.js", 404),
        ("GET", "/static/../app.py", 404),
        ("GET", "/static/%2e%2e/app.py", 404),
        ("GET", "/static/..%2f..%2fclassifier.py", 404),
        ("GET", "/v1/predict", 405),
        ("GET", "/docs", 404),
        ("DELETE", "/", 405),
    ],
)
def test_every_error_is_one_line_of_json(
    bright: TestClient, method: str, path: str, status: int
) -> None:
    answer = bright.request(method, path)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert "\n" not in answer.json()["error"]


def test_an_error_that_nobody_foresaw_is_answered_and_logged(
    bright: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the secret")

    monkeypatch.setattr("happysad.web.api.rest.Photo", broken)
    answer = bright.post("/v1/predict", content=encoded(photo(1)))
    assert answer.status_code == 500
    assert answer.json() == {"error": "internal error; see the server's log"}
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "the secret" in caplog.text
    assert bright.get("/healthz").status_code == 200
