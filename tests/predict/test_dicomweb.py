"""A DICOMweb server: a real one for what it is for, and a hostile one for the sentences."""

import base64
import json
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydicom import dcmread

from septum import cli
from septum.contract import BadInput
from septum.predict import dicomweb, dicomweb_http

STUDY = "1.2.3"
ROW = {
    tag: {"vr": "UI", "Value": [value]}
    for tag, value in {"0020000D": STUDY, "0020000E": "1.2.4", "00080018": "1.2.5"}.items()
}


@pytest.fixture
def server(monkeypatch):
    """A server that answers as the test says; what it was asked is kept."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append((self.path, dict(self.headers)))
            status, kind, body = self.server.answers(self.path)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Location", "http://127.0.0.1:9/elsewhere")
            self.end_headers()
            for piece in [body] if isinstance(body, bytes) else body:
                with suppress(OSError):  # who asked has left
                    self.wfile.write(piece)

        def do_POST(self):
            self.server.sent.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.do_GET()

        def log_message(self, *words):
            pass

    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.asked, made.sent = [], []
    made.answers = lambda _: (200, dicomweb_http.JSON, b"[]")
    made.url = f"http://127.0.0.1:{made.server_port}/dicom-web"
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


@pytest.fixture
def film(ultrasound, noise):
    return ultrasound(noise((3, 30, 37)))


def always(status, kind=dicomweb_http.JSON, body=b"[]"):
    return lambda _: (status, kind, body)


def with_one(data, kind='multipart/related; boundary="b"', row=ROW):
    """A server with one instance; these bytes are what it says the instance is."""
    return lambda path: (
        (200, dicomweb_http.JSON, json.dumps([row]).encode())
        if path.partition("?")[0].endswith(("instances", "series"))
        else (200, kind, b"--b\r\nContent-Type: application/dicom\r\n\r\n" + data + b"\r\n--b--")
    )


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (always(401), "SEPTUM_DICOMWEB_TOKEN"),
        (always(403), "does not allow"),
        (always(404), "has nothing there"),
        (always(500), "answers 500"),
        (always(302), "sends elsewhere"),
        (always(200, "text/html", b"<html>"), "speaks no DICOMweb"),
        (always(200, body=b'{"a": 1}'), "speaks no DICOMweb"),
        (always(200, body=b"[1]"), "speaks no DICOMweb"),
        (always(200, body=b"[" * 100_000), "speaks no DICOMweb"),
        (always(200, body=json.dumps([{**ROW, "0020000D": {"Value": ["../x"]}}]).encode()), "UID"),
    ],
)
def test_what_a_server_does_wrong_is_one_sentence(server, answers, said):
    server.answers = answers
    with pytest.raises(BadInput, match=said) as told:
        dicomweb.find(server.url)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://127.0.0.1/", "no address"),
        ("file:///etc/passwd", "no address"),
        ("http://[", "no address"),
        ("pacs", "no address"),
        ("http://me:secret@127.0.0.1/", "has a password"),
        ("http://127.0.0.1:9/dicom-web", "cannot be reached"),
    ],
)
def test_an_address_that_is_none_is_told(url, said, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(BadInput, match=said) as told:
        dicomweb.find(url)
    assert "secret" not in str(told.value)


def test_a_silent_server_is_left(server, monkeypatch):
    monkeypatch.setattr(dicomweb_http, "SILENCE_S", 0.1)
    server.answers = lambda path: time.sleep(0.5) or always(200)(path)
    with pytest.raises(BadInput, match="in time"):
        dicomweb.find(server.url)


def test_a_dribbling_server_is_left(server, monkeypatch):
    def drops():
        for _ in range(20):
            time.sleep(0.05)
            yield b" "

    monkeypatch.setattr(dicomweb_http, "MOST_S", 0.2)
    server.answers = always(200, body=drops())
    began = time.monotonic()
    with pytest.raises(BadInput, match="takes more than"):
        dicomweb.find(server.url)
    assert time.monotonic() - began < 0.8


@pytest.mark.parametrize(
    ("variables", "sent"),
    [
        ({}, None),
        ({"TOKEN": "t-1", "USER": "me"}, "Bearer t-1"),
        ({"USER": "me", "PASSWORD": "pw"}, f"Basic {base64.b64encode(b'me:pw').decode()}"),
    ],
)
def test_the_environment_names_who_asks(server, monkeypatch, tmp_path, variables, sent):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login other password other")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("TOKEN", "USER", "PASSWORD"):
        monkeypatch.delenv(f"SEPTUM_DICOMWEB_{name}", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(f"SEPTUM_DICOMWEB_{name}", value)
    dicomweb.find(server.url)
    assert server.asked[0][1].get("Authorization") == sent


def test_a_search_says_what_is_wanted(server):
    assert dicomweb.find(server.url, study=STUDY, patient="p*", modality="US", date="2020") == []
    path = server.asked[0][0]
    assert path.startswith("/dicom-web/series?")
    for part in (f"StudyInstanceUID={STUDY}", "PatientID=p%2A", "Modality=US", "StudyDate=2020"):
        assert part in path


def test_pages_are_read_to_the_end(server):
    """A server gives two rows at a time, and the last page again and again."""

    def answers(path):
        start = min(int(path.partition("offset=")[2]), 3)
        rows = [ROW | {"0020000E": {"Value": [f"1.2.{k}"]}} for k in range(start, start + 2)]
        return 200, dicomweb_http.JSON, json.dumps(rows).encode()

    server.answers = answers
    found = dicomweb.find(server.url)
    assert [series.series_uid for series in found] == [f"1.2.{k}" for k in range(5)]


def test_files_are_fetched_byte_by_byte_under_our_own_names(server, film, tmp_path):
    server.answers = with_one(film.read_bytes())
    [path] = dicomweb.fetch(server.url, STUDY, tmp_path / "in")
    assert path == tmp_path / "in" / "00001.dcm"
    assert path.read_bytes() == film.read_bytes()
    with pytest.raises(BadInput, match="not empty"):
        dicomweb.fetch(server.url, STUDY, tmp_path / "in")


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (with_one(b"no dicom"), "speaks no DICOMweb"),
        (with_one(b"", kind="text/html"), "speaks no DICOMweb"),
        (with_one(b"x" * 3000), "more than 1000 bytes"),
        (with_one(b"", row={**ROW, "00080018": {"Value": ["1/../../2"]}}), "no DICOM UID"),
        (always(200), "has no such images"),
        (always(204, body=b""), "has no such images"),
    ],
)
def test_what_is_no_study_is_refused(server, answers, said, tmp_path, monkeypatch):
    monkeypatch.setattr(dicomweb_http, "MOST_BYTES", 1000)
    server.answers = answers
    with pytest.raises(BadInput, match=said):
        dicomweb.fetch(server.url, STUDY, tmp_path / "in")
    assert not (tmp_path / "in").exists()


def test_a_study_that_is_no_uid_is_refused_unasked(server, tmp_path):
    with pytest.raises(BadInput, match="no DICOM UID"):
        dicomweb.fetch(server.url, "1.2/../..", tmp_path / "in")
    assert server.asked == []


def test_files_are_sent_byte_by_byte(server, film):
    assert dicomweb.store(server.url, [film, film]) == 2
    assert len(server.sent) == 2
    head, data = server.sent[0].split(b"\r\n\r\n", 1)
    assert data.removesuffix(b"\r\n--septum-boundary--\r\n") == film.read_bytes()
    assert head.startswith(b"--septum-boundary\r\nContent-Type: application/dicom")


def test_what_is_not_stored_is_told(server, film, tmp_path):
    (tmp_path / "text.dcm").write_text("text")
    with pytest.raises(BadInput, match="1 files before it are: it is no DICOM"):
        dicomweb.store(server.url, [film, tmp_path / "text.dcm"])
    with pytest.raises(BadInput, match="cannot be read"):
        dicomweb.store(server.url, [tmp_path / "nowhere.dcm"])
    server.answers = always(202)
    with pytest.raises(BadInput, match="did not take all"):
        dicomweb.store(server.url, [film])


def test_the_commands(server, film, tmp_path, capsys):
    server.answers = with_one(film.read_bytes())
    assert cli.main(["dicomweb", "find", server.url]) == 0
    assert STUDY in capsys.readouterr().out
    out = str(tmp_path / "in")
    assert cli.main(["dicomweb", "fetch", server.url, STUDY, "--out", out]) == 0
    assert dcmread(tmp_path / "in" / "00001.dcm").Modality == "US"
    assert cli.main(["dicomweb", "store", server.url, str(film)]) == 0
    assert "1 files stored" in capsys.readouterr().out
    server.answers = always(401)
    assert cli.main(["dicomweb", "find", server.url]) == 2
    assert "SEPTUM_DICOMWEB_TOKEN" in capsys.readouterr().err
