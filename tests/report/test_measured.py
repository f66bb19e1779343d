import json

import pytest

from septum.contract import BadInput
from septum.report import measured


def row(table, model, metric, value, published="", width=0.1):
    known = {"table": table, "data": "d", "model": model, "metric": metric, "value": value}
    return known | {"low": value - width, "high": value + width, "n": 7, "published": published}


def test_rows_of_an_ablation_are_read(tmp_path):
    rows = [{"trial": "a", "steps": 800, "content": 0.18}]
    (tmp_path / "a.json").write_text(json.dumps(rows))

    assert measured.rows(tmp_path / "a.json") == rows


def test_rows_of_a_measured_table_are_read(tmp_path):
    rows = [{"variant": "as it is", "steps": 300.0}]
    (tmp_path / "a.json").write_text(json.dumps({"table": "ablation", "rows": rows}))

    assert measured.rows(tmp_path / "a.json") == rows


@pytest.mark.parametrize("text", ["", "{}", "[1]", '[{"a": [1]}]', '[{"a": null}]'])
def test_what_is_no_list_of_rows_is_refused(tmp_path, text):
    (tmp_path / "a.json").write_text(text)

    with pytest.raises(BadInput, match="no JSON list of rows"):
        measured.rows(tmp_path / "a.json")


def test_rows_of_one_number_become_tables_with_the_models_beside_one_another():
    found = measured.beside(
        [
            row("Table 1", "A", "map5", 0.5, 0.25),
            row("Table 1", "B", "map5", 0.25),
            row("Table 1", "A", "dice", 0.75),
            row("Table 2", "A", "dice", 0.125),
        ]
    )
    assert list(found) == ["Table 1 (d)", "Table 2 (d)"]
    first = {"metric": "map5", "n": 7, "A": "0.500 (0.400 to 0.600)"}
    assert found["Table 1 (d)"][""] == [
        {**first, "B": "0.250 (0.150 to 0.350)", "A, paper": "0.250"},
        {"metric": "dice", "n": 7, "A": "0.750 (0.650 to 0.850)", "B": "", "A, paper": ""},
    ]


def test_more_models_than_metrics_stand_one_below_the_other():
    ((table,),) = (
        t.values() for t in measured.beside([row("T", m, "x", 0.5) for m in "ABC"]).values()
    )
    assert [line["model"] for line in table] == ["A", "B", "C"]
    assert {line["x"] for line in table} == {"0.500 (0.400 to 0.600)"}


def test_metrics_at_shares_of_labels_are_parts_with_a_line_per_share():
    found = measured.beside(
        [
            row("T", "A", "dice/mean/100.0%", 0.8, 0.85),
            row("T", "A", "dice/mean/1.5%", 0.5),
            row("T", "B", "dice/mean/1.5%", 0.25),
            row("T", "A", "dice/apex/1.5%", 0.4),
        ]
    )

    assert list(found["T (d)"]) == ["dice/mean", "dice/apex"]
    assert found["T (d)"]["dice/mean"] == [
        {"labelled": "100 %", "n": 7, "A": "0.800 (0.700 to 0.900)", "A, paper": "0.850", "B": ""},
        {
            "labelled": "1.5 %", "n": 7, "A": "0.500 (0.400 to 0.600)", "A, paper": "",
            "B": "0.250 (0.150 to 0.350)",
        },
    ]  # fmt: skip


def test_a_number_without_an_interval_stands_alone_however_small():
    (part,) = measured.beside([row("T", "A", "p_value", 0.00002, width=0)])["T (d)"].values()

    assert part[0]["A"] == "2e-05"


def test_a_measured_file_holds_one_table_or_several(tmp_path):
    path = tmp_path / "speed.json"
    path.write_text(json.dumps([{"name": "step", "value": 1.0}]))
    assert measured.tables(path) == {"Speed": {"": [{"name": "step", "value": 1.0}]}}
    path.write_text(json.dumps({"rows": [row("T", "A", "map5", 0.5)]}))
    assert list(measured.tables(path)) == ["T (d)"]
