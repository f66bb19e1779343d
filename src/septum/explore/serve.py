"""The server: the page, the pictures of the images, and the guard before both."""

import secrets
import socket
import warnings
from collections.abc import Callable, Sequence

import uvicorn
from fastapi import FastAPI, Request, Response
from nicegui import app as web
from nicegui import ui

from septum.contract import BadInput
from septum.explore import page, pictures
from septum.explore.address import Address
from septum.explore.guard import LOOPBACK, MOST_BYTES, Guard
from septum.explore.shelf import Shelf
from septum.explore.shown import Shown

THUMBNAIL = 96
"""Longer side of a thumbnail in pixels."""
EVERY = ("0.0.0.0", "::")
KEEP = {"Cache-Control": "private, max-age=3600"}


def app(
    shelf: Shelf,
    *,
    hosts: Sequence[str] = LOOPBACK,
    token: str = "",
    most_bytes: int = MOST_BYTES,
) -> FastAPI:
    """The application, guarded.

    Args:
        shelf: What is shown.
        hosts: Names that the server goes by.
        token: Is asked for where it is not empty.
        most_bytes: Of one request.
    """
    served = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @served.get("/picture/{run}/{place}.png")
    def picture(run: int, place: int) -> Response:
        """The first prepared picture of a record."""
        return _sent(shelf, run, place, lambda shown: pictures.png(shown.frame(place)))

    @served.get("/thumbnail/{run}/{place}.png")
    def thumbnail(run: int, place: int) -> Response:
        """The first picture of a record, small."""
        return _sent(
            shelf, run, place,
            lambda shown: pictures.png(pictures.thumbnail(shown.frame(place), side=THUMBNAIL)),
        )  # fmt: skip

    @served.get("/film/{run}/{place}.png")
    def film(run: int, place: int) -> Response:
        """All frames of a record in one picture (`pictures.strip`)."""
        return _sent(
            shelf, run, place, lambda shown: pictures.png(pictures.strip(shown.frames(place)))
        )

    @ui.page("/")
    def index(request: Request) -> None:
        """The page."""
        address = Address(dict(request.query_params), ui.navigate.history.replace)
        page.build(shelf, address)

    ui.run_with(served, title="septum", show_welcome_message=False)
    served.add_middleware(Guard, hosts=hosts, token=token, most_bytes=most_bytes)
    return served


def serve(
    shelf: Shelf,
    *,
    host: str,
    port: int,
    names: Sequence[str] = (),
    ready: Callable[[str], None],
) -> None:
    """Serve until interrupted.

    Args:
        shelf: What is shown; it is filled meanwhile.
        host: Address to listen at; anything but this machine needs a token, which is drawn.
        port: 0 for one that is free.
        names: More names that the server goes by, as a browser elsewhere writes them.
        ready: Is told the link, with its token, once requests are heard.

    Raises:
        BadInput: The address cannot be listened at, or it is every address and no name is given.
    """
    if host in EVERY and not names:
        raise BadInput(f"{host} is every address; say by --names what this server is called.")
    if not 0 <= port < 1 << 16:
        raise BadInput(f"There is no port {port}; use one up to {(1 << 16) - 1}, or 0 for any.")
    away = host not in LOOPBACK
    token = secrets.token_urlsafe() if away else ""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family)
    except OSError as error:
        raise BadInput(f"{host}:{port} cannot be listened at ({error}); try --port 0.") from error
    hosts = (*names, host) if away else (*LOOPBACK, *names)
    config = uvicorn.Config(
        app(shelf, hosts=hosts, token=token),
        log_level="warning",
        access_log=False,
        ws="websockets-sansio",
    )
    name = next(iter(names), host)
    called = f"[{name}]" if ":" in name else name
    query = f"?token={token}" if token else ""
    # to find this server, NiceGUI looks at every object there is: one of torch warns of itself, and
    # those that another thread is just making would break; so the runs are opened afterwards
    warnings.filterwarnings("ignore", r"`torch.distributed.reduce_op`", FutureWarning)
    web.on_startup(shelf.start)
    ready(f"http://{called}:{listening.getsockname()[1]}/{query}")
    uvicorn.Server(config).run(sockets=[listening])


def _sent(shelf: Shelf, run: int, place: int, draw: Callable[[Shown], bytes]) -> Response:
    """A picture of one of the records, or that there is none."""
    if not (0 <= run < len(shelf.runs) and 0 <= place < len(shelf.runs[run].records)):
        return Response("There is no such picture.", 404, media_type="text/plain")
    return Response(draw(shelf.runs[run]), media_type="image/png", headers=KEEP)
