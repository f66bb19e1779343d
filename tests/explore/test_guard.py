"""Who is refused, over HTTP and over web sockets."""

from dataclasses import dataclass

import anyio
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from septum.explore.guard import COOKIE, Guard

HOST = "127.0.0.1:8090"
OWN = f"http://{HOST}"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    text: str


async def home(request: Request) -> PlainTextResponse:
    await request.body()
    return PlainTextResponse("in")


async def talk(socket: WebSocket) -> None:
    await socket.accept()
    await socket.close()


INNER = Starlette(routes=[Route("/", home, methods=["GET", "POST"]), WebSocketRoute("/ws", talk)])


def asked(path="/", *, body=(b"",), headers=(), kind="http", **options):
    """What a guarded application answers to raw headers; `body` comes in these pieces."""
    sent, pieces = [], [*body]
    said = {"host": HOST, **dict(headers)}
    raw = [(k.encode(), v.encode("latin-1")) for k, v in said.items() if v is not None]
    where, _, query = path.partition("?")

    async def receive():
        if kind == "websocket":
            return {"type": "websocket.connect"}
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def send(message):
        sent.append(message)

    scope = {
        "type": kind, "method": "POST", "path": where, "raw_path": where.encode(),
        "query_string": query.encode(), "headers": raw, "http_version": "1.1",
        "scheme": "http" if kind == "http" else "ws", "server": ("127.0.0.1", 8090),
        "client": ("127.0.0.1", 1), "root_path": "", "subprotocols": [],
    }  # fmt: skip
    anyio.run(Guard(INNER, **options), scope, receive, send)
    if kind == "websocket":
        return sent[0]["type"]
    found = {k.decode(): v.decode() for k, v in sent[0]["headers"]}
    return Answer(sent[0]["status"], found, sent[1]["body"].decode())


@pytest.mark.parametrize("host", [HOST, "localhost:8090", "[::1]:8090", "LOCALHOST"])
def test_names_of_this_machine_are_heard(host):
    assert asked(headers={"host": host}).text == "in"


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "", None, "a@127.0.0.1", "127.0.0.1/x", "[::1"],
)
def test_other_names_are_refused(host):
    assert asked(headers={"host": host}).status == 403
    assert asked("/ws", headers={"host": host}, kind="websocket") == "websocket.close"


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:9", f"{OWN}.x"]
)
def test_requests_of_other_pages_are_refused(origin):
    assert asked(headers={"origin": origin}).status == 403
    assert asked("/ws", headers={"origin": origin}, kind="websocket") == "websocket.close"


def test_the_own_page_may_ask():
    assert asked(headers={"origin": OWN}).text == "in"
    assert asked("/ws", headers={"origin": OWN}, kind="websocket") == "websocket.accept"


def test_other_names_can_be_given():
    assert asked(headers={"host": "lab.example"}, hosts=("lab.example",)).text == "in"


def test_a_token_is_asked_for_and_becomes_a_cookie():
    assert asked(token="abc").status == 401
    assert asked("/?token=abd", token="abc").status == 401
    answer = asked("/?view=A4C&token=abc", token="abc")
    assert (answer.status, answer.headers["location"]) == (307, "/?view=A4C")
    said = answer.headers["set-cookie"].lower()
    assert said.startswith(f"{COOKIE}=abc;")
    assert "httponly" in said
    assert "samesite=strict" in said
    assert asked(headers={"cookie": f"{COOKIE}=abc"}, token="abc").text == "in"


def test_a_web_socket_needs_the_cookie():
    assert asked("/ws?token=abc", kind="websocket", token="abc") == "websocket.close"
    headers = {"cookie": f"{COOKIE}=abc"}
    assert asked("/ws", headers=headers, kind="websocket", token="abc") == "websocket.accept"


@pytest.mark.parametrize("cookie", ["", f"{COOKIE}=", f"{COOKIE}=ab", "\x00", f"{COOKIE}=ä"])
def test_a_wrong_cookie_is_no_token(cookie):
    assert asked(headers={"cookie": cookie}, token="abc").status == 401


def test_an_oversized_upload_is_refused_by_its_header():
    assert asked(headers={"content-length": "11"}, most_bytes=10).status == 413
    assert asked(headers={"content-length": "10"}, most_bytes=10).text == "in"


@pytest.mark.parametrize("said", ["-1", "many", "1" * 5000, "\uff11"])
def test_a_length_that_is_none_is_refused(said):
    headers = {"content-length": said.encode().decode("latin-1")}
    assert asked(headers=headers).status in {400, 413}


def test_an_oversized_upload_is_refused_where_it_does_not_say_its_length():
    assert asked(body=(b"x" * 6, b"x" * 6), most_bytes=10).status == 413
    assert asked(body=(b"x" * 5, b"x" * 5), most_bytes=10).text == "in"
