"""Teach's routes; what is no photo, too much, out of place or missing."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import hypothesis
import numpy as np
import pytest
import schemathesis
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import positive_data_acceptance
from starlette.testclient import TestClient

from happysad.dataset.drawn_faces import face
from happysad.extras import EXTRAS
from happysad.face_detection import find
from happysad.images import decode
from happysad.models.face_features import FaceFeatures
from happysad.photo import Photo
from happysad.web.app import create_app
from happysad.web.teach import examples
from happysad.web.teach.choice import FILE
from happysad.web.teach.examples import FEWEST
from tests.classifiers import brightness_classifier
from tests.pictures import encoded, photo, portrait
from tests.taught import EACH, States, check_run
from tests.test_web_jobs import STUB
from tests.web import LIVE, client, settings

GOOD = encoded(photo(1))
NAMED = hashlib.sha256(GOOD).hexdigest() + ".png"

Files = list[tuple[str, tuple[str, bytes]]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder; trainings in it are stand-ins whose classifier says the opposite."""
    monkeypatch.setenv("HAPPYSAD_STUB", "finish")
    trained = brightness_classifier(tmp_path / "trained.onnx", slope=-0.1)
    monkeypatch.setenv("HAPPYSAD_STUB_MODEL", str(trained))
    return tmp_path / "teach"


@pytest.fixture
def one(folder: Path) -> Iterator[TestClient]:
    with open_(folder) as client:
        yield client


def open_(folder: Path, **given: Any) -> TestClient:
    model = brightness_classifier(folder.parent / "bright.onnx")
    return client(create_app(settings(folder.parent, model=model, **given), lesson=STUB))


def form(*files: tuple[str, bytes]) -> Files:
    return [("files", file) for file in files]


def fill(one: TestClient, each: int = FEWEST) -> None:
    """Add photos of both classes."""
    for place, label in enumerate(("happy", "sad")):
        files = [(f"{n}.png", encoded(photo(100 * place + n))) for n in range(each)]
        answer = one.post(f"/v1/teach/photos/{label}", files=form(*files))
        assert answer.json()["added"] == each


