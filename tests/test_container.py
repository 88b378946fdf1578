"""The Dockerfile's steps, run as commands without a container engine.

The step of pip is not run, since it needs the network; pip checks the hashes of the requirements.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest

from happysad.web.http.server import listen

ROOT = Path(__file__).parents[1]
FILE = ROOT / "Dockerfile"

pytestmark = pytest.mark.skipif(not FILE.exists(), reason="an sdist holds no Dockerfile")


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions in order, each in one line."""
    text = re.sub(r"\\\n\s*", "", re.sub(r"(?m)^#.*\n", "", FILE.read_text(encoding="utf-8")))
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in text.splitlines() if line]


def value(instruction: str) -> str:
    """Return the text of an instruction that occurs once."""
    [only] = [rest for name, rest in instructions() if name == instruction]
    return only


def test_all_stages_begin_with_one_image_by_digest() -> None:
    first, *others = [rest for name, rest in instructions() if name == "FROM"]
    assert re.fullmatch(r"python:3\.1[1-3]\.\d+-slim-\w+@sha256:[0-9a-f]{64} AS base", first)
    assert all(rest.split()[0] == "base" for rest in others)


def test_it_ends_as_another_user_than_root() -> None:
    names = [name for name, _ in instructions()]
    last = instructions()[len(names) - names[::-1].index("FROM") :]
    assert ("USER", "10001") in last
    assert all(name not in ("RUN", "COPY") for name, _ in last[last.index(("USER", "10001")) :])
    assert any(rest.startswith("useradd") and "--uid 10001" in rest for _, rest in last)


def test_what_is_copied_is_there_and_let_through() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignored[1] == "*"
    for name, rest in instructions():
        if name == "COPY" and "--from" not in rest:
            source = rest.split()[0]
            assert (ROOT / source).exists()
            assert f"!{source}" in ignored


def test_only_what_prediction_and_the_web_need_is_installed() -> None:
    text = (ROOT / "requirements/web.txt").read_text(encoding="utf-8")
    names = set(re.findall(r"(?m)^([a-z0-9-]+)==", text))
    assert {"fastapi", "uvicorn", "onnxruntime", "opencv-python-headless"} <= names
    assert not names & {"tensorflow", "keras", "pandas", "matplotlib", "scikit-learn", "pytest"}
    # Each package has hashes, and none has an address.
    blocks = re.split(r"(?m)^(?=[a-z0-9-]+==)", text)[1:]
    assert len(blocks) >= len(names)
    assert all("--hash=sha256:" in block for block in blocks)
    assert "://" not in text
    install = next(rest for name, rest in instructions() if name == "RUN")
    assert "--require-hashes -r requirements/web.txt" in install


def test_it_starts_answers_and_is_well(tmp_path: Path) -> None:
    """The entry point and the health check run with a copy of the sources, in an empty folder."""
    app = tmp_path / "app"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "src" / "happysad", app / "happysad", ignore=ignore)
    with listen("127.0.0.1", 0) as free:
        port = str(free.getsockname()[1])

    def command(text: str) -> list[str]:
        words = [word.replace("8000", port) for word in json.loads(text)]
        assert words[0] == "/venv/bin/python"
        return [sys.executable, *words[1:]]

    environment = {**os.environ, "PYTHONPATH": str(app), "HAPPYSAD_TOKEN": "a-token-of-this-test"}
    check = command(value("HEALTHCHECK").partition("CMD ")[2])
    server = subprocess.Popen(
        command(value("ENTRYPOINT")),
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout
        assert server.stdout.readline().startswith("happysad serves face on http://127.0.0.1:")
        for _ in range(100):
            if (well := subprocess.run(check, capture_output=True, check=False)).returncode == 0:
                break
            time.sleep(0.1)
        assert well.returncode == 0, well.stderr
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}") as client:
            assert client.get("/v1/model").status_code == 401
            client.headers["Authorization"] = "Bearer a-token-of-this-test"
            assert client.get("/v1/model").json()["shipped"] is True
    finally:
        server.terminate()
        server.communicate(timeout=20)
    assert subprocess.run(check, capture_output=True, check=False).returncode != 0
    assert [path.name for path in tmp_path.iterdir()] == ["app"]


def test_without_a_token_it_does_not_start(tmp_path: Path) -> None:
    words = json.loads(value("ENTRYPOINT"))
    environment = {name: kept for name, kept in os.environ.items() if name != "HAPPYSAD_TOKEN"}
    done = subprocess.run(
        [sys.executable, *words[1:]],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2
    assert b"set --token" in done.stderr
