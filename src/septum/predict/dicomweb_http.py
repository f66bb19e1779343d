"""How a DICOMweb server is asked: in whose name, for how long, and how much is read.

Who asks is named by the environment alone: SEPTUM_DICOMWEB_TOKEN, or SEPTUM_DICOMWEB_USER with
SEPTUM_DICOMWEB_PASSWORD. A redirection is not followed: the name must not go elsewhere.
"""

import json
import os
import re
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import requests
from requests import PreparedRequest, Response
from requests.auth import HTTPBasicAuth
from urllib3.exceptions import HTTPError
from urllib3.exceptions import TimeoutError as TimedOut

from septum.contract import BadInput

CONNECT_S, SILENCE_S, MOST_S = 10, 60, 1800
"""How long to wait for a connection, for the next bytes, and for a whole answer."""
MOST_LIST_BYTES = 64 * 2**20
MOST_BYTES = 2**30
"""Of one instance."""
CHUNK_BYTES = 2**20

JSON = "application/dicom+json"
DICOM = 'multipart/related; type="application/dicom"'
AS_STORED = "; transfer-syntax=*"
BOUNDARY = "septum-boundary"

REFUSED = {
    401: "asks for other credentials; set SEPTUM_DICOMWEB_TOKEN, or SEPTUM_DICOMWEB_USER and "
    "SEPTUM_DICOMWEB_PASSWORD",
    403: "does not allow this; ask whoever runs it",
    404: "has nothing there; check the address, which often ends in /dicom-web, and the UID",
}


def listed(url: str, what: str, query: Sequence[tuple[str, str]]) -> Sequence[Mapping[str, Any]]:
    """The rows of one page of a search.

    Raises:
        BadInput: The server cannot be reached, refuses, or speaks no DICOMweb.
    """
    with _answer("GET", url, what, headers={"Accept": JSON}, params=query) as answer:
        if answer.status_code == requests.codes.no_content:
            return []
        body = _read(answer, url, most_bytes=MOST_LIST_BYTES)
    try:
        rows = json.loads(body)
    except (ValueError, RecursionError):
        rows = None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise _no_dicomweb(url)
    return rows


def instance(url: str, what: str, *, most_bytes: int) -> bytes:
    """One instance as a file, as it was stored.

    Raises:
        BadInput: The server cannot be reached, refuses, sends more, or what is no DICOM.
    """
    with _answer("GET", url, what, headers={"Accept": DICOM + AS_STORED}) as answer:
        body = _read(answer, url, most_bytes=most_bytes)
        data = _part(body, answer.headers.get("Content-Type", ""))
    if not is_dicom(data):
        raise _no_dicomweb(url)
    return data


def send(url: str, what: str, data: bytes) -> None:
    """Store one instance.

    Raises:
        BadInput: The server cannot be reached, or refuses it.
    """
    kind = {"Content-Type": f"{DICOM}; boundary={BOUNDARY}", "Accept": JSON}
    head = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    body = head + data + f"\r\n--{BOUNDARY}--\r\n".encode()
    with _answer("POST", url, what, headers=kind, data=body) as answer:
        _read(answer, url, most_bytes=MOST_LIST_BYTES)
        if answer.status_code == requests.codes.accepted:  # 202: stored with failures
            raise BadInput(f"{url} did not take all of it; see its log.")


def is_dicom(data: bytes) -> bool:
    """Whether a file of these bytes is in the format of PS3.10."""
    return data[128:132] == b"DICM"


@contextmanager
def _answer(method: str, url: str, what: str, **request: Any) -> Generator[Response]:
    """What the server says to one request; to be read within.

    Raises:
        BadInput: The address is none, or the server cannot be reached, falls silent or refuses.
    """
    _refuse_address(url)
    request["headers"] |= {"Accept-Encoding": "identity"}  # nothing to unpack
    try:
        with requests.request(
            method, f"{url.rstrip('/')}/{what}", auth=_signed, stream=True, allow_redirects=False,
            timeout=(CONNECT_S, SILENCE_S), **request,
        ) as answer:  # fmt: skip
            _refuse_status(url, answer.status_code)
            yield answer
    except requests.exceptions.SSLError as error:
        raise BadInput(
            f"{url} has no certificate that is trusted; install its authority."
        ) from error
    except (requests.Timeout, TimedOut) as error:
        raise BadInput(f"{url} does not answer in time; try again later.") from error
    except (requests.RequestException, HTTPError) as error:
        raise BadInput(f"{url} cannot be reached; check the address and the network.") from error


def _signed(request: PreparedRequest) -> PreparedRequest:
    token, user = (os.environ.get(f"SEPTUM_DICOMWEB_{name}", "") for name in ("TOKEN", "USER"))
    if token:
        request.headers["Authorization"] = f"Bearer {token}"
        return request
    if user:
        return HTTPBasicAuth(user, os.environ.get("SEPTUM_DICOMWEB_PASSWORD", ""))(request)
    return request


def _refuse_address(url: str) -> None:
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.username is not None or parts.password is not None:
        raise BadInput(
            "The address has a password; set SEPTUM_DICOMWEB_USER and _PASSWORD instead."
        )
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise BadInput(f"{url!r} is no address of a server; write https://HOST/dicom-web.")


def _refuse_status(url: str, status: int) -> None:
    if 300 <= status < 400:
        raise BadInput(f"{url} sends elsewhere; give the address that it leads to.")
    if not 200 <= status < 300:
        raise BadInput(f"{url} {REFUSED.get(status, f'answers {status}; see its log')}.")


def _read(answer: Response, url: str, *, most_bytes: int) -> bytes:
    """The body, as it comes: whoever sends a byte a minute is left after `MOST_S` too."""
    until = time.monotonic() + MOST_S
    body = bytearray()
    while chunk := answer.raw.read1(CHUNK_BYTES):
        body += chunk
        if len(body) > most_bytes:
            raise BadInput(f"{url} sends more than {most_bytes} bytes; ask for less.")
        if time.monotonic() > until:
            raise BadInput(f"{url} takes more than {MOST_S} s for one answer; try again later.")
    return bytes(body)


def _part(body: bytes, kind: str) -> bytes:
    r"""The one part of a multipart body, or the body itself where it is not one.

    >>> _part(b"--x\r\nContent-Type: application/dicom\r\n\r\nDATA\r\n--x--", "boundary=x")
    b'DATA'
    """
    found = re.search(r'boundary="?([^";\s]+)', kind)
    if found is None:
        return body
    rest = body.partition(b"\r\n\r\n")[2]
    return rest.rpartition(f"\r\n--{found[1]}--".encode())[0]


def _no_dicomweb(url: str) -> BadInput:
    return BadInput(f"{url} speaks no DICOMweb; check the address, which often ends in /dicom-web.")