def until(one: TestClient, right: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    for _ in range(30_000):
        job: dict[str, Any] = one.get("/v1/teach/job").json()
        if right(job):
            return job
        time.sleep(0.01)
    raise AssertionError(job)


def ended(one: TestClient) -> dict[str, Any]:
    return until(one, lambda job: job["state"] in ("done", "failed", "stopped"))


def train(one: TestClient) -> int:
    """Train to the end; return the run."""
    assert one.post("/v1/teach/train").status_code == 202
    job = ended(one)
    assert job["state"] == "done", job
    return int(job["run"])


def stored(folder: Path) -> list[str]:
    """The files that photos became, from the data folder."""
    found = (folder / "photos").rglob("*")
    return sorted(str(file.relative_to(folder / "photos")) for file in found if file.is_file())


def refused(answer: Any, status: int, words: str) -> None:
    """Hold an answer to be an error, in one line."""
    assert answer.status_code == status
    said = answer.json()
    assert list(said) == ["error"]
    assert words in said["error"]
    assert "\n" not in said["error"]


# Photos


def test_photos_without_labels_are_seen_and_put_in_order(one: TestClient, folder: Path) -> None:
    crop = face("happy", np.random.default_rng(1), 48)
    plain = encoded(np.full((90, 90, 3), 99, np.uint8))
    files = [("a.jpg", portrait()), ("b.png", encoded(crop)), ("c.png", plain), ("d.txt", b"no")]
    rows = one.post("/v1/teach/features", files=form(*files)).json()
    assert [row["path"] for row in rows] == [name for name, _ in files]
    network = FaceFeatures()
    cut = network.input.row(Photo(crop))["image"]  # a picture of 48 pixels is a face crop already
    assert rows[1]["features"] == pytest.approx(network.of(cut[None])[0][0], abs=1e-4)
    assert len(rows[0]["features"]) == len(rows[1]["features"])
    assert (rows[2]["features"], rows[2]["error"]) == (None, None)
    assert (rows[3]["features"], rows[3]["error"]["code"]) == (None, "not_an_image")
    assert not folder.exists()
    # Between 0 and 50, 20 is farther from both than 49.
    spread = {"features": [[0.0], [50.0], [49.0], [20.0]], "chosen": 2}
    assert one.post("/v1/teach/order", json=spread).json() == {"order": [3, 2]}
    assert one.post("/v1/teach/order", json={"features": []}).json() == {"order": []}
    for wrong in ({**spread, "chosen": 5}, {"features": [[1.0], [1.0, 2.0]]}):
        refused(one.post("/v1/teach/order", json=wrong), 422, "of one length")
    refused(one.post("/v1/teach/order", json={"features": [[1e300]]}), 422, "1000")


def test_photos_are_kept_by_their_content(one: TestClient, folder: Path) -> None:
    assert one.get("/v1/teach").json() == {
        "available": True,
        "fewest": FEWEST,
        "classes": ["happy", "sad"],
        "counts": {"happy": 0, "sad": 0},
        "job": None,
        "runs": [],
        "in_use": None,
        "own": {"name": "bright", "shipped": False},
    }
    assert not folder.exists()  # who teaches nothing finds nothing written
    files = form(("a.png", GOOD), ("again.jpg", GOOD), ("portrait", portrait()))
    assert one.post("/v1/teach/photos/happy", files=files).json() == {
        "added": 2,
        "known": 1,
        "refused": [],
        "counts": {"happy": 2, "sad": 0},
    }
    answer = one.post("/v1/teach/photos/happy", content=GOOD)  # a raw body will do too
    assert (answer.json()["added"], answer.json()["known"]) == (0, 1)
    assert f"happy/{NAMED}" in stored(folder)
    assert (folder / "photos" / "happy" / NAMED).read_bytes() == GOOD
    assert {Path(name).suffix for name in stored(folder)} == {".png", ".jpg"}
    # In the other class it is another matter: a check will say that one is wrong.
    answer = one.post("/v1/teach/photos/sad", content=GOOD)
    assert answer.json()["counts"] == {"happy": 2, "sad": 1}


@pytest.mark.parametrize(
    "name",
    [
        "../../evil.png",
        "..\\..\\evil.png",
        "/etc/passwd",
        "C:\\evil.png",
        "..",
        ".",
        "",
        "a\0b.png",
        "happy/.hidden",
        "x" * 5000,
        "☺.php",
    ],
)
def test_no_name_becomes_a_path(one: TestClient, folder: Path, name: str) -> None:
    before = set(folder.parent.rglob("*"))
    head = f'--x\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
    for data in (GOOD, b"no photo"):
        body = head.encode() + data + b"\r\n--x--\r\n"
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        answer = one.post("/v1/teach/photos/sad", content=body, headers=kind)
        assert answer.status_code in (200, 400, 422)  # a form that is none is refused as such
        for row in answer.json().get("refused", []):
            assert "/" not in row["path"]
            assert "\\" not in row["path"]
    new = {file for file in folder.rglob("*") if file.is_file()}
    assert new <= {folder / "photos" / "sad" / NAMED}
    assert set(folder.parent.rglob("*")) - before - set(folder.rglob("*")) <= {folder}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "the file is empty"),
        (b"<svg onload=alert(1)>", "not an image"),
        (portrait()[:9000], "truncated"),
        (b"\xff\xd8\xff" + b"\0" * 999, "damaged"),
        (encoded(np.zeros((800, 800), np.uint8)), "800x800 pixels are too many: they take"),
    ],
)
def test_what_is_no_photo_is_refused(folder: Path, data: bytes, says: str) -> None:
    with open_(folder, max_memory=400_000) as one:
        files = form(("dir/bad.png", data), ("good.png", GOOD))
        answer = one.post("/v1/teach/photos/happy", files=files)
        assert answer.status_code == 200
        [row] = answer.json()["refused"]
        assert row["path"] == "bad.png"
        assert says in row["error"]["text"]
        assert answer.json()["added"] == 1
    assert stored(folder) == [f"happy/{NAMED}"]


def test_no_more_photos_than_allowed(
    one: TestClient, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examples, "MAX_PHOTOS", 3)
    files = form(*((f"{n}.png", encoded(photo(n))) for n in range(5)))
    with ThreadPoolExecutor(4) as pool:  # also at once
        calls = [pool.submit(one.post, "/v1/teach/photos/sad", files=files[n:]) for n in range(4)]
        answers = [call.result().json() for call in calls]
    assert sum(answer["added"] for answer in answers) == len(stored(folder)) == 3
    rows = [row for answer in answers for row in answer["refused"]]
    assert all("at most 3 photos of a class are kept" in row["error"]["text"] for row in rows)
    assert len(rows) == 14 - sum(answer["added"] + answer["known"] for answer in answers) > 0
    answer = one.post("/v1/teach/photos/happy", files=files[:1])
    assert answer.json()["counts"] == {"happy": 1, "sad": 3}


