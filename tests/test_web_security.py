"""Access control, and the security headers of every answer."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient, WebSocketDenialResponse

from happysad import web
from happysad.errors import UsageError
from happysad.web.app import create_app
from happysad.web.http.security import COOKIE
from happysad.web.http.wrong_tokens import WrongTokens
from tests.classifiers import brightness_classifier
from tests.pictures import encoded, photo
from tests.web import ADDRESS, LIVE, client, settings

TOKEN = "a-token.of_80~bits+/=="
STATIC = Path(web.__file__).with_name("static")


def make(tmp_path: Path, **given: Any) -> FastAPI:
    return create_app(
        settings(tmp_path, model=brightness_classifier(tmp_path / "model.onnx"), **given)
    )


@pytest.fixture
def open_(tmp_path: Path) -> Iterator[TestClient]:
    with client(make(tmp_path)) as one:
        yield one


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[TestClient]:
    with client(make(tmp_path, token=TOKEN)) as one:
        yield one


def refused(one: TestClient, headers: dict[str, Any]) -> int:
    """Return the status with which a WebSocket is refused; 0 if it is accepted."""
    try:
        with one.websocket_connect(LIVE, headers=headers) as view:
            view.send_bytes(encoded(photo(1)))
            assert "label" in view.receive_json()
    except WebSocketDenialResponse as answer:
        assert list(answer.json()) == ["error"]
        return int(answer.status_code)
    return 0


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200),
        ("localhost", 200),
        ("LOCALHOST:9000", 200),  # a port of another machine, forwarded by ssh -L
        ("[::1]:8000", 200),
        ("127.0.0.2", 200),
        ("happysad.example", 421),
        ("evil.com:8000", 421),
        ("localhost.evil.com", 421),
        ("127.0.0.1.evil.com", 421),
        ("127.0.0.1@evil.com", 421),
        ("192.168.0.7:8000", 421),
        ("", 421),
        ("[::1", 200),
        ("[", 421),
    ],
)
def test_only_this_machines_names_are_answered(open_: TestClient, host: str, status: int) -> None:
    assert open_.get("/v1/model", headers={"Host": host}).status_code == status
    assert open_.post("/v1/predict", headers={"Host": host}).status_code in (status, 422)
    assert refused(open_, {"Host": host}) == (0 if status == 200 else status)
    assert open_.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("192.168.0.7:8000", 200),  # DNS rebinding needs a name
        ("happysad.example", 200),
        ("HAPPYSAD.EXAMPLE:443", 200),
        ("evil.com", 421),
    ],
)
def test_names_of_a_server_for_others(tmp_path: Path, host: str, status: int) -> None:
    app = make(tmp_path, host="0.0.0.0", token=TOKEN, hosts=("happysad.example",))
    with client(app) as one:
        headers = {"Host": host, "Authorization": f"Bearer {TOKEN}"}
        assert one.get("/v1/model", headers=headers).status_code == status


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (ADDRESS, 200),
        ("https://127.0.0.1:8000", 200),  # behind a proxy that ends TLS
        ("http://127.0.0.1:8001", 403),
        ("http://localhost:8000", 403),
        ("http://evil.com", 403),
        ("http://127.0.0.1:8000.evil.com", 403),
        ("http://evil.com@127.0.0.1:8000", 403),
        ("null", 403),
        ("", 403),
        ("http://[", 403),
    ],
)
def test_only_its_own_pages_may_ask(open_: TestClient, origin: str, status: int) -> None:
    headers = {"Origin": origin}
    body = encoded(photo(1))
    assert open_.post("/v1/predict", content=body, headers=headers).status_code == status
    assert open_.get("/v1/model", headers=headers).status_code == status
    assert open_.options("/v1/predict", headers=headers).status_code in (status, 405)
    assert refused(open_, headers) == (0 if status == 200 else status)
    answer = open_.get("/healthz")
    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": f"Bearer {TOKEN}"}, 200),
        ({"Authorization": f"bearer {TOKEN}"}, 200),
        ({"Authorization": f"Bearer {TOKEN}x"}, 401),
        ({"Authorization": "Bearer "}, 401),
        ({"Authorization": f"Basic {TOKEN}"}, 401),
        ({"Authorization": TOKEN}, 401),
        ({"Authorization": "Bearer ☺".encode()}, 401),
        ({"Cookie": f"other=1; {COOKIE}={TOKEN}"}, 200),
        ({"Cookie": f"{COOKIE}=wrong"}, 401),
        ({"Cookie": f"{COOKIE}="}, 401),
    ],
)
def test_only_who_has_the_token_comes_in(
    closed: TestClient, headers: dict[str, Any], status: int
) -> None:
    for path in ("/", "/static/index.html", "/v1/model", "/metrics", "/openapi.json"):
        answer = closed.get(path, headers=headers)
        assert answer.status_code == status, path
        if status == 401:
            assert answer.headers["www-authenticate"] == "Bearer"
            assert TOKEN not in answer.text
    sent = closed.post("/v1/predict", content=encoded(photo(1)), headers=headers)
    assert sent.status_code == status
    assert refused(closed, headers) == (0 if status == 200 else status)
    assert closed.get("/healthz").status_code == 200


def test_the_token_in_the_address_becomes_a_cookie(closed: TestClient) -> None:
    answer = closed.get("/", params={"token": TOKEN}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "./")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert "path" not in cookie.lower()  # the folder of the address, which a proxy chooses
    assert closed.get("/").status_code == 200
    assert refused(closed, {}) == 0


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/?token=wrong"),
        ("GET", "/?token="),
        ("GET", f"/?token=wrong&token={TOKEN}"),
        ("GET", "/v1/model?token=" + TOKEN.replace("+", "%2B")),
        ("POST", "/?token=" + TOKEN.replace("+", "%2B")),
    ],
)
def test_no_other_address_brings_the_token(closed: TestClient, method: str, path: str) -> None:
    answer = closed.request(method, path, follow_redirects=False)
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


def test_the_page_works_below_any_path(tmp_path: Path) -> None:
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    scripts = [one.read_text(encoding="utf-8") for one in STATIC.glob("*.js")]
    relative = re.compile(r"""(?:href|src)="([^"#]+)"|["`](v1/[a-z/]+)""")
    found = {
        first or second for text in (page, *scripts) for first, second in relative.findall(text)
    }
    assert {"static/main.js", "static/style.css", "v1/predict", "v1/live", "v1/teach"} <= found
    assert not any(re.search(r"""["`'](/v1|/static)""", text) for text in (page, *scripts))
    assert not any(one.startswith("/") for one in found)
    with client(make(tmp_path, token=TOKEN, root_path="/user/me")) as one:
        for below in ("", "/user/me"):  # a proxy removes the path, or passes it on
            one.cookies.clear()
            assert one.get(f"{below}/healthz").status_code == 200
            assert one.get(f"{below}/", follow_redirects=False).status_code == 401
            address = f"{below}/?token={quote(TOKEN)}"
            answer = one.get(address, follow_redirects=False)
            assert (answer.status_code, answer.headers["location"]) == (303, "./")
            for part in ("", "static/main.js", "v1/model", "v1/card"):
                headers = {"Authorization": f"Bearer {TOKEN}"}
                assert one.get(f"{below}/{part}", headers=headers).status_code == 200, part


