"""The settings of a server, and the options of happysad serve that set them."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest

from happysad.errors import UsageError
from happysad.web.http.server import listen
from happysad.web.http.settings import Settings, is_loopback
from tests.classifiers import brightness_classifier
from tests.command_line import run_command


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.0.7", False),
        ("localhost.example", False),
        ("", False),
    ],
)
def test_who_can_reach_it_decides_whether_a_token_is_needed(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
    if loopback:
        Settings(host=host)
    else:
        with pytest.raises(UsageError, match="--token"):
            Settings(host=host)
        Settings(host=host, token="abcdefghijklmnop")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"token": ""}, "--token must have at least 16 characters, not 0"),
        ({"token": "abcdefghijklmno"}, "--token must have at least 16 characters, not 15"),
        ({"token": "two words of a token"}, "--token"),
        ({"token": "grüngrüngrüngrün"}, "--token"),
        ({"token": 'abcdefghijklmno"b'}, "--token"),
        ({"token": "abcdefghijklmno;b"}, "--token"),
        ({"port": -1}, "--port must be from 0 to 65535, not -1"),
        ({"port": 70000}, "--port"),
    ],
)
def test_what_cannot_be(given: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        Settings(**given)


def test_the_token_is_not_shown() -> None:
    assert "secret" not in repr(Settings(token="secret" * 3))


def test_answers_are_sent_at_once() -> None:
    """asyncio sets TCP_NODELAY only if a socket names its protocol."""
    with listen("127.0.0.1", 0) as listening:
        assert listening.proto == socket.IPPROTO_TCP


def start(*options: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "happysad", "serve", "--no-open", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize(
    ("ending", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, -signal.SIGTERM)]
)
def test_serve_says_where_answers_and_ends(
    tmp_path: Path, ending: signal.Signals, status: int
) -> None:
    model = brightness_classifier(tmp_path / "bright.onnx")
    token = "must-not-be-in-the-log"
    process = start(
        "--port", "0", "--model", str(model), "--folder", str(tmp_path), HAPPYSAD_TOKEN=token
    )
    try:
        assert process.stdout
        line = process.stdout.readline()
        found = re.fullmatch(r"happysad serves bright on (http://127\.0\.0\.1:\d+/)\n", line)
        assert found, line
        with httpx2.Client(base_url=found[1]) as one:
            assert one.get("/").status_code == 401
            assert one.get("/", params={"token": token}, follow_redirects=True).status_code == 200
            assert one.get("/v1/model").json()["name"] == "bright"
            assert one.post("/v1/predict", content=b"").status_code == 422
    finally:
        process.send_signal(ending)
        said, logged = process.communicate(timeout=20)
    assert token not in line + said + logged
    assert "POST /v1/predict 422" in logged
    assert "Traceback" not in logged
    assert process.returncode == status


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--host", "0.0.0.0"], "set --token"),
        (["--model", "nowhere.onnx"], "nowhere.onnx: no such file"),
        (["--port", "{taken}"], "address already in use"),
        (
            ["--host", "host.invalid", "--token", "abcdefghijklmnop"],
            "--host host.invalid --port 8000: ",
        ),
    ],
)
def test_what_cannot_be_served_is_one_line(options: list[str], says: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        given = [option.replace("{taken}", port) for option in options]
        done = run_command("serve", "--no-open", *given)
    assert done.status in (1, 2)
    assert done.stdout == b""
    assert says in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1
