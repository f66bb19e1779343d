"""Both sides of the search table find the same, and say how long it took."""

import importlib.util

import numpy as np
import pytest
import torch

from septum.bench import search
from septum.bench.table import Setting
from septum.contract import BadInput
from septum.tasks.regions import padded_descriptors

pytestmark = pytest.mark.filterwarnings("ignore:builtin type:DeprecationWarning")


@pytest.fixture
def setting(tmp_path) -> Setting:
    return Setting(out=tmp_path, data=(), prepared=lambda *_: pytest.fail("needs no images"))


def test_the_pool_is_that_of_the_paper():
    keys = padded_descriptors(search.content(2, seed=0))

    assert search.MAPS * keys.shape[1] * keys.shape[2] == 113_400
    assert keys.shape[3] == search.asked(7).shape[1] == 400
    assert len(search.asked(7)) == 7
    torch.testing.assert_close(search.content(2, seed=0).sum(1), torch.ones(2, 16, 20))


def test_both_sides_find_the_same():
    pytest.importorskip("faiss")
    keys, queries = padded_descriptors(search.content(20, seed=0)).flatten(0, 2), search.asked(60)

    found = {side: ready(keys)(queries) for side, ready in search.SIDES.items()}

    assert found["septum"].shape == (60, search.RESULTS)
    assert np.array_equal(found["septum"], found["faiss"])


def test_without_faiss_the_message_says_what_to_install(setting, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)

    with pytest.raises(BadInput, match="pip install faiss-cpu"):
        search.rows(setting)


@pytest.mark.slow
def test_every_row_has_an_interval(setting, monkeypatch):
    pytest.importorskip("faiss")
    for name, value in {"MAPS": 3, "QUERIES": 10, "ROUNDS": 2, "TURNS": 2, "SINGLE": 5}.items():
        monkeypatch.setattr(search, name, value)

    rows = search.rows(setting)

    assert [(row["unit"], row["n"]) for row in rows] == [
        ("s", 2), ("s", 2), ("ratio", 2), ("ms", 5), ("ms", 5), ("ms", 5), ("ms", 5), ("MB", 1),
    ]  # fmt: skip
    assert all(0 < row["low"] <= row["value"] <= row["high"] for row in rows)


@pytest.mark.slow
def test_the_search_of_the_paper_stays_within_2_gb():
    assert search._alone(search.peak_mb, maps=search.MAPS, queries=search.QUERIES) < 2_000