@pytest.mark.parametrize("path", ["user/me", "/user/me/", "/", "//evil.com", "/a?b", "/../x y"])
def test_a_root_path_that_is_none(tmp_path: Path, path: str) -> None:
    with pytest.raises(UsageError, match="--root-path must be a path such as /happysad"):
        settings(tmp_path, root_path=path)


@pytest.mark.parametrize("path", ["/", "/healthz", "/metrics", "/v1/model", "/static/main.js"])
def test_head_is_answered_where_get_is(open_: TestClient, path: str) -> None:
    head, whole = open_.head(path), open_.get(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == whole.headers["content-type"]
    if path != "/metrics":  # it counts the requests
        assert head.headers["content-length"] == whole.headers["content-length"]
    assert open_.head("/v1/predict").status_code == 405


def test_wrong_tokens_are_answered_later_and_later() -> None:
    wrong = WrongTokens(2.0)
    delays = [wrong.seconds("192.0.2.1", 0.0) for _ in range(2000)]
    assert delays[:15] == [0.0] * 10 + [0.1, 0.2, 0.4, 0.8, 1.6]
    assert set(delays[15:]) == {2.0}
    assert wrong.seconds("192.0.2.2", 0.0) == 0.0
    assert wrong.seconds("192.0.2.1", 61.0) == 0.0
    # The addresses of one IPv6 network count as one, and those of IPv4 each count, in any notation.
    assert [wrong.seconds(f"2001:db8::{last}", 0.0) for last in range(11)][-1] == 0.1
    assert [wrong.seconds(f"::ffff:192.0.2.{last}", 0.0) for last in range(11)][-1] == 0.0


def test_the_addresses_of_wrong_tokens_do_not_fill_the_memory() -> None:
    wrong = WrongTokens(2.0)
    for _ in range(20):
        wrong.seconds("192.0.2.1", 0.0)
    for number in range(1024):
        wrong.seconds(f"10.0.{number // 256}.{number % 256}", 0.0)
    assert wrong.seconds("192.0.2.1", 0.0) == 0.0  # forgotten


def test_a_wrong_token_waits_and_a_right_one_does_not(tmp_path: Path) -> None:
    with client(make(tmp_path, token=TOKEN, wrong_token_seconds=0.02)) as one:
        for path in ("/", "/?token=wrong"):
            for _ in range(10):
                assert one.get(path, headers={"Cookie": f"{COOKIE}=wrong"}).status_code == 401
        began = time.monotonic()
        assert one.get("/?token=wrong").status_code == 401
        assert time.monotonic() - began >= 0.02
        assert one.get("/v1/model", headers={"Authorization": f"Bearer {TOKEN}"}).is_success


def test_too_many_answers_that_wait_are_not_delayed() -> None:
    async def ask() -> list[bool]:
        wrong = WrongTokens(0.02)
        given = []

        async def one() -> None:
            given.append(await wrong.wait("192.0.2.1"))

        async with anyio.create_task_group() as group:
            for _ in range(100):
                group.start_soon(one)
        return given

    given = anyio.run(ask)
    assert (given.count(True), given.count(False)) == (10 + 64, 26)


def test_the_log_holds_no_token_and_no_picture(
    closed: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    picture = encoded(photo(1))
    escaped = TOKEN.replace("+", "%2B")
    closed.get(f"/?token={escaped}", follow_redirects=False)
    closed.get(f"/nothing?token={escaped}")
    closed.post(f"/v1/predict?token={escaped}", content=picture)
    closed.post("/v1/predict", files={"files": ("secret name.png", picture)})
    ours = [record for record in caplog.records if record.name == "happysad.web"]
    assert len(ours) == 4
    for record in ours:
        said = record.getMessage()
        assert TOKEN not in said
        assert escaped not in said
        assert "secret" not in said
        assert "?" not in said


def test_a_path_cannot_break_the_log(open_: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "happysad.web")
    open_.get("/x%0AINFO%20all%20is%20well")
    [record] = [record for record in caplog.records if record.name == "happysad.web"]
    assert "\n" not in record.getMessage()


@pytest.mark.parametrize(
    "path",
    ["/", "/static/index.html", "/static/left_out.js", "/v1/model", "/nothing", "/v1/predict"],
)
def test_every_answer_tells_browsers_what_is_allowed(open_: TestClient, path: str) -> None:
    headers = open_.get(path).headers
    policy = dict(
        part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == ("no-cache" if path.startswith("/static") else "no-store")


def test_refusals_have_these_headers_too(closed: TestClient) -> None:
    for answer in (closed.get("/"), closed.get("/", headers={"Host": "evil.com"})):
        assert "content-security-policy" in answer.headers
