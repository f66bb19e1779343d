"""What the server answers and refuses, over real sockets."""

import time
import urllib.error
import urllib.request

import pytest

from septum.cli import main

pytestmark = pytest.mark.slow


def asked(link, **headers):
    """Status and body; redirects are followed, cookies are not kept."""
    request = urllib.request.Request(link, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read()


def test_pictures_are_sent_and_only_pictures(site):
    link = site("unet")
    asked(link)  # the runs are opened by the time the page is drawn
    assert wait_for(link + "picture/0/0.png")[:4] == b"\x89PNG"
    for path in (
        "picture/0/48.png", "picture/1/0.png", "picture/0/-1.png", "thumbnail/0/99999999999999.png",
        "picture/0/..%2f..%2fetc%2fpasswd", "picture/0/x.png", "film/0/%00.png",
    ):  # fmt: skip
        assert asked(link + path)[0] in {404, 422}, path


def wait_for(link):
    for _ in range(300):
        status, body = asked(link)
        if status == 200:
            return body
        time.sleep(0.1)
    return pytest.fail(f"{link} is not answered")


@pytest.mark.parametrize("path", ["../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "_nicegui/../../x"])
def test_paths_lead_nowhere_else(site, path):
    status, body = asked(site("unet") + path)
    assert b"root:" not in body
    assert status in {200, 404}


def test_foreign_requests_are_refused(site):
    link = site("unet")
    assert asked(link, Host="evil.example")[0] == 403
    assert asked(link, Origin="http://evil.example")[0] == 403
    assert asked(link + "picture/0/0.png", Host="evil.example:80")[0] == 403
    assert asked(link + "_nicegui_ws/socket.io/?EIO=4&transport=polling", Host="x")[0] == 403


def test_elsewhere_a_token_is_asked_for(site):
    link = site("unet", words=("--host", "127.0.0.2"))
    server, _, query = link.partition("?")
    assert query.startswith("token=")
    assert len(query) > 40
    assert asked(server)[0] == 401
    assert asked(server + "?token=wrong")[0] == 401
    assert asked(server, Cookie="septum-token=wrong")[0] == 401
    assert asked(server, Cookie=f"septum-token={query.removeprefix('token=')}")[0] == 200


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--host", "0.0.0.0"], "say by --names what this server is called"),
        (["--port", "70000"], "There is no port 70000"),
        (["--host", "192.0.2.1", "--port", "0"], "cannot be listened at"),
    ],
)
def test_an_address_that_cannot_be_served_is_named(made, words, sentence, capsys):
    assert main(["explore", "--run", str(made("unet")), *words]) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1
