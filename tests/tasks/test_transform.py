"""Images in one another's modality, with a model whose drawings are known to the pixel."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch

from septum.contract import BadInput, Features
from septum.metrics.interval import mean_by_subject
from septum.tasks import modality, transform

CLASSES = ("background", "myocardium", "left_ventricle")
GREYS = {"cine": torch.tensor([0.0, 0.3, 0.6]), "LGE": torch.tensor([0.1, 0.9, 0.75])}
TABLE = torch.cat(list(GREYS.values()))


def as_it_is(image):
    return image


@dataclass(frozen=True)
class Paints:
    """Content: the class of the nearest grey. Style: mean grey of each class. Drawn as it is."""

    after: object = field(default=as_it_is)

    def phases(self):
        return ()

    def after_step(self, progress: float) -> None:
        pass

    def encode(self, image) -> Features:
        s = self.segment(image)
        z = (s * image).sum((2, 3)) / s.sum((2, 3)).clamp(min=1)
        return Features(content=s, style=z[:, :, None, None].expand(-1, -1, 16, 16), pooled=z)

    def decode(self, content, style):
        image = (content * style.mean((2, 3), keepdim=True)).sum(1, keepdim=True)
        return self.after(image)

    def segment(self, image):
        nearest = (image - TABLE[:, None, None]).abs().argmin(1) % 3
        return torch.nn.functional.one_hot(nearest, 3).permute(0, 3, 1, 2).float()


def hearts(toys, *, split, cine=40, lge=34):
    draw = torch.Generator().manual_seed(len(split))
    n = cine + lge
    mask = torch.zeros(n, 16, 16, dtype=torch.int64)
    for frame in mask:
        y, x = torch.randint(1, 7, (2,), generator=draw).tolist()
        frame[y : y + 8, x : x + 8] = 1
        frame[y + 2 : y + 6, x + 2 : x + 6] = 2
    kinds = ["cine"] * cine + ["LGE"] * lge
    image = torch.stack([GREYS[k][m] for k, m in zip(kinds, mask, strict=True)])[:, None]
    # every image has a brightness of its own, so that it is known whose style was lent
    image = image + 0.02 * torch.rand(n, 1, 1, 1, generator=draw)
    records = [
        toys.record(f"{split}{i}", f"{split}{i // 2}", sequence=k) for i, k in enumerate(kinds)
    ]
    return toys.stills(image=image, mask=mask, records=records, classes=CLASSES, split=split)


@pytest.fixture(scope="module")
def splits(toys):
    return hearts(toys, split="train"), hearts(toys, split="val")


@pytest.fixture(scope="module")
def report(splits):
    return transform.run(Paints(), *splits, 0)


BOTH = ("LGE_to_cine", "cine_to_LGE")


def test_a_perfect_painter_keeps_the_anatomy_and_changes_the_modality(report):
    values = {path: metric.value for path, metric in report.metrics.items()}

    assert values.pop("mae_reconstruction") == pytest.approx(0, abs=1e-6)
    names = ("dice_kept", "dice_truth", "accuracy_fooled")
    both_ways = {f"{name}/{way}" for name in names for way in BOTH}
    assert set(values) == both_ways | {"dice_truth/cine", "dice_truth/LGE"}
    assert set(values.values()) == {1.0}


def test_cases_are_images_and_intervals_are_over_subjects(splits):
    def blotted(image):
        # the image is lost where it is of the first ten of a batch
        return torch.cat([torch.zeros_like(image[:10]), image[10:]])

    report = transform.run(Paints(after=blotted), *splits, 0)

    rows = [row for row in report.rows if row["from"] == "cine"]
    kept = np.array([row["dice_kept"] for row in rows])
    metric = report.metrics["dice_kept/cine_to_LGE"]
    # 40 images are a batch of 32 and one of 8, of which all are lost
    assert kept.tolist() == [0.0] * 10 + [1.0] * 22 + [0.0] * 8
    assert metric == mean_by_subject(kept, [row["subject"] for row in rows], unit="", seed=0)
    assert report.metrics["mae_reconstruction"].n == 74


def test_overlap_is_with_the_masks_of_the_image_before(splits):
    shifted = transform.run(Paints(after=lambda image: image.roll(1, 3)), *splits, 0)

    # 8 x 8 less 4 x 4 pixels moved by one: 2 x 8 + 2 x 4 ... by hand for every image
    test = splits[1]
    truth = torch.stack([test.mask == c for c in (1, 2)], 1)
    moved = truth.roll(1, 3)
    expected = (2 * (truth & moved).sum((2, 3)) / (2 * truth.sum((2, 3)))).mean(1)
    rows = {row["id"]: row for row in shifted.rows}
    got = torch.tensor([rows[record.id]["dice_kept"] for record in test.records])
    torch.testing.assert_close(got, expected.float())
    assert expected[0].item() == pytest.approx(((48 - 2 * 4 - 4) / 48 + 12 / 16) / 2)


def test_lenders_are_of_the_other_kind_and_drawn_by_the_seed(splits):
    test = splits[1]
    kinds = modality.told_apart(test, test)

    ways = transform.directions(test, kinds, 0)

    assert [way.name for way in ways] == list(BOTH)
    for way in ways:
        assert {kinds.of(test.records[i]) for i in way.places} == {way.source}
        assert {kinds.of(test.records[i]) for i in way.lenders} == {way.target}
        assert len(way.places) == len(way.lenders)
    assert transform.directions(test, kinds, 0) == ways
    assert transform.directions(test, kinds, 1) != ways


def test_every_image_is_drawn_in_the_style_of_its_own_lender(splits):
    test = splits[1]
    _, way = transform.directions(test, modality.told_apart(test, test), 0)

    made = list(transform.transformed(Paints(), test, way.places, way.lenders))

    assert [len(part.image) for part in made] == [32, 8]
    drawn = torch.cat([part.drawn for part in made])[:, 0]
    for image, place, lender in zip(drawn, way.places, way.lenders, strict=True):
        lent = test.image[lender, 0]
        greys = torch.stack([lent[test.mask[lender] == c][0] for c in range(3)])
        torch.testing.assert_close(image, greys[test.mask[place]])


def test_a_model_that_ignores_the_style_fools_nobody(splits):
    class Greys(Paints):
        def decode(self, content, style):
            return super().decode(content, 0 * style + GREYS["cine"][:, None, None])

    metrics = transform.run(Greys(), *splits, 0).metrics

    assert metrics["accuracy_fooled/cine_to_LGE"].value == 0
    assert metrics["accuracy_fooled/LGE_to_cine"].value == 1
    assert metrics["dice_kept/cine_to_LGE"].value == 1


def test_truth_beside_what_the_model_draws(splits):
    train, test = splits
    wide = test.mask.clone()
    wide[:, 0] = 2
    other = replace(test, mask=wide)

    metrics = transform.run(Paints(), train, other, 0).metrics

    expected = (1 + 2 * 16 / (2 * 16 + 16)) / 2
    assert metrics["dice_truth/cine"].value == pytest.approx(expected)
    assert metrics["dice_truth/cine_to_LGE"].value == pytest.approx(expected)
    assert metrics["dice_kept/cine_to_LGE"].value == 1


def test_masks_of_other_classes_are_no_truth(splits):
    train, test = splits
    report = transform.run(Paints(), train, replace(test, classes=(*CLASSES, "scar")), 0)

    assert not any(path.startswith("dice_truth") for path in report.metrics)
    legend = report.figures["transformed"].legends[0]
    assert [text.get_text() for text in legend.get_texts()] == ["structure 1", "structure 2"]


def test_images_without_structures_have_no_dice(splits):
    train, test = splits
    image, mask = test.image.clone(), test.mask.clone()
    image[::2], mask[::2] = 0.05, 0
    half = replace(test, image=image, mask=mask)

    report = transform.run(Paints(), train, half, 0)

    assert report.metrics["dice_kept/cine_to_LGE"].n == 20
    assert report.metrics["accuracy_fooled/cine_to_LGE"].n == 40
    assert sum("dice_kept" in row for row in report.rows) == 37


def test_nothing_segmented_leaves_dice_out(splits):
    class Blind(Paints):
        def segment(self, image):
            return super().segment(0 * image)

    report = transform.run(Blind(), *splits, 0)

    assert not any(path.startswith("dice_kept") for path in report.metrics)
    assert report.metrics["dice_truth/cine"].value == 0
    assert len(report.figures["transformed"].axes) == 4 * 6


def test_the_figure_shows_both_directions(report):
    figure = report.figures["transformed"]
    axes = np.array(figure.axes).reshape(4, 6)

    assert [a.get_title() for a in axes[0]] == [
        "image", "its masks", "reconstruction", "style of", "transformed", "masks again",
    ]  # fmt: skip
    assert {a.get_xlabel() for a in axes[:, 5]} == {"Dice 1.00"}
    assert [a.get_ylabel() for a in axes[:, 0]] == ["LGE to cine"] * 2 + ["cine to LGE"] * 2
    picture = {a.get_title(): np.asarray(a.images[0].get_array()) for a in axes[0]}
    np.testing.assert_allclose(picture["image"], picture["reconstruction"], atol=1e-6)
    assert picture["transformed"].max() < 0.65 < picture["image"].max()
    assert [len(a.images) for a in axes[0]] == [1, 2, 1, 1, 1, 2]


def test_a_model_must_draw_images_and_masks(toys, splits):
    def flat(image):
        return image

    with pytest.raises(BadInput, match="draw both images and masks"):
        transform.run(toys.says(content=flat, style=flat), *splits, 0)


def test_one_kind_of_images_cannot_be_transformed(toys):
    one = hearts(toys, split="val", lge=0)

    with pytest.raises(BadInput, match="all of one kind"):
        transform.run(Paints(), one, one, 0)
