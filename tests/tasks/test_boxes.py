import numpy as np
import pytest
import torch

from septum.contract import BadInput
from septum.data import phantom
from septum.data.prepare import prepare
from septum.tasks import boxes

CLASSES = ("background", "left_ventricle", "left_atrium")


def corners(left, upper, right, lower, **more):
    return dict(zip(boxes.CORNERS, map(float, (left, upper, right, lower)), strict=True)) | more


def split(toys, records, mask=None):
    image = torch.zeros(len(records), 1, 16, 20)
    return toys.stills(image=image, mask=mask, records=records, classes=CLASSES)


def atria(toys, phases):
    """One atrium of 3 x 5 pixels per frame, one pixel further right in every one."""
    mask = torch.zeros(len(phases), 16, 20, dtype=torch.int64)
    for i, frame in enumerate(mask):
        frame[4:7, 2 + i : 7 + i] = 2
        frame[0:2, 0:2] = 1
    return split(toys, [toys.record(f"{i}", phase=p) for i, p in enumerate(phases)], mask)


def test_columns_state_the_valve(toys):
    records = [
        toys.record("a", **corners(3, 4, 9, 8, valve_open=1.0)),
        toys.record("b", phase="ED"),
        toys.record("c", **corners(2, 2, 3, 5, valve_open=0.0)),
    ]

    found = boxes.find(split(toys, records))

    assert found.names == ("open", "closed")
    assert found.places == [0, 2]
    assert found.edges_px.tolist() == [[3, 4, 9, 8], [2, 2, 3, 5]]
    assert found.state.tolist() == [0, 1]


@pytest.mark.parametrize("missing", [*boxes.CORNERS, "valve_open"])
def test_a_box_is_stated_whole_or_not_at_all(toys, missing):
    whole = corners(3, 4, 9, 8, valve_open=1.0)
    part = {name: value for name, value in whole.items() if name != missing}

    found = boxes.find(split(toys, [toys.record("a", **part), toys.record("b", **whole)]))

    assert found.places == [1]


def test_masks_show_the_atrium(toys):
    samples = atria(toys, ["ED", "mid_systole", "ES", ""])

    found = boxes.find(samples)

    assert found.names == ("ED", "ES")
    assert found.places == [0, 2]
    assert found.edges_px.tolist() == [[2, 4, 7, 7], [4, 4, 9, 7]]
    assert found.state.tolist() == [0, 1]


def test_frames_whose_mask_is_missing_or_shows_none_are_left_out(toys):
    samples = atria(toys, ["ED", "ES", "ED"])
    samples.mask[0] = -1
    samples.mask[1][samples.mask[1] == 2] = 0

    assert boxes.find(samples).places == [2]


def test_columns_come_before_masks(toys):
    samples = atria(toys, ["ED", "ES"])
    records = [
        toys.record("a", phase="ED", **corners(0, 0, 4, 4, valve_open=0.0)),
        toys.record("b"),
    ]

    found = boxes.find(toys.stills(**{**vars(samples), "records": records}))

    assert (found.names, found.places) == (("open", "closed"), [0])


@pytest.mark.parametrize("classes", [CLASSES, CLASSES[:2]])
def test_no_box_at_all_says_what_is_missing_and_who_has_it(toys, classes):
    bare = split(toys, [toys.record("a", phase="ED")])

    with pytest.raises(BadInput, match=r"stills \(val\).*valve_open.*phantom.*left_atrium.*camus"):
        boxes.find(toys.stills(**{**vars(bare), "classes": classes}))


@pytest.mark.parametrize("box", [(3, 4, 3, 8), (3, 4, 9, 2)])
def test_an_empty_box_is_refused_by_name(toys, box):
    with pytest.raises(BadInput, match="'scan7' is empty"):
        boxes.find(split(toys, [toys.record("scan7", **corners(*box, valve_open=1.0))]))


def test_covered_share_by_counting_fine_points():
    edges_px = torch.tensor([[3.2, 1.1, 17.7, 9.4], [-4.0, 5.0, 6.0, 40.0], [8.0, 8.0, 12.0, 12.0]])

    found = boxes.covered(edges_px, size=(16, 20), grid=(4, 5))

    y, x = np.mgrid[:160, :200] / 10 + 0.05
    for share, (left, upper, right, lower) in zip(found, edges_px.tolist(), strict=True):
        inside = (x > left) & (x < right) & (y > upper) & (y < lower)
        expected = inside.reshape(4, 40, 5, 40).mean((1, 3))
        assert np.allclose(share, expected, atol=1e-6)


def test_cells_need_not_be_square():
    found = boxes.covered(torch.tensor([[0.0, 0.0, 10.0, 4.0]]), size=(16, 20), grid=(2, 2))

    assert found.tolist() == [[[0.5, 0.0], [0.0, 0.0]]]


@pytest.mark.parametrize("size", [(96, 120), (72, 90)])
def test_the_box_of_a_prepared_phantom_lies_round_its_valve(tmp_path, size):
    """Drawn and then prepared at its own or at a smaller size, the box covers the same tissue."""
    phantom.write(
        tmp_path / "data" / "phantom", subjects=2, seed=0, views=("PLAX", "A4C"),
        phases=("mid_systole", "ED"), size=(96, 120),
    )  # fmt: skip
    heart = prepare("phantom", tmp_path / "data", size=size, cache=tmp_path / "cache").split("all")

    found = boxes.find(heart)

    views = [heart.records[i].labels["view"] for i in found.places]
    names = [found.names[i] for i in found.state.tolist()]
    assert views == ["PLAX"] * 4
    assert names == ["open", "closed"] * 2
    rng = np.random.default_rng([0, 0])
    first = phantom.sample_heart(rng)
    look = phantom.sample_look(
        np.random.default_rng([0, 0, 1 + phantom.VIEWS.index("PLAX")]), heart=first
    )
    drawn = phantom.draw(first, look, view="PLAX", phase="mid_systole", size=(96, 120))
    scaled = np.array(drawn.valve_box) * size[0] / 96
    assert found.edges_px[0].numpy() == pytest.approx(scaled, abs=0.5 * (1 - size[0] / 96) + 1e-5)