def test_no_more_bytes_than_allowed(one: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    other = encoded(photo(2))
    monkeypatch.setattr(examples, "MAX_BYTES", max(len(GOOD), len(other)) + 10)
    assert one.post("/v1/teach/photos/sad", content=GOOD).json()["added"] == 1
    [row] = one.post("/v1/teach/photos/happy", content=other).json()["refused"]
    assert row["path"] is None
    assert row["error"]["code"] == "too_large"
    assert f"there are {len(GOOD):,}" in row["error"]["text"]
    assert one.post("/v1/teach/photos/sad", content=GOOD).json()["known"] == 1
    one.delete("/v1/teach/photos/sad")
    assert one.post("/v1/teach/photos/happy", content=other).json()["added"] == 1


def test_a_full_disk(one: TestClient, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, data: bytes) -> int:
        self.touch()
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        answer = one.post("/v1/teach/photos/sad", content=GOOD)
    refused(answer, 507, "photos cannot be kept: no space left on device")
    assert stored(folder) == []
    assert one.post("/v1/teach/photos/sad", content=GOOD).json()["added"] == 1


def test_a_class_is_emptied(one: TestClient, folder: Path) -> None:
    fill(one, 2)
    assert one.post("/v1/teach/check").status_code == 200
    (folder / "photos" / "sad" / "mine.png").write_bytes(GOOD)
    assert one.delete("/v1/teach/photos/happy").json() == {"counts": {"happy": 0, "sad": 3}}
    assert one.delete("/v1/teach/photos/happy").json() == {"counts": {"happy": 0, "sad": 3}}
    # What the user laid there himself stays.
    assert one.delete("/v1/teach/photos/sad").json() == {"counts": {"happy": 0, "sad": 1}}
    assert stored(folder) == ["sad/mine.png"]
    refused(one.get("/v1/teach/check/report.html"), 404, "nothing was checked")


def test_photos_are_seen_and_removed(one: TestClient, folder: Path) -> None:
    assert one.get("/v1/teach/photos/happy").json() == {"names": [], "total": 0}
    for n in (1, 2, 3):
        one.post("/v1/teach/photos/happy", content=encoded(photo(n, 300, 200)))
        for file in (folder / "photos" / "happy").iterdir():
            os.utime(file, ns=(0, file.stat().st_mtime_ns - 10**9))
    (folder / "photos" / "happy" / "mine.png").write_bytes(GOOD)
    found = one.get("/v1/teach/photos/happy?count=2").json()
    assert found["total"] == 3  # a photo that the user laid there cannot be removed here
    newest, second = found["names"]
    assert newest == hashlib.sha256(encoded(photo(3, 300, 200))).hexdigest() + ".png"
    picture = one.get(f"/v1/teach/photos/happy/{second}")
    assert picture.headers["content-type"] == "image/jpeg"
    assert decode(picture.content).pixels.shape == (128, 85, 3)
    path = f"/v1/teach/photos/happy/{newest}"
    assert one.delete(path).json() == {"counts": {"happy": 3, "sad": 0}}
    for answer in (one.delete(path), one.get(path), one.delete("/v1/teach/photos/happy/mine.png")):
        refused(answer, 404, "there is no such photo")
    assert one.get("/v1/teach/photos/happy").json()["names"][0] == second


def test_no_photo_is_removed_during_a_training(
    one: TestClient, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(one)
    [name, *_] = one.get("/v1/teach/photos/sad").json()["names"]
    monkeypatch.setenv("HAPPYSAD_STUB", "hang")
    one.post("/v1/teach/train")
    refused(one.delete(f"/v1/teach/photos/sad/{name}"), 409, "is running")
    assert f"sad/{name}" in stored(folder)
    job = until(one, lambda job: job["step"] is not None)
    assert (job["step"]["what"], job["step"]["share"]) == ("training", 0.5)
    assert 0 < job["step"]["seconds_left"] <= 9.0
    assert one.get("/v1/teach/step").json()["what"] == "training"
    assert until(one, lambda job: job["first"])
    stopped = one.post("/v1/teach/stop").json()
    assert (stopped["step"], stopped["first"]) == (None, True)
    assert one.get("/v1/teach/step").json() is None
    [row] = one.get("/v1/teach").json()["runs"]
    assert (row["id"], row["first"]) == (1, True)  # the first result is kept


def test_the_names_of_the_classes_are_the_users(one: TestClient, folder: Path) -> None:
    one.post("/v1/teach/photos/happy", content=GOOD)
    named = one.put("/v1/teach/classes", json={"classes": [" Fröhlich ", "10 % müde"]})
    counts = {"Fröhlich": 1, "10 % müde": 0}
    assert named.json() == {"classes": list(counts), "counts": counts}
    refused(one.post("/v1/teach/photos/happy", content=GOOD), 404, "there is no class happy")
    path = f"/v1/teach/photos/{quote('10 % müde')}"
    assert one.post(path, content=GOOD).json()["added"] == 1
    one.post(path, content=encoded(photo(2)))
    exchanged = one.put("/v1/teach/classes", json={"classes": ["10 % müde", "Fröhlich"]})
    assert exchanged.json()["counts"] == {"10 % müde": 1, "Fröhlich": 2}
    assert len(stored(folder)) == 4  # and classes.json
    assert one.get("/v1/teach").json()["classes"] == ["10 % müde", "Fröhlich"]


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["happy", "Happy "], "different names"),
        (["happy", "neither"], "neither of two"),
        (["happy", "unsure"], "reserved word"),
        (["happy", "../sad"], "printable characters"),
        (["happy", ""], "1 to 64"),
        (["happy", ".hidden"], "a folder cannot have"),
        (["happy", "sad?"], "a folder cannot have"),
        (["happy"], "classes"),
    ],
)
def test_names_that_no_class_can_have(
    one: TestClient, folder: Path, names: list[str], says: str
) -> None:
    refused(one.put("/v1/teach/classes", json={"classes": names}), 422, says)
    assert not (folder / "photos").exists()
    assert one.get("/v1/teach").json()["classes"] == ["happy", "sad"]


