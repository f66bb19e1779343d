import json

import pytest

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


@pytest.mark.parametrize(
    ("head", "best"),
    [("dice_loss", [True, False]), ("dice", [False, True]), ("variance", [False, False])],
)
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

    assert line.better == "lower"
    assert line.top == pytest.approx(1.05 * 5.0)


def test_what_only_describes_opens_no_page(tmp_path):
    described = read(evaluation(tmp_path, {"variance": number(0.7), "dice": number(0.5)}))

    assert tables.headlines(described) == []
    assert {table.better for table in tables.tables(described)} == {""}
