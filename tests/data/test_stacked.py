"""Slices as volumes, and facts that are measured in masks."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from septum.contract import BadInput, Clip, Films, Record
from septum.data import stacked
from septum.data.classes import merged, parse
from septum.data.loader import batches
from septum.data.prepared import Prepared
from septum.data.shards import Frames, join
from septum.tasks import volumes as tasks

SLICES = [  # subject, slice, split, age; volumes a, b and c are not neighbours on disk
    *[("a", 2.0, "train", 50.0), ("b", 0.0, "val", 60.0), ("a", 0.0, "train", 50.0)],
    *[("c", 0.0, "train", 70.0), ("b", 3.0, "val", 60.0), ("a", 1.0, "train", 50.0)],
    ("b", 1.0, "val", 60.0),
]
ROWS = {"a": [2, 5, 0], "b": [1, 6, 4]}


@pytest.fixture
def images():
    """Slices whose grey level is 10 times their place; the mask of slice i has i pixels of 1."""
    count = len(SLICES)
    masks = np.zeros((count, 4, 5), np.uint8)
    for i, mask in enumerate(masks.reshape(count, -1)):
        mask[:i] = 1
    grey = (10 * np.arange(count, dtype=np.uint8))[:, None, None].repeat(4, 1).repeat(5, 2)
    return Prepared(
        name="some",
        classes=("background", "cavity"),
        records=[
            Record(
                id=f"{subject}{z:g}",
                subject=subject,
                image=Path(f"{subject}{z:g}.png"),
                mask=Path("mask.png"),
                split=split,
                labels={"data": "some", "slice": z, "age_years": age, "rounded": z // 2, "px": 3.0},
            )
            for subject, z, split, age in SLICES
        ],
        places=np.arange(count),
        images=Frames([grey[:3], grey[3:]]),
        sectors=Frames([np.stack([np.full((4, 5), i % 2, np.uint8) for i in range(count)])]),
        masks=Frames([masks]),
    )


def record(name, subject="s", *, at=(), **labels):
    return Record(id=name, subject=subject, image=Path("a"), at=at, labels=labels)


def test_volumes_are_those_of_the_tasks():
    found = [
        record("0", "p", slice=1.0, phase="ES"),
        record("1", "p", slice=0.0, phase="ED"),
        record("2", "p", slice=0.0, phase="ES"),
        record("3", "q", at=(4, 1)),
        record("4", "q", at=(3, 1)),
        record("5", "q", at=(3, 0)),
        record("6", "r", volume="x", slice=2.0),
        record("7", "r", volume="y"),
        record("8", "r", volume="x", slice=1.0),
        record("9", "still"),
        record("10", "still"),
    ]
    rows = stacked.volumes(found)
    assert list(rows.values()) == [list(volume.rows) for volume in tasks.volumes(found)]
    assert rows == {
        "p ES": [2, 0],
        "p ED": [1],
        "q 1": [4, 3],
        "q 0": [5],
        "r x": [8, 6],
        "r y": [7],
        "still 9": [9],
        "still 10": [10],
    }


def test_a_volume_has_its_slices_in_their_order(images):
    volumes = images.stacked()
    assert [r.id for r in volumes.records] == ["a", "b"]
    assert volumes.singles == 1
    assert volumes.spans.tolist() == [[0, 3], [3, 3]]
    films = volumes.filmed(Clip(frames=3, stride=0)).split("all")
    assert isinstance(films, Films)
    batch = films.batch([1, 0])
    assert batch.image.shape == (2, 1, 3, 4, 5)
    levels = (batch.image[:, 0, :, 0, 0] * 25.5).round()
    assert levels.tolist() == [ROWS["b"], ROWS["a"]]
    assert batch.mask is None
    assert batch.sector[:, 0, 0, 0].tolist() == [ROWS["b"][1] % 2 == 1, ROWS["a"][1] % 2 == 1]
    assert batch.ids == ["b", "a"]


def test_a_volume_is_resampled_between_its_slices(images):
    batch = images.stacked().filmed(Clip(frames=5, stride=0)).split("train").batch([0])
    # a parabola through 20, 50, 0 at 0, 1, 2, at 0.5 and 1.5
    expected = torch.tensor([20, 45, 50, 35, 0]) / 255
    torch.testing.assert_close(batch.image[0, 0, :, 2, 3], expected)
    assert [r.split for r in images.stacked().split("val").records] == ["val"]


def test_a_volume_has_the_labels_that_are_not_those_of_slices(images):
    a, b = images.stacked().records
    # `rounded` is 0 in two slices of `a` only, but `px` and age are those of all
    assert a.labels == {"data": "some", "age_years": 50.0, "px": 3.0}
    assert b.labels == {"data": "some", "age_years": 60.0, "px": 3.0}
    assert (a.mask, a.at, a.outlines) == (None, (), {})
    assert a.film == (Path("a0.png"), Path("a1.png"), Path("a2.png"))
    assert a.image == a.film[0]


def test_a_label_of_slices_is_none_of_a_volume_whose_slices_agree(images):
    records = list(images.records)
    for row in ROWS["a"]:
        records[row] = replace(records[row], labels={**records[row].labels, "slice": 0.0})
    a, b = replace(images, records=records).stacked().records
    assert "slice" not in {**a.labels, **b.labels}


def test_what_is_measured_in_the_masks_of_a_volume_becomes_its_labels(images):
    def measure(masks, volume):
        sizes = [int(n) for n in masks.sum((1, 2))]
        assert sizes == ROWS[volume.id]
        return {"cavity_voxels": float(masks.sum()), "age_years": 1.0}

    a, b = images.stacked(measure).records
    assert (a.labels["cavity_voxels"], b.labels["cavity_voxels"]) == (7.0, 11.0)
    assert (a.labels["age_years"], b.labels["age_years"]) == (50.0, 60.0)


def test_a_volume_without_all_of_its_masks_is_not_measured(images):
    records = [replace(r, mask=None) if r.id == "b1" else r for r in images.records]
    some = replace(images, records=records)
    a, b = some.stacked(lambda masks, _: {"voxels": float(masks.sum())}).records
    assert (a.labels["voxels"], "voxels" in b.labels) == (7.0, False)
    bare = replace(images, masks=None).stacked(lambda *_: pytest.fail("measured"))
    assert len(bare.records) == 2


def test_volumes_of_a_part_or_of_merged_classes_are_the_same(images):
    (b,) = images.limited({"age_years": ["60", "70"]}).stacked().records
    assert b.id == "b"
    groups = merged(images, parse(["heart=cavity"]))
    one = groups.stacked(lambda masks, _: {"voxels": float(masks.sum())})
    assert [r.labels["voxels"] for r in one.records] == [7.0, 11.0]
    part = one.limited({"age_years": ["60"]}).filmed(Clip(frames=3, stride=0)).split("all")
    levels = (part.batch([0]).image[0, 0, :, 0, 0] * 25.5).round()
    assert levels.tolist() == ROWS["b"]


def test_volumes_are_loaded_in_batches(images):
    films = images.stacked().filmed(Clip(frames=2, stride=0)).split("all")
    found = next(iter(batches(films, batch_size=2, seed=0)))
    assert sorted(found.ids) == ["a", "b"]
    assert found.image.shape == (2, 1, 2, 4, 5)


def test_what_makes_no_volume_is_told(images):
    singles = [replace(r, subject=f"s{i}") for i, r in enumerate(images.records)]
    with pytest.raises(BadInput, match="some holds no volumes of several slices"):
        replace(images, records=singles).stacked()
    with pytest.raises(BadInput, match="some holds no volumes of several slices"):
        images.stacked().stacked()


def test_frames_in_another_order():
    shards = [
        np.arange(3, dtype=np.uint8)[:, None, None],
        np.arange(3, 5, dtype=np.uint8)[:, None, None],
    ]
    codes = np.arange(256, dtype=np.uint8)[::-1].copy()
    frames = Frames(shards).ordered(np.array([4, 0, 3])).ordered(np.array([2, 0]))
    assert len(frames) == 2
    assert frames.gather(np.array([1, 0, 1])).ravel().tolist() == [4, 3, 4]
    assert frames.strip(0, 2).ravel().tolist() == [3, 4]
    assert frames.recoded(codes).strip(0, 2).ravel().tolist() == [252, 251]
    assert Frames(shards, [codes, None]).ordered(np.array([4, 0])).strip(0, 2).ravel().tolist() == [
        4,
        255,
    ]
    with pytest.raises(AssertionError):
        join([frames])


def test_what_is_measured_in_a_mask_becomes_a_label(images):
    def measure(mask, record):
        return {
            "cavity_area_px": float(mask.sum()),
            "age_years": 1.0,
            "told": float(len(record.id)),
        }

    described = images.described(measure)
    assert [r.labels["cavity_area_px"] for r in described.records] == [0, 1, 2, 3, 4, 5, 6]
    assert [r.labels["age_years"] for r in described.records] == [age for *_, age in SLICES]
    batch = described.split("train").batch([0, 2])
    assert batch.labels["told"].tolist() == [2.0, 2.0]
    assert "told" not in images.records[0].labels


def test_only_what_has_a_mask_is_measured(images):
    records = [replace(r, mask=None) if i % 2 else r for i, r in enumerate(images.records)]
    described = replace(images, records=records).described(lambda mask, _: {"n": float(mask.sum())})
    assert [r.labels.get("n") for r in described.records] == [0, None, 2, None, 4, None, 6]
    bare = replace(images, masks=None)
    assert bare.described(lambda *_: pytest.fail("measured")) == bare


def test_a_part_is_measured_in_its_own_masks(images):
    part = images.limited({"age_years": ["60"]}).described(lambda mask, _: {"n": float(mask.sum())})
    assert [r.labels["n"] for r in part.records] == [1.0, 4.0, 6.0]