def test_a_name_of_another_folder(one: TestClient, folder: Path) -> None:
    one.post("/v1/teach/photos/happy", content=GOOD)
    (folder / "photos" / "glad").mkdir()
    refused(one.put("/v1/teach/classes", json={"classes": ["glad", "sad"]}), 422, "another glad")
    assert stored(folder) == [f"happy/{NAMED}"]


@pytest.mark.parametrize(
    "label", ["angry", "Happy", "..", "%2e%2e", "happy%2f..%2fsad", "happy%00"]
)
def test_there_are_two_classes(one: TestClient, folder: Path, label: str) -> None:
    for call in (one.post, one.delete):
        answer = call(f"/v1/teach/photos/{label}")
        assert answer.status_code in (404, 405, 422)
        assert list(answer.json()) == ["error"]
    assert not folder.exists()


# Check, train, stop


def test_a_check(one: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    refused(one.get("/v1/teach/check/report.html"), 404, "nothing was checked")
    refused(one.post("/v1/teach/check"), 422, "there are 0 happy and 0 sad")
    fill(one, 2)
    answer = one.post("/v1/teach/check")
    assert answer.json() == {"findings": {"files": 4}, "report": "v1/teach/check/report.html"}
    page = one.get(answer.json()["report"])
    assert page.text == "<p>checked</p>"
    is_sandboxed(page)
    monkeypatch.setenv("HAPPYSAD_STUB", "refuse")
    refused(one.post("/v1/teach/check"), 422, r"happy: too few\nof them")


def test_a_check_ends_with_the_requests_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_(folder, request_seconds=2) as one:
        fill(one, 1)
        monkeypatch.setenv("HAPPYSAD_STUB", "hang")
        refused(one.post("/v1/teach/check"), 503, "the check took too long")


def is_sandboxed(page: Any) -> None:
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["x-content-type-options"] == "nosniff"
    policy = page.headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "sandbox", "style-src 'unsafe-inline'"} < set(policy)
    assert not any(part.startswith("script-src") for part in policy)


