"""The examples of Try are small, and show what the classifier that ships answers."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from happysad import Classifier
from happysad.web.app import create_app
from happysad.web.drawn_examples import EXAMPLES, drawn_example
from happysad.web.http.settings import Settings


def test_every_class_is_among_the_answers() -> None:
    classifier = Classifier(threads=1)
    pictures = [drawn_example(number) for number in range(1, EXAMPLES + 1)]
    answers = [classifier.predict(picture) for picture in pictures]
    assert set(classifier.classes) <= {answer.label for answer in answers}
    assert all(answer.faces for answer in answers)
    assert len(answers[-1].faces) == 3
    assert sum(map(len, pictures)) < 120_000


def test_the_page_asks_for_all_of_them(tmp_path: Path) -> None:
    script = (files("happysad.web") / "static" / "examples.js").read_text(encoding="utf-8")
    assert re.findall(r"const EXAMPLES = (\d+);", script) == [str(EXAMPLES)]
    client = TestClient(create_app(Settings(folder=tmp_path, hosts=("testserver",))))
    for number in range(1, EXAMPLES + 1):
        answer = client.get(f"/static/examples/drawn-{number}.jpg")
        assert answer.content == drawn_example(number)
        assert answer.headers["Content-Type"] == "image/jpeg"


@pytest.mark.parametrize("name", ["drawn-0.jpg", f"drawn-{EXAMPLES + 1}.jpg", "drawn-x.jpg"])
def test_others_are_not_there(tmp_path: Path, name: str) -> None:
    client = TestClient(create_app(Settings(folder=tmp_path, hosts=("testserver",))))
    assert client.get(f"/static/examples/{name}").status_code == 404
