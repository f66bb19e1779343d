"""Images whose code is moved, and what is measured in what comes of it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from septum.contract import BadInput, Record
from septum.explore import edits
from septum.explore.shown import shown
from septum.metrics import attributes


class Doubler:
    """Codes of one number: `more` adds the amount, `twice` multiplies by 1 + the amount."""

    def attributes(self):
        return ["more", "twice"]

    def code(self, image):
        return image.mean((2, 3))

    def render(self, code):
        return code[:, :, None, None].expand(-1, -1, 2, 3)

    def proxies(self, code):
        return torch.cat([code, 10 * code], dim=1)

    def edited(self, code, attribute, amount):
        return code + amount if attribute == "more" else code * (1 + amount)


class Sum:
    """An image is its content plus the first and twice the second number of its style."""

    def decode(self, content, style):
        return content + style[:, :1] + 2 * style[:, 1:]


@pytest.fixture(scope="module")
def sdnet(made, explored_root):
    return shown([made("sdnet")], cache=explored_root / "cache")[0]


def test_attributes_are_moved_in_the_order_of_the_model():
    image = edits.Attributes(model=Doubler(), code=torch.tensor([[0.2]]))
    drawn = image.drawn({"twice": 1.0, "more": 0.1})
    assert np.allclose(drawn.picture, np.full((2, 3), (0.2 + 0.1) * 2))
    assert drawn.said == pytest.approx({"more": 0.6, "twice": 6.0})
    assert image.drawn({}).said == pytest.approx({"more": 0.2, "twice": 2.0})


def test_a_style_is_moved_in_standard_deviations():
    content = torch.tensor([[[[0.1, 0.2]]]])
    style = torch.tensor([0.05, 0.1])[None, :, None, None].expand(1, 2, 1, 2)
    image = edits.Styles(
        model=Sum(), content=content, style=style, deviations=torch.tensor([0.5, 0.02])
    )
    assert list(image.names) == ["z0", "z1"]
    wanted = content[0, 0].numpy() + (0.05 + 0.4 * 0.5) + 2 * (0.1 - 3 * 0.02)
    assert np.allclose(image.drawn({"z0": 0.4, "z1": -3.0}).picture, wanted)


def test_a_style_that_differs_from_place_to_place_cannot_be_moved_as_one():
    style = torch.tensor([[[[0.0, 1.0]], [[0.0, 0.0]]]])
    image = edits.Styles(model=Sum(), content=style[:, :1], style=style, deviations=torch.ones(2))
    assert list(image.names) == []


def test_deviations_are_those_of_the_styles(sdnet):
    shares: list[float] = []
    found = edits.deviations(sdnet, shares.append)
    with torch.no_grad():
        style = sdnet.run.model.encode(sdnet.samples.batch(range(48)).image).style
    assert np.allclose(found.numpy(), style[:, :, 0, 0].numpy().std(axis=0), atol=1e-5)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_two_images_exchange_their_styles(sdnet):
    found = edits.swapped(sdnet, 3, 20)
    model = sdnet.run.model
    with torch.no_grad():
        one, other = (model.encode(sdnet.batch(place).image) for place in (3, 20))
        mixed = model.decode(one.content, other.style)[0, 0].numpy()
        own = model.decode(other.content, other.style)[0, 0].numpy()
    assert np.allclose(found[0, 1], mixed, atol=1e-4)
    assert np.allclose(found[1, 1], own, atol=1e-4)


def test_an_image_as_it_is_drawn_is_an_edit_of_nothing(sdnet):
    image = edits.movable(sdnet, 3, edits.deviations(sdnet, lambda _: None))
    assert np.allclose(image.drawn({}).picture, edits.swapped(sdnet, 3, 20)[0, 0], atol=1e-4)
    assert not np.allclose(image.drawn({"z0": 3.0}).picture, image.drawn({}).picture, atol=1e-6)


def test_attributes_are_measured_on_the_mask_in_the_size_of_its_pixels(sdnet):
    picture = sdnet.batch(3).image[0, 0].numpy()
    mask = edits.segmented(sdnet, picture)
    record = Record(
        id="a", subject="a", image=Path("a"), labels={"spacing_y_mm": 2.0, "spacing_x_mm": 3.0}
    )
    found = edits.measured(sdnet, picture, record)
    assert found == attributes.of_slice(mask, sdnet.samples.classes, pixel_mm=(2.0, 3.0))
    # the same picture in finer pixels: those of the mask stay as large as they were
    finer = np.repeat(np.repeat(picture, 2, axis=0), 2, axis=1)
    small = replace(record, labels={"spacing_y_mm": 1.0, "spacing_x_mm": 1.5})
    again = edits.measured(sdnet, finer, small)
    assert again.keys() == found.keys()
    areas = [name for name in found if name.endswith("_area_mm2")]
    assert areas
    assert all(again[name] == pytest.approx(found[name], rel=0.2, abs=60) for name in areas)


def test_a_run_measures_itself_first_and_then_those_of_the_same_images(made, sdnet, explored_root):
    cache = explored_root / "cache"
    hearts, unet = shown([made("attri_ssc_vae"), made("unet")], cache=cache)
    assert edits.rulers([hearts, unet, sdnet], sdnet) == [2, 1]
    assert edits.rulers([hearts, unet, sdnet], hearts) == [1, 2]
    assert edits.can_move(hearts)
    assert edits.can_move(sdnet)
    assert not edits.can_move(unet)


def test_masks_of_other_classes_than_the_images_are_refused(sdnet):
    fewer = replace(sdnet, samples=replace(sdnet.samples, classes=["background", "left_ventricle"]))
    with pytest.raises(BadInput, match="name the data it was trained on"):
        edits.segmented(fewer, np.zeros((64, 96), np.float32))


def test_a_row_tells_the_change_where_both_are_known():
    (area, wall) = edits.rows({"area": 3.0}, {"area": 2.5, "wall": 1.0}, source="mask")
    assert area.change == pytest.approx(-0.5)
    assert (wall.original, wall.edited, wall.change) == (None, 1.0, None)


@pytest.mark.parametrize(
    ("most", "wanted"), [(0.001, 0.01), (0.01, 0.01), (0.2, 0.2), (0.21, 0.5), (0.9, 1.0)]
)
def test_scales_end_at_round_numbers(most, wanted):
    assert edits.reach(np.array([[0.0, -most]])) == pytest.approx(wanted)


def test_changes_are_blue_black_and_orange():
    (darker, none, brighter) = edits.changed(np.array([[-0.2, 0.0, 0.2]]), 0.2)[0].astype(int)
    assert darker[2] > darker[0] + 80
    assert none.max() <= 2
    assert brighter[0] > brighter[2] + 80


def test_a_picture_of_changes_carries_its_scale():
    picture = edits.changed(np.zeros((48, 96)), 1.0)
    found = edits.with_scale(picture)
    assert np.array_equal(found[:48], picture)
    ends = edits.changed(np.array([[-1.0, 1.0]]), 1.0)[0]
    assert np.array_equal(found[-1, [0, -1]], ends)