def test_from_photos_to_a_classifier_in_use(one: TestClient) -> None:
    bright = encoded(np.full((40, 40, 3), 250, np.uint8))

    def label() -> str:
        return str(one.post("/v1/predict", content=bright).json()[0]["label"])

    assert label() == "sad"
    before = one.get("/v1/model").json()
    assert (before["name"], before["shipped"]) == ("bright", False)
    fill(one)
    answer = one.post("/v1/teach/train")
    assert answer.status_code == 202
    assert answer.json()["run"] == 1
    job = ended(one)
    assert {"epoch", "loss", "accuracy", "val_loss", "val_accuracy"} < set(job["history"][0])
    assert (job["state"], job["epoch"], job["epochs"], job["error"]) == ("done", 3, 3, None)
    overview = one.get("/v1/teach").json()
    assert overview["job"] == job
    first, run = overview["runs"]
    assert run == {
        "id": 1,
        "first": False,
        "balanced_accuracy": 0.75,
        "interval": None,
        "n_test": 8,
        "notes": ["No face was found in one."],
        "report": "v1/teach/runs/1/report.html",
        "model": "v1/teach/runs/1/model.onnx",
    }
    assert (first["id"], first["first"], first["n_test"]) == (1, True, 30)
    assert (first["report"], first["model"]) == (None, "v1/teach/runs/1/first.onnx")
    assert label() == "sad"  # until it is asked for
    with one.websocket_connect(LIVE) as view:
        view.send_bytes(bright)
        assert view.receive_json()["label"] == "sad"
        used = one.post("/v1/teach/use", json={"run": 1})
        assert used.status_code == 200
        view.send_bytes(bright)
        assert view.receive_json()["label"] == "happy"
    assert used.json() == one.get("/v1/model").json()
    assert (used.json()["name"], used.json()["shipped"]) == ("run 1", False)
    assert one.get("/v1/teach").json()["in_use"] == {"run": 1, "first": False}
    assert label() == "happy"
    assert one.post("/v1/teach/use", json={"run": None}).json() == before
    assert one.get("/v1/model").json() == before
    assert one.get("/v1/teach").json()["in_use"] is None
    assert label() == "sad"


def test_live_shows_faces_by_the_classifier_in_use(folder: Path) -> None:
    """Each face's label, also in an open view; each classifier starts without earlier frames."""
    dark = brightness_classifier(folder.parent / "dark.onnx", looks_at="face", middle=0, channels=1)
    brightness_classifier(
        folder.parent / "trained.onnx", looks_at="face", middle=255, channels=1, size=48
    )
    with client(create_app(settings(folder.parent, model=dark), lesson=STUB)) as one:
        fill(one)
        run = train(one)
        with one.websocket_connect(LIVE) as view:

            def labels() -> set[str]:
                view.send_bytes(portrait())
                answer = view.receive_json()
                assert len(answer["faces"]) == 1
                return {answer["label"], answer["faces"][0]["label"]}

            assert labels() == labels() == {"sad"}
            one.post("/v1/teach/use", json={"run": run})
            assert labels() == {"happy"}
            one.post("/v1/teach/use", json={"run": None})
            assert labels() == {"sad"}


def test_what_is_in_use_survives_a_restart(folder: Path) -> None:
    with open_(folder) as one:
        fill(one)
        assert (train(one), train(one)) == (1, 2)
        assert not (folder / FILE).exists()
        used = one.post("/v1/teach/use", json={"run": 1}).json()
        assert not list(folder.glob(".*"))  # it was written whole
    with open_(folder) as one:
        assert one.get("/v1/model").json() == used
        found = one.get("/v1/teach").json()
        assert (found["in_use"], found["own"]["name"]) == ({"run": 1, "first": False}, "bright")
        one.post("/v1/teach/use", json={"run": 2, "first": True})
    with open_(folder) as one:
        assert one.get("/v1/teach").json()["in_use"] == {"run": 2, "first": True}
        assert one.get("/v1/model").json()["name"] == "run 2, first result"
        one.post("/v1/teach/use", json={"run": None})
    with open_(folder) as one:
        assert one.get("/v1/model").json()["name"] == "bright"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"run": 2}', "there is no finished run 2"),
        ('{"run": 1}', "not an .onnx that can be loaded"),
        ('{"run": "../1"}', "cannot be used"),
        ('{"run": null}', "cannot be used"),
        ("[]", "cannot be used"),
        ("{", "cannot be used"),
        ("\xff", "cannot be used"),
    ],
)
def test_a_choice_that_is_no_more(
    folder: Path, caplog: pytest.LogCaptureFixture, text: str, says: str
) -> None:
    """The server's own answers then, and the log says why."""
    with open_(folder) as one:
        fill(one)
        train(one)
    (folder / "runs" / "1" / "model.onnx").write_bytes(b"no model")
    (folder / FILE).write_bytes(text.encode("latin-1"))
    with open_(folder) as one:
        assert one.get("/v1/model").json()["name"] == "bright"
        assert one.get("/v1/teach").json()["in_use"] is None
    [line] = [record.getMessage() for record in caplog.records if FILE in record.getMessage()]
    assert says in line


