"""Commands that cannot write: one sentence, status 2, and what was there stays as it was."""

import errno
import os
from pathlib import Path

import pytest

from septum import cli


@pytest.fixture
def full():
    """Fails as a write to a full disk does, which names no file."""

    def fail(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return fail


def test_a_folder_that_cannot_be_made_is_named(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert cli.main(["data", "sketch", "phantom", "--out", str(tmp_path / "file")]) == 2
    assert f"{tmp_path / 'file' / 'phantom'} cannot be used (" in capsys.readouterr().err


def test_a_full_disk_is_told_with_the_folder_of_the_command(tmp_path, full, monkeypatch, capsys):
    monkeypatch.setattr(Path, "write_text", full)
    assert cli.main(["data", "sketch", "phantom", "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert f"{tmp_path} cannot be used (No space left on device); make room" in said


def test_an_audit_on_a_full_disk_leaves_the_last_one_as_it_was(
    phantom_root, tmp_path, full, monkeypatch, capsys
):
    words = ["data", "audit", "--data", "phantom", "--root", str(phantom_root)]
    assert cli.main([*words, "--out", str(tmp_path)]) == 0
    before = {p: p.read_bytes() for p in tmp_path.iterdir()}
    monkeypatch.setattr(os, "fsync", full)
    assert cli.main([*words, "--out", str(tmp_path)]) == 2
    assert "audit.json cannot be written (No space left on device)" in capsys.readouterr().err
    assert {p: p.read_bytes() for p in tmp_path.iterdir()} == before
