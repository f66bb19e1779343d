"""Cases of several folds, as one table."""

import csv

import numpy as np
import pytest
from scipy import stats

from septum.bench.folds import cases, compared, pooled
from septum.contract import BadInput


def written(folder, rows):
    folder.mkdir(parents=True)
    with (folder / "predictions.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, ["id", "subject", "slices", "dice/mean", "hd95_mm/a"])
        table.writeheader()
        table.writerows(rows)
    return folder


def rows(values, *, first=0):
    return [
        {"id": f"v{first + i}", "subject": f"s{first + i}", "slices": 3, "dice/mean": value}
        for i, value in enumerate(values)
    ]


@pytest.fixture
def folders(tmp_path):
    a = written(tmp_path / "a", [{**r, "hd95_mm/a": 2.0} for r in rows([0.5, 0.7])])
    b = written(tmp_path / "b", rows([0.9, 0.8], first=2))
    return [a, b]


def test_cases_of_all_folds_are_one_table(folders):
    subjects, columns = cases(folders)
    assert subjects == ["s0", "s1", "s2", "s3"]
    np.testing.assert_array_equal(columns["dice/mean"], [0.5, 0.7, 0.9, 0.8])
    np.testing.assert_array_equal(columns["hd95_mm/a"], [2, 2, np.nan, np.nan])


def test_means_are_over_all_cases(folders):
    found = pooled(folders, seed=0)
    assert found["dice/mean"].value == pytest.approx(0.725)
    assert found["dice/mean"].n == 4
    assert (found["hd95_mm/a"].value, found["hd95_mm/a"].unit, found["hd95_mm/a"].n) == (2, "mm", 2)


def test_ours_is_compared_with_the_best_of_the_others(folders, tmp_path):
    worse = written(tmp_path / "worse", rows([0.1, 0.1, 0.1, 0.1]))
    better = written(tmp_path / "better", rows([0.4, 0.6, 0.85, 0.6]))
    found = compared(folders, [[worse], [better]])
    test = stats.ttest_rel([0.5, 0.7, 0.9, 0.8], [0.4, 0.6, 0.85, 0.6])
    assert found["gain_dice/mean"].value == pytest.approx(0.1125)
    assert found["p_value_dice/mean"].value == pytest.approx(test.pvalue)
    assert found["gain_dice/mean"].n == 4


def test_other_cases_are_refused(folders, tmp_path):
    other = written(tmp_path / "other", rows([0.1, 0.2, 0.3, 0.4], first=7))
    with pytest.raises(BadInput, match="other cases"):
        compared(folders, [[other]])


def test_a_single_subject_is_refused(tmp_path):
    one = written(tmp_path / "one", rows([0.5]))
    with pytest.raises(BadInput, match="one subject"):
        compared([one], [[one]])