def test_a_choice_that_cannot_be_kept(one: TestClient, folder: Path) -> None:
    fill(one)
    run = train(one)
    before = one.get("/v1/model").json()
    (folder / FILE).mkdir()
    refused(one.post("/v1/teach/use", json={"run": run}), 507, "the choice cannot be kept")
    assert one.get("/v1/model").json() == before


def test_the_classifier_is_swapped_in_the_midst_of_requests(one: TestClient) -> None:
    """Each answer is wholly of the one or of the other."""
    fill(one)
    run = train(one)
    bright = encoded(np.full((40, 40, 3), 250, np.uint8))
    files = form(*((str(n), bright) for n in range(8)))
    stop = threading.Event()
    seen = []

    def ask() -> None:
        while not stop.is_set():
            answer = one.post("/v1/predict", files=files)
            assert answer.status_code == 200
            labels = {row["label"] for row in answer.json()}
            assert len(labels) == 1
            seen.append(labels.pop())

    with ThreadPoolExecutor(2) as pool:
        asking = [pool.submit(ask) for _ in range(2)]
        try:
            for _ in range(5):
                assert one.post("/v1/teach/use", json={"run": run}).status_code == 200
                assert one.post("/v1/teach/use", json={"run": None}).status_code == 200
            assert one.post("/v1/teach/use", json={"run": run}).status_code == 200
            answer = one.post("/v1/predict", content=bright).json()[0]["label"]
        finally:
            stop.set()
        for each in asking:
            each.result()
    assert answer == "happy"
    assert seen


def test_one_training_at_a_time(
    one: TestClient, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused(one.post("/v1/teach/stop"), 409, "no training to stop")
    fill(one, FEWEST - 1)
    refused(one.post("/v1/teach/train"), 422, "10 photos or more of each class are needed")
    fill_more = form(("a.png", encoded(photo(50))))
    one.post("/v1/teach/photos/happy", files=fill_more)
    refused(one.post("/v1/teach/train"), 422, "there are 10 happy and 9 sad")
    one.post("/v1/teach/photos/sad", files=form(("a.png", encoded(photo(51)))))
    assert one.get("/v1/teach/job").json() is None
    monkeypatch.setenv("HAPPYSAD_STUB", "hang")
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: one.post("/v1/teach/train"), range(6)))
    assert sorted(answer.status_code for answer in answers) == [202] + [409] * 5
    for answer in answers:
        if answer.status_code == 409:
            refused(answer, 409, "is running")
    refused(one.post("/v1/teach/check"), 409, "is running")
    refused(one.delete("/v1/teach/photos/sad"), 409, "is running")
    # Photos may come in meanwhile; this training does not see them.
    assert one.post("/v1/teach/photos/sad", content=GOOD).json()["added"] == 1
    job = until(one, lambda job: job["epoch"] == 2)
    assert job["state"] == "training"
    refused(one.post("/v1/teach/use", json={"run": 1}), 404, "no finished run 1")
    refused(one.get("/v1/teach/runs/1/report.html"), 404, "no such run")
    stopped = one.post("/v1/teach/stop")
    assert stopped.status_code == 200
    said = {**job, "state": "stopped", "step": None}
    assert stopped.json() == one.get("/v1/teach/job").json() == said
    assert one.post("/v1/teach/stop").json() == stopped.json()
    assert not (folder / "runs" / "1").exists()
    assert one.delete("/v1/teach/photos/sad").status_code == 200


