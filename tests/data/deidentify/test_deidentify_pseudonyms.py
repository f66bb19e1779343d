import re

import pytest

from septum.contract import BadInput
from septum.data.deidentify import pseudonyms
from septum.data.deidentify.pseudonyms import Pseudonyms


def test_pseudonyms_depend_on_the_key_alone():
    one, same, other = (Pseudonyms(key=key) for key in (b"a" * 16, b"a" * 16, b"b" * 16))
    assert one.patient("X1") == same.patient(" X1 ") != other.patient("X1")
    assert one.uid("1.2") == same.uid("1.2") != other.uid("1.2")


def test_a_uid_is_valid():
    uid = Pseudonyms(key=b"k" * 16).uid("1.2.3")
    assert re.fullmatch(r"2\.25\.[1-9]\d{0,38}", uid)
    assert len(uid) <= 64


def test_a_drawn_key_differs_in_every_run_and_is_not_shown():
    one, other = pseudonyms.drawn(), pseudonyms.drawn()
    assert one.key != other.key
    assert "key" not in repr(one)


def test_a_key_file_is_read(tmp_path):
    path = tmp_path / "key"
    path.write_bytes(b"0123456789abcdef")
    assert pseudonyms.kept(path) == Pseudonyms(key=b"0123456789abcdef")


def test_a_short_or_missing_key_is_refused(tmp_path):
    (tmp_path / "key").write_bytes(b"short")
    for name in ("key", "none"):
        with pytest.raises(BadInput, match=name):
            pseudonyms.kept(tmp_path / name)
