"""Harmed files are read or refused in one sentence; the table counts them."""

import re
import shutil

import numpy as np
import pytest

from septum.bench import hostile_files
from septum.bench.table import Setting
from septum.contract import BadInput

BYTES = bytes(range(256)) * 20


def setting(out):
    return Setting(out=out, data=(), prepared=lambda *_: pytest.fail("needs no images"))


@pytest.mark.parametrize("harm", hostile_files.HARMS)
def test_harm_is_done_and_can_be_done_again(harm):
    found = [harm(BYTES, np.random.default_rng(k)) for k in (1, 1, 2)]
    assert found[0] == found[1] != found[2]
    assert BYTES not in found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile") / "files"
    hostile_files.draw(folder)
    return folder


def test_all_sound_files_are_read(folder):
    paths = sorted(folder.iterdir())
    assert {p.suffix for p in paths} == {".avi", ".dcm", ".gz", ".png"}
    assert [p.name for p in paths if not hostile_files.outcome(p)] == []


def test_a_refusal_is_a_sentence_about_the_file(folder, monkeypatch, tmp_path):
    assert not hostile_files.outcome(tmp_path / "missing.dcm")
    for said in ("two\nlines.", "no end", "of another file."):

        def refuse(_, said=said):
            raise BadInput(said)

        monkeypatch.setitem(hostile_files.READERS, ".png", refuse)
        with pytest.raises(RuntimeError, match=re.escape(said)):
            hostile_files.outcome(folder / "picture.png")


def table(out, monkeypatch, count):
    monkeypatch.setattr(hostile_files, "COUNT", count)
    rows = hostile_files.rows(setting(out))
    assert sum(row["n"] for row in rows) == count
    assert all(row["refused"] + row["read"] == row["n"] for row in rows)
    assert all(row["worst_s"] < 20 for row in rows)
    return rows


def test_a_few_dozen_harmed_files(tmp_path, monkeypatch, capfd):
    rows = table(tmp_path, monkeypatch, 36)
    assert {row["kind"] for row in rows} >= {"rle.dcm", "film.avi", "volume.nii.gz"}
    assert not (tmp_path / "harmed").exists()
    assert capfd.readouterr().err == ""


@pytest.mark.slow
def test_two_hundred_harmed_files_and_real_ones(tmp_path, monkeypatch, shared_data):
    (tmp_path / "files").mkdir()
    for path in (shared_data / "dicom_us").glob("*.dcm"):
        shutil.copyfile(path, tmp_path / "files" / path.name)
    rows = table(tmp_path, monkeypatch, 200)
    assert len(rows) == 15
    assert sum(row["refused"] for row in rows) > 50
    assert sum(row["read"] for row in rows) > 20