def test_a_restarted_server_finds_what_was(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_(folder) as one:
        fill(one)
        run = train(one)
        monkeypatch.setenv("HAPPYSAD_STUB", "hang")
        one.post("/v1/teach/train")
        job = until(one, lambda job: job["epoch"] == 2)
    with open_(folder) as one:
        found = one.get("/v1/teach").json()
        said = "the server ended while it trained"
        assert found["job"] == {**job, "state": "stopped", "step": None, "error": said}
        rows = [(row["id"], row["first"]) for row in found["runs"]]
        assert rows == [(run, True), (run, False), (2, True)]
        assert found["counts"] == {"happy": FEWEST, "sad": FEWEST}
        monkeypatch.setenv("HAPPYSAD_STUB", "finish")
        assert train(one) == 3


def test_a_training_that_fails(one: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(one)
    monkeypatch.setenv("HAPPYSAD_STUB", "break")
    one.post("/v1/teach/train")
    job = ended(one)
    assert (job["state"], job["error"]) == ("failed", "ValueError: something odd")
    assert [run["first"] for run in one.get("/v1/teach").json()["runs"]] == [True]


# Files and bad requests


def test_files_of_a_run(one: TestClient, folder: Path) -> None:
    fill(one)
    train(one)
    page = one.get("/v1/teach/runs/1/report.html")
    assert page.text == "<p>judged</p>"
    is_sandboxed(page)
    plot = one.get("/v1/teach/runs/1/plots/loss.png")
    assert plot.headers["content-type"] == "image/png"
    model = one.get("/v1/teach/runs/1/model.onnx")
    assert model.content == (folder / "runs" / "1" / "model.onnx").read_bytes()
    assert model.headers["content-disposition"] == 'attachment; filename="happysad-run-1.onnx"'
    first = one.get("/v1/teach/runs/1/first.onnx")
    assert first.content == (folder / "runs" / "1-first" / "model.onnx").read_bytes()
    assert "happysad-run-1-first.onnx" in first.headers["content-disposition"]
    for other in (plot, model):
        assert "sandbox" not in other.headers["content-security-policy"]
        assert "unsafe" not in other.headers["content-security-policy"]


@pytest.mark.parametrize(
    "path",
    [
        "1/config.toml",
        "1/history.csv",
        "1/checkpoints/finished.json",
        "1/plots/other.png",
        "1/plots/",
        "1/",
        "1/../../job.json",
        "1/%2e%2e/%2e%2e/job.json",
        "1/..%2f..%2fjob.json",
        "1/plots/..%2f..%2f..%2f..%2fjob.json",
        "1/" + quote("/etc/passwd", safe=""),
        "1/report.html%00.png",
        "1/REPORT.HTML",
        "1/report.html/",
        "2/report.html",
        "0/report.html",
        "-1/report.html",
        "1.0/report.html",
        "01/report.html",
        "+1/report.html",
        "%EF%BC%91/report.html",
        "1%0A/report.html",
        "1e0/report.html",
        "../report.html",
        "..%2fruns%2f1/report.html",
        "%2e%2e/report.html",
        "9" * 5000 + "/report.html",
        "1000000000/report.html",
        "1-first/model.onnx",
        "1/first.onnx",
        "null/report.html",
    ],
)
def test_no_other_file_is_given(one: TestClient, folder: Path, path: str) -> None:
    run = folder / "runs" / "1"
    for name in ("config.toml", "history.csv", "checkpoints/finished.json", "plots/other.png"):
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text("secret")
    (run / "report.html").write_text("report")
    assert one.get("/v1/teach/runs/1/report.html").text == "report"
    answer = one.get(f"/v1/teach/runs/{path}")
    assert answer.status_code in (404, 422)
    assert list(answer.json()) == ["error"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"run": 2}', 404),
        (b'{"run": 2, "first": true}', 404),
        (b'{"run": 1, "first": 1}', 422),
        (b'{"run": 0}', 422),
        (b'{"run": -1}', 422),
        (b'{"run": "1"}', 422),
        (b'{"run": 1.0}', 422),
        (b'{"run": true}', 422),
        (b'{"run": [1]}', 422),
        (b'{"run": "../1"}', 422),
        (b'{"run": 1e999}', 422),
        (b'{"run": ' + b"9" * 4000 + b"}", 422),
        (b'{"run": null, "file": "/etc/passwd"}', 422),
        (b"{}", 422),
        (b"null", 422),
        (b"", 422),
        (b'{"run":', 422),
        (b"\xff\xfe", 422),
        (b"[" * 100_000, 400),
    ],
)
def test_no_other_run_is_used(one: TestClient, body: bytes, status: int) -> None:
    before = one.get("/v1/model").json()
    json = {"Content-Type": "application/json"}
    answer = one.post("/v1/teach/use", content=body, headers=json)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert one.get("/v1/model").json() == before


