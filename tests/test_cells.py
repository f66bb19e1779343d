"""Tables that are safe to open."""

import csv
import io

import pytest

from septum import cells


def test_a_table_is_read_back():
    rows = [{"id": "a,b", "area": 1.5}, {"id": 'c"d', "note": None}]
    found = list(csv.DictReader(io.StringIO(cells.as_csv(rows).decode())))
    assert found == [
        {"id": "a,b", "area": "1.5", "note": ""},
        {"id": 'c"d', "area": "", "note": ""},
    ]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx"])
def test_no_text_is_a_formula(text):
    (found,) = csv.DictReader(io.StringIO(cells.as_csv([{text: text}]).decode()))
    assert found == {f"'{text}": f"'{text}"}
