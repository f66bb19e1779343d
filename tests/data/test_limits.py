from pathlib import Path

import pytest
import torch

from septum.contract import BadInput, Record
from septum.data.limits import allows, parse, refuse_empty
from septum.data.prepare import prepare, prepare_many


def record(**labels):
    return Record(id="a", subject="a", image=Path(), labels=labels)


@pytest.mark.parametrize("words", [["view"], ["=4CH"], ["view="], ["view=,"], ["a=1", "a=2"]])
def test_words_that_choose_nothing_are_refused(words):
    with pytest.raises(BadInput, match="NAME=VALUE"):
        parse(words)


@pytest.mark.parametrize(
    ("limits", "labels", "allowed"),
    [
        ({}, {}, True),
        ({"view": ["4CH"]}, {"view": "4CH"}, True),
        ({"view": ["4CH", "2CH"]}, {"view": "2CH"}, True),
        ({"view": ["4CH"]}, {"view": "2CH"}, False),
        ({"view": ["4CH"]}, {}, False),
        ({"open": ["1"]}, {"open": 1.0}, True),
        ({"view": ["4CH"], "phase": ["ED"]}, {"view": "4CH", "phase": "ES"}, False),
    ],
)
def test_a_record_meets_every_limit(limits, labels, allowed):
    assert allows(limits, record(**labels)) is allowed


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"view": ["4ch"]}, "it has 2CH, 4CH"),
        ({"organ": ["heart"]}, "no image has that label"),
        ({"view": ["4CH"], "phase": ["ES"]}, "at once"),
    ],
)
def test_limits_that_leave_nothing_are_named(limits, said):
    records = [record(view="4CH", phase="ED"), record(view="2CH", phase="ES")]
    with pytest.raises(BadInput, match=said):
        refuse_empty(limits, records)


def test_limited_images_are_those_of_the_whole(phantom_root, tmp_path):
    whole = prepare("phantom", phantom_root, size=(64, 96), cache=tmp_path)
    part = whole.limited({"view": ("A2C",)})
    assert {r.labels["view"] for r in part.records} == {"A2C"}
    assert len(part.records) == len(whole.records) / 2
    for split in ("train", "val"):
        some, every = part.split(split), whole.split(split)
        places = [i for i, r in enumerate(every.records) if r.labels["view"] == "A2C"]
        assert [r.id for r in some.records] == [every.records[i].id for i in places]
        both = [some.batch(range(len(places))), every.batch(places)]
        assert torch.equal(both[0].image, both[1].image)
        assert torch.equal(both[0].labels["ef_percent"], both[1].labels["ef_percent"])


def test_limits_add_up(phantom_root, tmp_path):
    whole = prepare("phantom", phantom_root, size=(64, 96), cache=tmp_path)
    part = whole.limited({"view": ("A2C",)}).limited({"phase": ("ED",)})
    assert part.limits == {"view": ("A2C",), "phase": ("ED",)}
    assert {(r.labels["view"], r.labels["phase"]) for r in part.records} == {("A2C", "ED")}


def test_records_of_joined_data_sets_name_theirs(phantom_root, tmp_path):
    (tmp_path / "root").mkdir()
    for name in ("one", "two"):
        (tmp_path / "root" / name).symlink_to(phantom_root / "phantom")
    joined = prepare_many(("one", "two"), tmp_path / "root", size=(64, 96), cache=tmp_path / "c")
    assert {r.labels["data"] for r in joined.records} == {"one", "two"}
    second = joined.limited({"data": ("two",)})
    assert {r.id.split("/")[0] for r in second.records} == {"two"}
    alone = prepare("two", tmp_path / "root", size=(64, 96), cache=tmp_path / "c")
    assert torch.equal(second.split("val").batch([0]).image, alone.split("val").batch([0]).image)