def test_a_run_whose_classifier_is_damaged(one: TestClient, folder: Path) -> None:
    fill(one)
    train(one)
    (folder / "runs" / "1" / "model.onnx").write_bytes(b"no model")
    before = one.get("/v1/model").json()
    refused(one.post("/v1/teach/use", json={"run": 1}), 500, "not an .onnx that can be loaded")
    assert one.get("/v1/model").json() == before


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/teach/train"),
        ("GET", "/v1/teach/stop"),
        ("GET", "/v1/teach/use"),
        ("POST", "/v1/teach/job"),
        ("PUT", "/v1/teach/photos/happy"),
    ],
)
def test_nothing_is_done_by_another_method(one: TestClient, method: str, path: str) -> None:
    refused(one.request(method, path), 405, "Method Not Allowed")


def test_without_the_extra_train(
    one: TestClient, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(EXTRAS, "train", ("keras", "not_there"))
    assert one.get("/v1/teach").json()["available"] is False
    assert one.post("/v1/teach/photos/happy", content=GOOD).json()["added"] == 1
    for path in ("check", "train"):
        refused(one.post(f"/v1/teach/{path}"), 501, 'pip install "happysad[train]"')
    assert one.get("/v1/teach/job").json() is None


def test_a_folder_that_is_none(one: TestClient, folder: Path) -> None:
    folder.write_text("a file")
    refused(one.post("/v1/teach/photos/sad", content=GOOD), 507, "photos cannot be kept")
    refused(one.delete("/v1/teach/photos/sad"), 500, "teach: ")
    assert one.get("/v1/teach").json()["counts"] == {"happy": 0, "sad": 0}


# The OpenAPI description; the other routes' is in test_web_openapi.py.

PICTURES = st.sampled_from([GOOD, encoded(photo(2, 9, 5), "gif"), portrait()])
for media_type in ("image/*", "application/octet-stream"):
    schemathesis.openapi.media_type(media_type, PICTURES)


def test_every_answer_is_as_described(folder: Path) -> None:
    """But that few photos, or no training, are refused: no description could say that."""
    model = brightness_classifier(folder.parent / "bright.onnx")
    app = create_app(settings(folder.parent, model=model, hosts=("testserver",)), lesson=STUB)
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    seen = set()
    for found in schema.include(path_regex="^/v1/teach").get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        modes = [GenerationMode.POSITIVE]
        if operation.path_parameters or operation.label == "POST /v1/teach/use":
            modes.append(GenerationMode.NEGATIVE)  # there is something that could be wrong
        for mode in modes:

            @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
            @hypothesis.settings(
                max_examples=15,
                deadline=None,
                database=None,
                suppress_health_check=list(hypothesis.HealthCheck),
            )
            def holds(case: Any) -> None:
                case.call_and_validate(excluded_checks=[positive_data_acceptance])

            holds()
        seen.add(operation.label)
    assert len(seen) == 17


# The real thing


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is not None, reason="the page's test trains the same")
def test_a_real_training(tmp_path: Path) -> None:
    """Drawn faces in happysad's own process: they are cut out, and epochs are seen."""
    wall = np.full((96, 150, 3), 150, np.uint8)
    with client(create_app(settings(tmp_path))) as one:
        for label in ("happy", "sad"):
            pictures = [wall + np.uint8(label == "sad")]
            for seed in range(99):
                if len(pictures) < EACH:
                    picture = wall.copy()
                    picture[:, 20:116] = face(label, np.random.default_rng(seed), 96)
                    pictures += [picture] if find(picture) else []
            files = form(*((f"{n}.png", encoded(pixels)) for n, pixels in enumerate(pictures)))
            assert one.post(f"/v1/teach/photos/{label}", files=files).json()["added"] == EACH
        found = one.post("/v1/teach/check").json()["findings"]
        assert found["files"] == 2 * EACH
        checked = one.get("/v1/teach/check/report.html").text
        states = States(one)
        one.post("/v1/teach/train")
        assert states.all() == ["checking", "training", "judging", "done"]
        check_run(one, tmp_path / "teach", portrait())
        assert one.get("/v1/teach/check/report.html").text == checked
