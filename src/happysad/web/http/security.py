"""Access control by Host, Origin and token, for requests and WebSockets; security headers."""

from __future__ import annotations

import hmac
import ipaddress
import socket
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from happysad.errors import shown
from happysad.web.http.error_responses import error_response, refuse
from happysad.web.http.settings import Settings, is_loopback
from happysad.web.http.wrong_tokens import WrongTokens

__all__ = ["COOKIE", "POLICY", "REPORT_POLICY", "Guard", "SafeHeaders"]

#: The cookie that holds the token for the page.
COOKIE = "happysad_token"

#: The Content-Security-Policy of all answers except reports: nothing inline or from other servers.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self' blob:; connect-src 'self'; manifest-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
#: The policy of a report, which is one file with inline style and pictures, and no script.
REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)

_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), payment=(), usb=()",
    "Cache-Control": "no-store",
}
# The path that needs no token: it reveals nothing, and a container's health check has no token.
_OPEN = "/healthz"


class SafeHeaders:
    """Adds security headers for browsers to every answer, but keeps headers that a route sets."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an app."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""

        async def sending(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, sending)


class Guard:
    """Refuses requests that name another Host, come from another Origin or lack the token.

    Checking the Host prevents DNS rebinding; checking the Origin prevents requests by the forms,
    scripts and WebSockets of other sites.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        """Wrap an app."""
        self._app = app
        self._token = settings.token
        self._wrong = WrongTokens(settings.wrong_token_seconds)
        self._local = is_loopback(settings.host)
        names = {"localhost", settings.host, *settings.hosts}
        if not self._local:
            names.add(socket.gethostname())
        self._names = {name.lower() for name in names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request or a WebSocket on, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_ours(hosts[0]):
            response = error_response(
                421,
                "this server does not have the name in Host: start it with --allow-host "
                f"{shown(_name(hosts[0])) or 'NAME'}"
                if len(hosts) == 1
                else "a request must have one Host",
            )
        elif not _same(headers.getlist("origin"), hosts[0]):
            response = error_response(403, "requests from another origin are refused")
        elif self._token is None or _path(scope) == _OPEN or self._knows(headers):
            await self._app(scope, receive, send)
            return
        elif self._brings(scope):
            # A proxy may serve the page below any path: the cookie is for that path alone.
            redirect = RedirectResponse("./", 303)
            redirect.set_cookie(
                COOKIE,
                self._token,
                path=None,
                httponly=True,
                samesite="strict",
                secure=scope["scheme"] == "https",
            )
            await redirect(scope, receive, send)
            return
        elif _has_token(scope, headers) and not await self._wrong.wait(_address(scope)):
            response = error_response(
                429, "too many wrong tokens", {"Retry-After": "10", "Connection": "close"}
            )
        else:
            response = error_response(
                401,
                "a token is needed: open /?token=TOKEN, or send Authorization: Bearer TOKEN",
                {"WWW-Authenticate": "Bearer"},
            )
        await refuse(response, scope, receive, send)

    def _is_ours(self, host: str) -> bool:
        name = _name(host)
        if name in self._names:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        # DNS rebinding needs a name; an address is safe.
        return not self._local or address.is_loopback

    def _knows(self, headers: Headers) -> bool:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        cookie = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
        # Always compare both, so that the time taken reveals nothing.
        return (scheme.lower() == "bearer" and self._is_token(token.strip())) | (
            self._is_token(cookie)
        )

    def _brings(self, scope: Scope) -> bool:
        if scope["type"] != "http" or scope["method"] != "GET" or _path(scope) != "/":
            return False
        given = _in_query(scope)
        return len(given) == 1 and self._is_token(given[0])

    def _is_token(self, given: str) -> bool:
        token = self._token or ""
        return hmac.compare_digest(given.encode("utf-8", "replace"), token.encode())


def _path(scope: Scope) -> str:
    """Return the path without that of a proxy, which `PlainRequests` puts before it."""
    return str(scope["path"]).removeprefix(scope.get("root_path", ""))


def _has_token(scope: Scope, headers: Headers) -> bool:
    """Return whether a request has a token, right or wrong, in any of its places."""
    cookie = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
    return bool(headers.get("authorization") or cookie or _in_query(scope))


def _in_query(scope: Scope) -> list[str]:
    return parse_qs(scope["query_string"].decode("latin-1")).get("token", [])


def _address(scope: Scope) -> str:
    return scope["client"][0] if scope.get("client") else ""


def _name(host: str) -> str:
    """Return the name in a Host header, without port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()


def _same(origins: list[str], host: str) -> bool:
    """Return whether there is no Origin, or one with the same host and port as `host`.

    The scheme is not compared: behind a proxy that ends TLS the server does not know it.
    """
    if not origins:
        return True
    try:
        return len(origins) == 1 and urlsplit(origins[0]).netloc.lower() == host.lower()
    except ValueError:
        return False
