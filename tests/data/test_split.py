from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from septum.contract import BadInput, Record
from septum.data.split import SPLITS, assign, by_hash

published = st.dictionaries(st.text(max_size=8), st.sampled_from([None, *SPLITS]), max_size=20)


def records(*pairs):
    return [
        Record(id=str(i), subject=subject, image=Path(), split=split)
        for i, (subject, split) in enumerate(pairs)
    ]


@given(published, st.data())
def test_no_subject_is_cut_and_what_is_published_stays(splits, data):
    some = st.lists(st.sampled_from(sorted(splits))) if splits else st.just([])
    pairs = [(s, data.draw(st.sampled_from([splits[s], None]))) for s in data.draw(some)]
    placed = {}
    for (subject, split), got in zip(pairs, assign(records(*pairs)), strict=True):
        assert got in SPLITS
        assert split in {None, got}
        assert placed.setdefault(subject, got) == got


@given(st.lists(st.text(max_size=8)), st.lists(st.text(max_size=8)))
def test_adding_data_moves_nobody(before, added):
    alone = assign(records(*((s, None) for s in before)))
    together = assign(records(*((s, None) for s in (*added, *before))))
    assert together[len(added) :] == alone


def test_the_shares_are_70_15_15():
    got = [by_hash(f"patient{i:05d}") for i in range(20_000)]
    for split, share in zip(SPLITS, (0.70, 0.15, 0.15), strict=True):
        assert got.count(split) / len(got) == pytest.approx(share, abs=0.01)  # 3 standard errors


def test_the_hash_is_the_one_that_was_released():
    # sha256sum says a: ca97... (0.79 of ffff...), b: 3e23... (0.24), i: de7d... (0.87)
    assert [by_hash(s) for s in ("a", "b", "i")] == ["val", "train", "test"]


def test_a_subject_in_two_splits_is_named():
    with pytest.raises(BadInput, match="'p7' is in two splits, train and val"):
        assign(records(("p1", "train"), ("p7", "train"), ("p7", "val")))


def test_an_unknown_split_is_named():
    with pytest.raises(BadInput, match="'valid'"):
        assign(records(("p1", "valid")))
