import json
import math

import pytest

from septum.contract import BadInput
from septum.report import tables
from septum.tasks.write import read


def number(value, *, width=0.1, unit="1", n=200):
    return {"value": value, "low": value - width, "high": value + width, "unit": unit, "n": n}


def evaluation(folder, metrics, **facts):
    folder.mkdir(parents=True, exist_ok=True)
    said = {"task": "segment", "model": "m", "data": "d", "split": "val", "seed": 0} | facts
    (folder / "metrics.json").write_text(json.dumps({**said, "metrics": metrics}))
    return folder


def values(table):
    return {
        row: [cell.metric and cell.metric.value for cell in cells]
        for row, cells in table.rows.items()
    }


def test_names_of_three_parts_make_a_table_of_columns_with_their_floors(tmp_path):
    metrics = {
        "dice_loss/content/k1": number(0.5),
        "dice_loss/style/k1": number(0.6),
        "dice_loss/content/k5": number(0.1),
        "floor/dice_loss/content/k5": number(0.3),
    }

    (table,) = tables.tables(read(evaluation(tmp_path, metrics)))

    assert (table.title, list(table.columns)) == ("dice_loss", ["content", "style"])
    assert values(table) == {"k1": [0.5, 0.6], "k5": [0.1, None]}
    assert table.rows["k5"][0].floor is not None
    assert table.rows["k5"][0].floor.value == 0.3
    assert table.has_floor


def test_longer_names_make_a_table_of_their_own(tmp_path):
    metrics = {
        "dice_loss/content/k5": number(0.2),
        "dice_loss/content/k5/left_atrium": number(0.3),
        "dice_loss/style/k5/left_atrium": number(0.4),
    }

    whole, by_class = tables.tables(read(evaluation(tmp_path, metrics)))

    assert (whole.title, by_class.title) == ("dice_loss", "dice_loss/k5")
    assert list(by_class.columns) == ["content", "style"]
    assert values(by_class) == {"left_atrium": [0.3, 0.4]}


def test_shorter_names_have_one_column(tmp_path):
    metrics = {"map5/apex": number(0.5), "map5/mean": number(0.4), "auroc": number(0.7)}

    ranking, other = tables.tables(read(evaluation(tmp_path, metrics)))

    assert (ranking.title, list(ranking.columns)) == ("map5", [""])
    assert values(ranking) == {"apex": [0.5], "mean": [0.4]}
    assert (other.title, values(other)) == ("", {"auroc": [0.7]})
    assert not ranking.has_floor


@pytest.mark.parametrize(("head", "best"), [("dice_loss", [True, False]), ("dice", [False, True])])
def test_the_best_of_a_row_is_the_lowest_loss_or_the_highest_score(tmp_path, head, best):
    metrics = {f"{head}/content/k1": number(0.2), f"{head}/style/k1": number(0.5)}

    (table,) = tables.tables(read(evaluation(tmp_path, metrics)))

    assert [cell.best for cell in table.rows["k1"]] == best


def test_headlines_are_the_chosen_names_or_the_first(tmp_path):
    metrics = {"dice_loss/style/k5": number(0.3), "dice_loss/content/k5": number(0.1)}
    chosen = tables.headlines(read(evaluation(tmp_path / "a", metrics)))
    first = tables.headlines(read(evaluation(tmp_path / "b", {"r2": number(0.5)})))

    assert [line.name for line in chosen] == ["dice_loss/content/k5", "dice_loss/style/k5"]
    assert [line.name for line in first] == ["r2"]


def test_the_scale_of_a_headline_holds_both_intervals(tmp_path):
    metrics = {"mae": number(2.0, unit="%"), "floor/mae": number(4.0, width=1.0, unit="%")}

    (line,) = tables.headlines(read(evaluation(tmp_path, metrics)))

    assert line.lower_is_better
    assert line.top == pytest.approx(1.05 * 5.0)


def test_not_a_number_is_a_dash():
    assert tables.number(math.nan) == "\N{EN DASH}"


def test_rows_of_an_ablation_are_read(tmp_path):
    rows = [{"trial": "a", "steps": 800, "content": 0.18}]
    (tmp_path / "a.json").write_text(json.dumps(rows))

    assert tables.rows(tmp_path / "a.json") == rows


def test_rows_of_a_measured_table_are_read(tmp_path):
    rows = [{"variant": "as it is", "steps": 300.0}]
    (tmp_path / "a.json").write_text(json.dumps({"table": "ablation", "rows": rows}))

    assert tables.rows(tmp_path / "a.json") == rows


@pytest.mark.parametrize("text", ["", "{}", "[1]", '[{"a": [1]}]', '[{"a": null}]'])
def test_what_is_no_list_of_rows_is_refused(tmp_path, text):
    (tmp_path / "a.json").write_text(text)

    with pytest.raises(BadInput, match="no JSON list of rows"):
        tables.rows(tmp_path / "a.json")


def numbers(table, model, metric, value, published=""):
    row = {"table": table, "data": "d", "model": model, "metric": metric, "value": value}
    return row | {"low": value - 0.1, "high": value + 0.1, "n": 7, "published": published}


def test_rows_of_one_number_become_tables_with_the_models_beside_one_another():
    found = tables.beside(
        [
            numbers("Table 1", "A", "map5", 0.5, 0.25),
            numbers("Table 1", "B", "map5", 0.25),
            numbers("Table 1", "A", "dice", 0.75),
            numbers("Table 2", "A", "dice", 0.125),
        ]
    )
    assert list(found) == ["Table 1 (d)", "Table 2 (d)"]
    first = {"metric": "map5", "n": 7, "A": "0.500 (0.400 to 0.600)"}
    assert found["Table 1 (d)"] == [
        {**first, "B": "0.250 (0.150 to 0.350)", "A, paper": "0.250"},
        {"metric": "dice", "n": 7, "A": "0.750 (0.650 to 0.850)", "B": "", "A, paper": ""},
    ]


def test_more_models_than_metrics_stand_one_below_the_other():
    (table,) = tables.beside([numbers("T", model, "map5", 0.5) for model in "ABC"]).values()
    assert [row["model"] for row in table] == ["A", "B", "C"]
    assert {row["map5"] for row in table} == {"0.500 (0.400 to 0.600)"}


def test_a_measured_file_holds_one_table_or_several(tmp_path):
    path = tmp_path / "speed.json"
    path.write_text(json.dumps([{"name": "step", "value": 1.0}]))
    assert tables.measured(path) == {"Speed": [{"name": "step", "value": 1.0}]}
    path.write_text(json.dumps({"rows": [numbers("T", "A", "map5", 0.5)]}))
    assert list(tables.measured(path)) == ["T (d)"]
