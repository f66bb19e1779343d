"""Tables and names that visitors take home."""

import csv
import io

import pytest

from septum.explore import saved


def test_a_table_is_read_back():
    rows = [{"id": "a,b", "area": 1.5}, {"id": 'c"d', "note": None}]
    found = list(csv.DictReader(io.StringIO(saved.table(rows).decode())))
    assert found == [
        {"id": "a,b", "area": "1.5", "note": ""},
        {"id": 'c"d', "area": "", "note": ""},
    ]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx"])
def test_no_text_is_a_formula(text):
    (found,) = csv.DictReader(io.StringIO(saved.table([{text: text}]).decode()))
    assert found == {f"'{text}": f"'{text}"}


def test_names_stay_in_their_folder():
    assert saved.name("../../etc/passwd", ending="png") == "etc_passwd.png"
    assert len(saved.name("x" * 500, ending="csv")) < 100
