"""Who may ask: requests for this server, from its own pages, with its token, of bounded size.

A web page elsewhere can send requests to servers on this machine, and by a name that it points
here even read the answers (DNS rebinding). Therefore the Host of a request must be a name of this
server, and its Origin, where it has one, this server.
"""

import hmac
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlencode, urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost", "::1")
COOKIE = "septum-token"
MOST_BYTES = 64 * 2**20
"""Of one request."""
DIGITS = 18
"""Of a length that is looked at."""
TOO_LARGE = "This is more than the server takes at once."


class Guard:
    """Refuses before the page is asked."""

    def __init__(
        self, app: ASGIApp, *, hosts: Iterable[str] = LOOPBACK, token: str = "",
        most_bytes: int = MOST_BYTES,
    ) -> None:  # fmt: skip
        """`token` is empty where none is asked for."""
        self._app = app
        self._hosts = frozenset(hosts)
        self._token = token
        self._most_bytes = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with a refusal."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await self._refuse(refusal, scope, receive, send)
            return
        await self._app(scope, self._counted(receive), send)

    def _refusal(self, scope: Scope) -> Response | None:
        """What is answered instead of the page, if anything."""
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if _name(host) not in self._hosts:
            return PlainTextResponse("This server goes by another name.", 403)
        if origin is not None and urlsplit(origin).netloc != host:
            return PlainTextResponse("Requests from other sites are refused.", 403)
        if not self._is_short(headers.get("content-length", "0")):
            return PlainTextResponse(TOO_LARGE, 413)
        return self._asked_token(scope, headers) if self._token else None

    def _is_short(self, length: str) -> bool:
        """Whether a stated length is a number of bytes that is allowed."""
        is_number = length.isascii() and length.isdecimal() and len(length) < DIGITS
        return is_number and int(length) <= self._most_bytes

    def _asked_token(self, scope: Scope, headers: Headers) -> Response | None:
        """None for who has the token; who brings it in the address gets it as a cookie."""
        if self._is_token(_cookie(headers)):
            return None
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        if scope["type"] != "http" or not self._is_token(query.pop("token", [""])[0]):
            return PlainTextResponse("Open the link that the server printed: it has a token.", 401)
        rest = urlencode(query, doseq=True)
        answer = RedirectResponse(f"{scope['path']}?{rest}" if rest else scope["path"])
        answer.set_cookie(COOKIE, self._token, httponly=True, samesite="strict")
        return answer

    def _is_token(self, said: str) -> bool:
        return hmac.compare_digest(said.encode(), self._token.encode())

    def _counted(self, receive: Receive) -> Receive:
        """The same messages; too many bytes in the body of one request are an error."""
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            if message["type"] == "http.request":
                seen += len(message.get("body", b""))
                if seen > self._most_bytes:
                    raise HTTPException(413, TOO_LARGE)
            return message

        return counted

    @staticmethod
    async def _refuse(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await response(scope, receive, send)


def _name(host: str) -> str:
    """The name in a Host header, without its port.

    >>> _name("127.0.0.1:8080"), _name("[::1]:80"), _name("a@b")
    ('127.0.0.1', '::1', '')
    """
    try:
        parts = urlsplit(f"//{host}")
        return "" if parts.username is not None or parts.path else parts.hostname or ""
    except ValueError:
        return ""


def _cookie(headers: Headers) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value
