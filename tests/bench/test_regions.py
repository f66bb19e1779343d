"""Both sides of the regions table find the same, and say how long it took."""

import numpy as np
import pytest
import torch

from septum.bench import TABLES, regions
from septum.bench.table import Setting


@pytest.fixture
def setting(tmp_path) -> Setting:
    return Setting(out=tmp_path, data=(), prepared=lambda *_: pytest.fail("needs no images"))


def test_both_sides_find_the_same():
    found = regions.ready(30)

    for query in regions.asked(found, 5):
        theirs, ours = (regions.places(side, query, found) for side in regions.SIDES)
        assert ours.shape == (regions.RESULTS, 3)
        assert torch.equal(ours, theirs)


def test_the_maps_have_the_number_of_regions_that_the_table_says():
    assert regions.MAPS * np.prod(regions.ready(1).squares.shape) == 259_200
    assert regions.asked(regions.ready(2), 3).shape == (3, 400)


def test_the_table_has_a_name():
    assert TABLES["regions"] is regions.rows


def test_every_row_has_an_interval(setting, monkeypatch):
    monkeypatch.setattr(regions, "MAPS", 3)
    monkeypatch.setattr(regions, "QUERIES", 4)
    monkeypatch.setattr(regions.timing, "alone", lambda work, *given: work(*given))

    rows = regions.rows(setting)

    assert [row["unit"] for row in rows] == ["ms"] * 6 + ["ratio"] + ["MB"] * 2
    assert [row["n"] for row in rows] == [4] * 7 + [1] * 2
    assert all(0 < row["low"] <= row["value"] <= row["high"] for row in rows)
