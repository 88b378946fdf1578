"""A server with a token: one link with the token gives access; other visitors see how to get it."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.web_browser.conftest import check, serving, watched

pytestmark = pytest.mark.browser

TOKEN = "a-token.of~this-test"


def test_the_page_with_a_token(browser: Browser, tmp_path: Path) -> None:
    with (
        serving(tmp_path, "--token", TOKEN) as address,
        watched(browser, address) as seen,
    ):
        page = seen.page
        for query in ("", "?token=another"):
            answer = page.goto(address + query)
            assert answer is not None
            assert answer.status == 401
            assert "a token is needed: open /?token=TOKEN" in page.inner_text("body")
            assert TOKEN not in page.content()
        assert page.context.cookies() == []
        assert all("401" in one for one in seen.complaints)
        seen.complaints.clear()

        page.goto(f"{address}?token={TOKEN}")
        assert page.url == address
        expect(page.locator("footer")).to_contain_text("the classifier that comes with happysad")
        [cookie] = page.context.cookies()
        assert cookie["value"] == TOKEN
        assert cookie["httpOnly"]
        assert cookie["sameSite"] == "Strict"
        assert page.evaluate("document.cookie") == ""

        seen.open("#live")
        page.get_by_role("button", name="Start the camera").click()
        expect(page.locator("#live-label .chip")).to_be_visible()
        assert len(seen.sockets) == 1
        page.reload()
        expect(page.locator("#view-live")).to_be_visible()
    check(seen)
