"""The process that decodes is reused, limited, replaced, and never believed."""

import io
import json
import os
import pickle
import signal
import time
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from pydicom import uid
from pydicom.dataset import FileMetaDataset
from pydicom.filewriter import write_file_meta_info

from septum.contained import caps
from septum.contract import BadInput
from septum.data import dicom
from septum.data.dicom import child, sketch

WHO = {"SOPClassUID": sketch.US_FILM, "SOPInstanceUID": "1.2.3", "Modality": "US"}
FRAMES = np.arange(3 * 8 * 10, dtype=np.uint8).reshape(3, 8, 10)


@pytest.fixture
def path(tmp_path):
    sketch.write(tmp_path / "a.dcm", FRAMES, WHO)
    return tmp_path / "a.dcm"


@pytest.fixture
def answering(monkeypatch):
    """Put a process in the place of the child that answers these bytes."""

    def start(answer):
        process = SimpleNamespace(
            stdin=io.BytesIO(), stdout=io.BytesIO(answer), kill=lambda: None,
            wait=lambda: 0, poll=lambda: None,
        )  # fmt: skip
        worker = child.Worker()
        worker.process, worker.owner = process, os.getpid()
        monkeypatch.setattr(child, "WORKER", worker)
        return worker

    return start


def header(**content):
    return json.dumps(content).encode() + b"\n"


def test_one_process_serves_file_after_file(path):
    np.testing.assert_array_equal(dicom.frames(path), FRAMES)
    first = child.WORKER.process.pid
    assert dicom.facts(path).frames == 3
    np.testing.assert_array_equal(dicom.colours(path), FRAMES[..., None].repeat(3, -1))
    np.testing.assert_array_equal(dicom.values(path), FRAMES.astype(np.float32))
    assert child.WORKER.process.pid == first


def test_a_path_counts_from_where_the_asking_process_is(path, monkeypatch):
    dicom.facts(path)
    monkeypatch.chdir(path.parent)
    assert dicom.facts(Path(path.name)).frames == 3


def test_it_loads_no_torch(path):
    dicom.facts(path)
    maps = Path(f"/proc/{child.WORKER.process.pid}/maps")
    if not maps.exists():
        pytest.skip("skipped: this system does not tell")
    assert "numpy" in maps.read_text()
    assert "torch" not in maps.read_text()


def test_a_refusal_costs_no_process(path):
    dicom.facts(path)
    first = child.WORKER.process.pid
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(BadInput, match=r"a\.dcm is damaged, cut short"):
        dicom.frames(path)
    assert child.WORKER.process.pid == first


def test_a_process_that_is_killed_is_replaced(path):
    dicom.facts(path)
    os.kill(child.WORKER.process.pid, signal.SIGKILL)
    child.WORKER.process.wait()
    assert dicom.facts(path).frames == 3


def test_a_process_that_takes_too_long_is_killed(path, monkeypatch):
    dicom.facts(path)
    monkeypatch.setattr(child, "SECONDS", 0.3)
    os.kill(child.WORKER.process.pid, signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(BadInput, match=r"a\.dcm takes longer than 0\.3 s"):
        dicom.facts(path)
    assert time.monotonic() - began < 5
    monkeypatch.undo()
    assert dicom.facts(path).frames == 3


@pytest.mark.slow
def test_a_bomb_that_inflates_is_refused_by_its_memory(tmp_path):
    """A deflated data set of 4 GiB in 4 MiB."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = sketch.US_FILM, "1.2.3"
    meta.TransferSyntaxUID = uid.DeflatedExplicitVRLittleEndian
    press = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = press.compress(bytes(2**24)) + press.flush(zlib.Z_FULL_FLUSH)
    with (tmp_path / "a.dcm").open("wb") as file:
        file.write(b"\0" * 128 + b"DICM")
        write_file_meta_info(file, meta)
        file.write(block * 256 + press.flush())
    with pytest.raises(BadInput, match=r"a\.dcm needs more memory than is given"):
        dicom.facts(tmp_path / "a.dcm")


def test_files_that_are_missing_or_too_large_are_not_asked_for(path, monkeypatch):
    monkeypatch.setattr(child.WORKER, "running", lambda: pytest.fail("was asked"))
    with pytest.raises(BadInput, match=r"b\.dcm is missing"):
        dicom.facts(path.with_name("b.dcm"))
    monkeypatch.setattr(caps, "MAX_BYTES", path.stat().st_size - 1)
    with pytest.raises(BadInput, match=r"a\.dcm is larger than"):
        dicom.facts(path)


def test_missing_decoders_are_named(monkeypatch):
    monkeypatch.setattr(child, "find_spec", lambda name: None if name == "gdcm" else name)
    with pytest.raises(
        BadInput, match=r"with gdcm, which is missing; pip install 'septum\[dicom\]'"
    ):
        child.check_installed()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"not json\n",
        b"{}\n",
        b"[]\n",
        b"x" * 100,
        header(shape=[1, 2, 2], kind="|O"),
        header(shape=[1, 2, 2], kind="<i8"),
        header(shape=[-1, 2, 2], kind="|u1"),
        header(shape=[1, 2], kind="|u1"),
        header(shape=[1, 2, 2, 4], kind="|u1"),
        header(shape=[10**6, 1, 1], kind="|u1"),
        header(shape=[1, 10**6, 10**6], kind="|u1"),
        header(shape=[1, 2, 2], kind="|u1") + b"\1abc",
        header(shape=[1, 2, 2], kind="|u1") + b"\1abcd"[:1],
        pickle.dumps(np.zeros(3)),
    ],
)
def test_an_answer_that_makes_no_sense_ends_the_process(path, answering, answer):
    worker = answering(answer)
    with pytest.raises(BadInput, match=r"a\.dcm is damaged, its decoder ended"):
        child.array("frames", path)
    assert worker.process is None


def test_nothing_that_is_answered_is_unpickled(path, answering, monkeypatch):
    monkeypatch.setattr(pickle, "loads", lambda *_: pytest.fail("was unpickled"))
    answering(header(shape=[1, 2, 2], kind="|u1") + b"\1abcd")
    np.testing.assert_array_equal(child.array("frames", path)[0], [[97, 98], [99, 100]])


def test_a_refusal_between_frames_is_told(path, answering):
    worker = answering(
        header(shape=[2, 1, 2], kind="|u1") + b"\1ab\0" + header(refused="is cut short; fetch it.")
    )
    with pytest.raises(BadInput, match=r"a\.dcm is cut short; fetch it\.$"):
        child.array("frames", path)
    assert worker.process is not None
