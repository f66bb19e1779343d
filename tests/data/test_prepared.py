"""What may be kept from a model, and how splits are dealt anew."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.model_selection import StratifiedKFold

from septum.contract import BadInput, Outlined, Record
from septum.data.classes import merged, parse
from septum.data.loader import batches
from septum.data.prepared import Prepared
from septum.data.shards import Frames
from septum.data.split import FOLDS, SPLITS, by_fold

SUBJECTS = 20
RELEASED = [
    *(["08", "17", "07"], ["09", "01", "04"]),
    *(["18", "03", "13"], ["05", "12", "00"]),
    *(["02", "19", "06"], ["14", "16", "15"]),
]
"""Validated and tested subjects of twenty, fold by fold."""


@pytest.fixture
def images():
    """Twenty subjects with two images each; the mask of image i has i + 1 pixels of class 1."""
    count = 2 * SUBJECTS
    masks = np.zeros((count, 8, 8), np.uint8)
    for i, mask in enumerate(masks.reshape(count, -1)):
        mask[: i + 1] = 1
        mask[-3:] = 2
    return Prepared(
        name="some",
        classes=("background", "cavity", "wall"),
        records=[
            Record(
                id=f"{i}",
                subject=f"s{i // 2:02d}",
                image=Path("none"),
                mask=Path("none"),
                split="train" if i < 28 else "test",
                labels={"data": "some"},
            )
            for i in range(count)
        ],
        places=np.arange(count),
        images=Frames([np.arange(count, dtype=np.uint8)[:, None, None].repeat(8, 1).repeat(8, 2)]),
        sectors=Frames([np.ones((count, 8, 8), np.uint8)]),
        masks=Frames([masks]),
    )


def subjects(samples, places):
    return {samples.records[i].subject for i in places}


def test_folds_deal_all_subjects_and_test_none_twice():
    names = [f"patient{i:03d}" for i in range(80)]
    folds = [by_fold(names, fold) for fold in range(FOLDS)]
    tested = [{s for s, split in fold.items() if split == "test"} for fold in folds]
    assert all(sorted(fold) == names for fold in folds)
    assert [len(t) for t in tested] == [12, 12, 12]
    assert len(set.union(*tested)) == 36
    assert [list(folds[0].values()).count(s) for s in ("train", "val", "test")] == [56, 12, 12]


def test_a_fold_does_not_depend_on_the_order_of_names():
    names = [f"patient{i:03d}" for i in range(30)]
    assert by_fold(names, 1) == by_fold(names[::-1], 1)


@pytest.mark.parametrize(
    ("names", "fold", "folds"),
    [
        *[("abcdefghij", 3, 3), ("abcdefghij", -1, 3), ("ab", 0, 3)],
        *[("abcdefghij", 0, 2), ("abcdefghij", 5, 5), ("abc", 0, 5), ("abc", 2, 4)],
    ],
)
def test_impossible_folds_are_refused(names, fold, folds):
    with pytest.raises(BadInput, match=r"fold"):
        by_fold(names, fold, folds=folds)


def test_three_folds_are_those_that_were_released():
    names = [f"{i:02d}" for i in range(20)]
    dealt = [by_fold([f"patient0{name}" for name in names], fold) for fold in range(FOLDS)]
    held = [[s[-2:] for s in fold if fold[s] == split] for fold in dealt for split in SPLITS[1:]]
    assert held == RELEASED


@pytest.mark.parametrize("folds", [5, 10])
def test_every_subject_is_tested_once_and_validated_in_the_fold_before(folds):
    names = [f"patient{i:03d}" for i in range(83)]
    dealt = [by_fold(names, fold, folds=folds) for fold in range(folds)]
    held = {split: [{s for s in names if fold[s] == split} for fold in dealt] for split in SPLITS}
    assert sorted(s for tested in held["test"] for s in tested) == names
    assert {len(tested) for tested in held["test"]} == {83 // folds, 83 // folds + 1}
    assert held["val"] == [*held["test"][1:], held["test"][0]]
    assert all(t | v | rest == {*names} for t, v, rest in zip(*held.values(), strict=True))


@pytest.mark.parametrize("folds", [5, 10])
def test_strata_are_dealt_out_as_evenly_as_by_another_library(folds):
    kinds = ["infarct"] * 72 + ["normal"] * 37
    strata = {f"patient{i:03d}": kind for i, kind in enumerate(kinds)}
    dealt = [by_fold([*strata], fold, folds=folds, strata=strata) for fold in range(folds)]
    for kind in ("infarct", "normal"):
        ours = [sum(s == "test" for p, s in f.items() if strata[p] == kind) for f in dealt]
        other = StratifiedKFold(folds).split(kinds, kinds)
        theirs = [sum(kinds[i] == kind for i in tested) for _, tested in other]
        assert sorted(ours) == sorted(theirs)


def test_three_folds_have_their_share_of_every_stratum():
    strata = {f"patient{i:03d}": "AB"[i >= 60] for i in range(80)}
    for fold in range(FOLDS):
        dealt = by_fold([*strata], fold, strata=strata)
        held = [sum(dealt[s] == "test" for s in strata if strata[s] == kind) for kind in "AB"]
        assert held == [9, 3]


def test_images_are_stratified_by_a_label_of_their_subject(images):
    graded = [
        replace(r, labels={**r.labels, "grade": "low" if int(r.subject[1:]) < 5 else "high"})
        for r in images.records
    ]
    prepared = replace(images, records=graded)
    for fold in range(5):
        folded = prepared.folded(fold, folds=5, by="grade")
        tested = folded.split("test").records
        assert (folded.fold, folded.folds, folded.by) == (fold, 5, "grade")
        assert sorted(r.labels["grade"] for r in tested) == [*["high"] * 6, *["low"] * 2]
        assert len({r.subject for r in tested}) == 4
    with pytest.raises(BadInput, match="No image of some has the label 'colour'"):
        prepared.folded(0, folds=5, by="colour")


def test_no_subject_of_a_fold_is_in_two_splits(images):
    for fold in range(FOLDS):
        split = {name: images.folded(fold).split(name) for name in ("train", "val", "test")}
        parts = [subjects(s, range(len(s.records))) for s in split.values()]
        assert sum(map(len, parts)) == len(set.union(*parts)) == SUBJECTS


def test_a_subject_is_in_one_fold_whatever_it_is_joined_with(images):
    joined = replace(
        images, records=[replace(r, subject=f"some/{r.subject}") for r in images.records]
    )
    for options in ({}, {"folds": 4}, {"folds": 4, "by": "data"}):
        alone = [r.split for r in images.folded(1, **options).records]
        assert [r.split for r in joined.folded(1, **options).records] == alone


def test_a_batch_has_no_more_masks_than_images(images):
    with pytest.raises(BadInput, match="cannot have 8 images"):
        batches(images.split("train"), batch_size=6, labelled=8, seed=0)


def test_a_share_shows_masks_of_whole_subjects(images):
    train = images.labelled(0.2, seed=1).split("train")
    shown = subjects(train, train.annotated())
    assert len(shown) == round(0.2 * 14)
    assert len(train.annotated()) == 2 * len(shown)
    batch = train.batch(range(len(train.records)))
    known = (batch.mask >= 0).flatten(1).all(1)
    assert known.nonzero().flatten().tolist() == list(train.annotated())
    assert (batch.mask[~known] == -1).all()


def test_hidden_masks_can_be_seen_without_their_images_and_are_tested(images):
    narrowed = images.labelled(0.1)
    train, test = narrowed.split("train"), narrowed.split("test")
    assert isinstance(train, Outlined)
    assert len(train.outlined()) == 28
    assert (train.shapes(train.outlined()) == 1).sum((1, 2)).tolist() == list(range(1, 29))
    assert (test.batch(range(12)).mask >= 0).all()


def test_areas_are_known_where_masks_are_hidden(images):
    train = images.labelled(0.1).split("train")
    batch = train.batch([0, 5])
    assert batch.labels["cavity_px"].tolist() == [1, 6]
    assert batch.labels["wall_px"].tolist() == [3, 3]


def test_a_larger_share_has_the_subjects_of_a_smaller_one(images):
    shown = [
        subjects(train, train.annotated())
        for share in (0.1, 0.3, 0.6, 1.0)
        for train in [images.labelled(share, seed=2).split("train")]
    ]
    assert all(a < b for a, b in pairwise(shown))


@pytest.mark.parametrize("share", [0.0, 0.03, 1.1, -0.5])
def test_a_share_that_yields_no_subject_is_refused(images, share):
    with pytest.raises(BadInput, match=r"14 training subjects is none; use a share from 0\.071"):
        images.labelled(share)


def test_a_share_of_a_data_set_trains_and_all_of_it_is_tested(images):
    kept = images.kept({"some": 0.5})
    assert kept.shares == {"some": 0.5}
    assert images.kept({"some": 1.0}).shares == {}
    assert len({r.subject for r in kept.records if r.split == "train"}) == 7
    assert len(kept.split("test").records) == 12
    with pytest.raises(BadInput, match="empty"):
        images.kept({"some": 0.0}).split("train")


def test_classes_are_merged_and_renamed(images):
    both = merged(images, parse(["heart=cavity,wall"]))
    assert both.classes == ("background", "heart")
    assert (both.split("test").shapes([0]) == 1).sum() == 29 + 3
    wall = merged(images, {"wall": ("wall",)})
    assert (wall.split("test").shapes([0]) == 1).sum() == 3
    assert merged(images, {}) is images


def test_merging_leaves_unknown_masks_unknown(images):
    images.masks.shards[0][0] = 255
    assert (merged(images, {"wall": ("wall",)}).split("train").shapes([0]) == -1).all()


def test_a_class_that_is_not_there_is_named(images):
    with pytest.raises(BadInput, match=r"no class lung for air; it has cavity, wall"):
        merged(images, {"air": ("lung",)})


@pytest.mark.parametrize("words", [["=a"], ["a", "a"], ["a=b", "b"], ["a=b,b"]])
def test_structures_that_are_not_clear_are_refused(words):
    with pytest.raises(BadInput, match="names no structure"):
        parse(words)


def mixed(images, **options):
    return batches(images.split("train"), batch_size=6, labelled=2, seed=0, **options)


def test_a_batch_has_images_with_masks_then_without_and_masks_alone(images):
    stream = mixed(images.labelled(0.2))
    train = images.labelled(0.2).split("train")
    known = {train.records[i].id for i in train.annotated()}
    for _ in range(20):
        batch = next(stream)
        assert {*batch.ids[:2]} <= known
        assert (batch.mask[:2] >= 0).all()
        assert (batch.mask[2:] == -1).all()
        assert batch.unpaired.shape == (4, 8, 8)
        assert (batch.unpaired >= 0).all()


def test_all_images_come_without_a_mask_in_turn(images):
    stream = mixed(images.labelled(0.2))
    ids = [name for _ in range(7) for name in next(stream).ids[2:]]
    assert sorted(ids, key=int) == [str(i) for i in range(28)]


def test_ranks_share_the_batch_and_a_stream_resumes(images):
    whole = mixed(images)
    rows = [next(whole) for _ in range(4)]
    parts = [mixed(images, rank=r, ranks=2, start=3) for r in range(2)]
    a, b = (next(part) for part in parts)
    assert [*a.ids[:1], *b.ids[:1], *a.ids[1:], *b.ids[1:]] == rows[3].ids
    torch.testing.assert_close(torch.cat([a.unpaired, b.unpaired]), rows[3].unpaired)


def test_images_without_any_mask_cannot_teach(images):
    bare = replace(images, masks=None)
    with pytest.raises(BadInput, match="has a mask to learn from"):
        mixed(bare)
