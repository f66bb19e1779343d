"""With a real server: films go in, are fetched, predicted on, and the results stored and found."""

import json
import shutil
import socket
import subprocess
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import requests
from pydicom import dcmread

from septum import runs
from septum.data import dicom
from septum.predict import Objects, Settings, dicom_file, dicomweb, predict
from septum.predict.dicom_report import report
from septum.predict.dicom_seg import segmentation

ORTHANC = shutil.which("Orthanc", path="/usr/sbin:/usr/local/sbin:/usr/bin")
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
DIES_WITH_THE_TEST = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
START_S, STOP_S = 30, 10
MADE_BY = {"model": "coreecho", "algorithm_version": "1"}
USER, PASSWORD = "septum", "for-the-test"


@pytest.fixture
def orthanc(tmp_path, monkeypatch):
    """The address of an Orthanc on the loopback interface, which ends with the test."""
    if ORTHANC is None or not PLUGIN.is_file():
        pytest.skip("skipped: Orthanc is not installed")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = tmp_path / "orthanc.json"
    config.write_text(json.dumps(settings(tmp_path / "storage", port)))
    with (tmp_path / "log").open("wb") as log:
        words = [*DIES_WITH_THE_TEST, ORTHANC, config]
        process = subprocess.Popen(words, stdout=log, stderr=log, cwd=tmp_path)
    try:
        wait_for(f"http://127.0.0.1:{port}/system", process)
        yield f"http://127.0.0.1:{port}/dicom-web"
    finally:
        stop(process)


def settings(storage, port):
    return {
        "StorageDirectory": str(storage),
        "IndexDirectory": str(storage),
        "Plugins": [str(PLUGIN)],
        "HttpPort": port,
        "RemoteAccessAllowed": False,
        "DicomServerEnabled": False,
        "AuthenticationEnabled": True,
        "RegisteredUsers": {USER: PASSWORD},
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }


def wait_for(url, process):
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        assert process.poll() is None, "Orthanc stopped at once"
        try:
            return requests.get(url, auth=(USER, PASSWORD), timeout=5).raise_for_status()
        except requests.ConnectionError:
            time.sleep(0.1)
    raise TimeoutError(url)


def stop(process):
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_S)


@pytest.mark.slow
def test_from_the_server_and_back(
    orthanc, trained, cache, ultrasound, noise, tmp_path, monkeypatch
):
    monkeypatch.setenv("SEPTUM_DICOMWEB_USER", USER)
    monkeypatch.setenv("SEPTUM_DICOMWEB_PASSWORD", PASSWORD)
    film = noise((3, 30, 37))
    source = ultrasound(film)
    assert dicomweb.store(orthanc, [source]) == 1
    [series] = dicomweb.find(orthanc, patient="p-17", modality="US")
    assert series.study_uid == dcmread(source).StudyInstanceUID
    assert (series.date, series.instances) == ("20200102", 1)

    [fetched] = dicomweb.fetch(orthanc, series.study_uid, tmp_path / "in")
    np.testing.assert_array_equal(dicom.frames(fetched), film)

    settings = Settings(cache=cache, objects=Objects(seg=True, capture=True))
    [row] = predict(runs.load(trained("unet")), [fetched], tmp_path / "out", settings=settings)
    assert "error" not in row
    assert not row.get("dicom_error")
    bright = (film > 200).astype(np.uint8)  # a model of two steps may see nothing
    also = [
        *segmentation(fetched, bright, ("background", "left_ventricle"), model="threshold"),
        report(fetched, {"ef_percent": (55.0, 50.0, 60.0, "percent")}, **MADE_BY),
    ]
    dicom_file.write(also, tmp_path / "out", "also")
    paths = sorted((tmp_path / "out").rglob("*.dcm"))
    assert dicomweb.store(orthanc, paths) == len(paths)

    found = dicomweb.find(orthanc, study=series.study_uid)
    kinds = [dcmread(path).Modality for path in (fetched, *paths)]
    assert {*kinds} == {"US", "SEG", "SR", "OT"}
    assert {s.modality: s.instances for s in found} == Counter(kinds)
    back = dicomweb.fetch(orthanc, series.study_uid, tmp_path / "back", modality="SEG")
    sent = [path.read_bytes() for path in paths if dcmread(path).Modality == "SEG"]
    assert sorted(path.read_bytes() for path in back) == sorted(sent)
