"""What the Find panel searches, shows and saves."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from septum.contract import BadInput, Record
from septum.explore import finds, index
from septum.explore.finds import Hit, Wanted
from septum.explore.shown import shown
from septum.tasks.regions import cell_descriptors, nearest, padded_descriptors

GRID = (7, 9)


RECORDS = [
    Record(
        id=f"s{i // 3}_{i % 3}", subject=f"s{i // 3}", image=Path("x.png"),
        split=("train", "val")[i // 3 % 2], labels={"view": "4CH"},
    )
    for i in range(24)
]  # fmt: skip
"""Three images of each of eight subjects."""


def content() -> np.ndarray:
    logits = torch.randn(24, 4, *GRID, generator=torch.Generator().manual_seed(0))
    return logits.softmax(1).numpy()


@pytest.mark.parametrize("concepts", [True, False])
def test_hits_are_the_nearest_descriptors(concepts):
    maps = content()
    describe = padded_descriptors if concepts else cell_descriptors
    keys = describe(torch.from_numpy(maps)).numpy()

    found = finds.hits(
        finds.field(maps, concepts=concepts),
        RECORDS,
        4,
        (2, 3),
        Wanted(results=9, one_per_image=False),
    )

    near = NearestNeighbors(n_neighbors=9, algorithm="brute").fit(keys.reshape(-1, keys.shape[3]))
    distance, place = near.kneighbors(keys[4, 2, 3][None])
    expected = np.stack(np.unravel_index(place[0], keys.shape[:3]), 1)
    assert [(hit.place, hit.row, hit.column) for hit in found] == [(*p,) for p in expected.tolist()]
    assert [hit.distance for hit in found] == pytest.approx(distance[0].tolist(), abs=1e-3)
    assert (found[0].place, found[0].distance, found[0].same) == (4, 0, True)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted(results=1, one_per_image=False), [*range(24)]),
        (Wanted(results=1), [i for i in range(24) if i != 4]),
        (Wanted(results=1, others=True), [i for i in range(24) if i not in {3, 4, 5}]),
        (Wanted(results=1, split="val"), [3, 5, 9, 10, 11, 15, 16, 17, 21, 22, 23]),
    ],
)
def test_what_is_searched(wanted, expected):
    assert finds.among(RECORDS, 4, wanted).tolist() == expected


def test_one_region_per_image_and_the_subject_is_marked():
    field = finds.field(content(), concepts=True)

    found = finds.hits(field, RECORDS, 4, (2, 3), Wanted(results=100))

    assert sorted(hit.place for hit in found) == [i for i in range(24) if i != 4]
    assert {hit.place for hit in found if hit.same} == {3, 5}
    assert [hit.distance for hit in found] == sorted(hit.distance for hit in found)


def test_a_box_is_the_window_of_a_region_cut_at_the_edges():
    field = finds.field(content(), concepts=True)

    assert field.keys == (5, 7)
    assert field.box(2, 3) == pytest.approx((2 / 9, 1 / 7, 5 / 9, 5 / 7))
    assert field.box(0, 6) == pytest.approx((5 / 9, 0, 4 / 9, 4 / 7))
    assert field.key_at(-3, 99) == (0, 6)


def test_the_box_of_a_single_cell():
    field = finds.field(content(), concepts=False)

    assert field.keys == (5, 7)
    assert field.box(0, 6) == pytest.approx((7 / 9, 1 / 7, 1 / 9, 1 / 7))


def test_a_map_without_key_points_is_refused():
    with pytest.raises(BadInput, match="2 x 9 cells has no regions"):
        finds.field(content()[:, :, :2], concepts=True)


def test_rows_and_the_contact_sheet():
    field = finds.field(content(), concepts=True)
    found = finds.hits(field, RECORDS, 4, (2, 3), Wanted(results=7))

    query = Hit(place=4, row=2, column=3, distance=0.0, same=True)
    rows = finds.rows(field, found, RECORDS)
    sheet = finds.sheet(field, query, found, RECORDS, lambda _: np.full((28, 36), 128, np.uint8))

    assert [row["rank"] for row in rows] == [*range(1, 8)]
    assert rows[0]["id"] == RECORDS[found[0].place].id
    assert (rows[0]["row"], rows[0]["column"]) == (found[0].row + 1, found[0].column + 1)
    assert {row["same_subject"] for row in rows} <= {"yes", "no"}
    assert sheet.shape == (2 * (144 + 2 * 4 + 3 * 15), 6 * (144 + 2 * 4), 3)
    left, top, wide, _ = field.box(2, 3)
    x, y = 4 + round((left + wide / 2) * 144), 4 + round(top * 144 * 28 / 36) - 1
    assert tuple(sheet[y, x]) == (0xE6, 0x9F, 0x00)


@pytest.mark.slow
def test_what_a_model_encodes_is_found_as_by_the_task(made, explored_root):
    [run] = shown([made("concept_vae")], cache=explored_root / "cache")
    maps = index.build(run).content
    field = finds.field(maps, concepts=True)
    keys = padded_descriptors(torch.from_numpy(np.array(maps)))
    at = torch.cartesian_prod(torch.arange(0, len(maps), 7), *map(torch.arange, keys.shape[1:3]))

    found = [
        finds.hits(field, run.records, place, (row, column), Wanted(results=8, one_per_image=False))
        for place, row, column in at.tolist()
    ]

    expected = nearest(
        keys[tuple(at.T)], torch.from_numpy(np.array(maps)), padded_descriptors, results=8
    )
    places = [[[hit.place, hit.row, hit.column] for hit in hits] for hits in found]
    assert places == expected.tolist()
