"""Arithmetic on codes, with decoders that answer in known numbers."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score
from torch.nn import functional as F

from septum.contract import BadInput, Features
from septum.tasks import traverse

CLASSES = ("background", "myocardium", "left_ventricle")


class Draws:
    """Content: the background and two regions of an image of 0, 1 and 2 tenths; z: three numbers.

    The first z scales the sum of the regions, from 0 to 1; the second darkens the ventricle.
    """

    def phases(self):
        return ()

    def after_step(self, progress: float) -> None:
        pass

    def encode(self, image) -> Features:
        index = (10 * image[:, 0]).round().long()
        content = F.one_hot(index, 3).permute(0, 3, 1, 2).float()
        z = torch.stack([image.mean((1, 2, 3)), image.amax((1, 2, 3)), 0 * image[:, 0, 0, 0]], 1)
        style = z[:, :, None, None].expand(-1, -1, *image.shape[2:])
        return Features(content=content, style=style, pooled=z)

    def decode(self, content, style):
        z = style.mean((2, 3))[:, :, None, None]
        image = content[:, 1:].sum(1, keepdim=True) * (z[:, :1] + 3) / 6
        return image * (1 - content[:, 2:] * (z[:, 1:2] + 3) / 12)


class Segments(Draws):
    """The ventricle is what is brighter than one half."""

    def segment(self, image):
        bright = (image > 0.5).float()
        return torch.cat([1 - bright, torch.zeros_like(bright), bright], dim=1)


@pytest.fixture(scope="module")
def hearts(toys):
    mask = torch.zeros(6, 8, 10, dtype=torch.int64)
    for i, frame in enumerate(mask):
        frame[2:6, i : i + 5] = 1
        frame[3:5, i + 1 : i + 3] = 2
    records = [toys.record(f"r{i}", f"s{i // 2}") for i in range(6)]
    return toys.stills(image=mask[:, None] / 10, mask=mask, records=records, classes=CLASSES)


@pytest.fixture(scope="module")
def report(hearts):
    return traverse.run(Draws(), hearts, hearts, 0)


def latent(hearts, i=0):
    features = Draws().encode(hearts.image[i : i + 1])
    return features.content, features.style


def test_seven_steps_from_minus_three_to_three():
    assert traverse.STEPS == (-3, -2, -1, 0, 1, 2, 3)


def test_an_image_along_one_dimension(hearts):
    content, style = latent(hearts)
    heart, ventricle = hearts.mask[0] > 0, hearts.mask[0] == 2
    z1 = style[0, 1, 0, 0].item()

    found = traverse.walk(Draws(), content, style, 0)

    # the heart goes from 0 to 1; in the ventricle times 1 - (z1 + 3) / 12
    rise = heart * (1 - ventricle * (z1 + 3) / 12)
    torch.testing.assert_close(found.difference, rise.float())
    torch.testing.assert_close(found.correlation, heart.float())
    torch.testing.assert_close(found.images[1], rise.float() / 6)


def test_other_dimensions_stay_and_a_fall_correlates_negatively(hearts):
    content, style = latent(hearts)
    ventricle = hearts.mask[0] == 2
    level = (style[0, 0, 0, 0].item() + 3) / 6

    second = traverse.walk(Draws(), content, style, 1)
    third = traverse.walk(Draws(), content, style, 2)

    torch.testing.assert_close(second.correlation, -ventricle.float())
    torch.testing.assert_close(second.difference, -0.5 * level * ventricle)
    assert third.correlation.abs().max() == third.difference.abs().max() == 0


def test_correlation_is_that_of_numpy():
    draw = torch.Generator().manual_seed(0)
    images = torch.rand(7, 3, 4, generator=draw)
    images[:, 0, 0] = 0.1
    images[:, 0, 1] = 0.1 + 1e-8 * torch.arange(7)

    found = traverse.correlation(images, torch.tensor(traverse.STEPS))

    for y, x in np.ndindex(3, 4):
        still = (y, x) in {(0, 0), (0, 1)}
        expected = 0 if still else np.corrcoef(traverse.STEPS, images[:, y, x].numpy())[0, 1]
        assert found[y, x].item() == pytest.approx(expected, abs=1e-6)


def test_metrics_are_means_over_pixels_and_images(hearts, report):
    hearts_share = [(m > 0).float().mean().item() for m in hearts.mask]
    ventricles = [(m == 2).float().mean().item() for m in hearts.mask]
    level = (hearts.image.mean((1, 2, 3)) + 3) / 6

    values = {path: metric.value for path, metric in report.metrics.items()}

    assert values["correlation/z0"] == pytest.approx(np.mean(hearts_share))
    assert values["correlation/z1"] == pytest.approx(np.mean(ventricles))
    change = (0.5 * level * torch.tensor(ventricles)).mean().item()
    assert values["change/z1"] == pytest.approx(change)
    assert values["change/z2"] == values["correlation/z2"] == 0
    assert report.metrics["change/z0"].n == 6
    assert [row["id"] for row in report.rows] == [f"r{i}" for i in range(6)]
    assert not any(path.startswith("anatomy_kept") for path in values)


def test_variance_is_that_of_z_over_the_split_and_0_where_it_is_dead(hearts, report):
    z = Draws().encode(hearts.image).pooled.double().numpy()

    found = [report.metrics[f"variance/z{k}"].value for k in range(3)]

    np.testing.assert_allclose(found, z.var(0), rtol=1e-6)
    assert found[0] > 0
    assert found[2] == 0


def test_so_many_images_are_varied_and_the_seed_chooses(hearts):
    ids = [
        [row["id"] for row in traverse.run(Draws(), hearts, hearts, seed, images=3).rows]
        for seed in (0, 0, 1)
    ]

    assert ids[0] == ids[1] != ids[2]
    assert all(len(chosen) == 3 for chosen in ids)


def test_anatomy_is_kept_where_the_same_is_segmented_at_both_ends(hearts):
    report = traverse.run(Segments(), hearts, hearts, 0)

    # nothing is bright at -3, the heart is at 3; the third dimension changes nothing
    assert report.metrics["anatomy_kept/z0"].value == 0
    assert report.metrics["anatomy_kept/z2"].value == 1
    # z1: the ventricle is as bright as the myocardium at -3, half as bright at 3
    heart, wall = 20, 16
    assert report.metrics["anatomy_kept/z1"].value == pytest.approx(2 * wall / (heart + wall))


def test_the_best_channel_of_a_structure_is_found_by_dice(hearts):
    class Swapped(Draws):
        """Channel 0 is the ventricle and a corner, channel 2 the wall, and 1 nothing."""

        def encode(self, image):
            said = super().encode(image)
            content = torch.stack(
                [said.content[:, 2], 0 * said.content[:, 0], said.content[:, 1]], 1
            )
            content[:, 0, 0, 0] = 1
            return replace(said, content=content)

    known = traverse.codes(Swapped(), hearts)
    report = traverse.run(Swapped(), hearts, hearts, 0)

    maps = Swapped().encode(hearts.image).content
    for i, name in enumerate(("myocardium", "left_ventricle")):
        truth = (hearts.mask == i + 1).flatten().numpy()
        table = [f1_score(truth, maps[:, k].flatten().numpy()) for k in range(3)]
        np.testing.assert_allclose(known.dice[i], table)
        assert report.metrics[f"channel_dice/{name}"].value == pytest.approx(max(table))
    assert traverse.pair(known) == (("myocardium", 2), ("left_ventricle", 0))
    titles = [axes.get_title() for axes in report.figures["channels"].axes[:4]]
    assert titles == ["image", "s0\nleft ventricle 0.89", "s1", "s2\nmyocardium 1.00"]


def test_structures_are_what_the_model_segments_if_it_does(hearts):
    class Bright(Segments):
        def segment(self, image):
            return super().segment(4 * image)

    known = traverse.codes(Bright(), hearts)

    # the true masks have a myocardium; it is 0.4 bright
    assert known.structure[:, 0].sum() == 0
    assert known.structure[:, 1].tolist() == [4] * 6


def test_a_coarse_content_is_enlarged(hearts):
    class Coarse(Draws):
        def encode(self, image):
            said = super().encode(image)
            maps = F.max_pool2d(said.content, 2)
            return replace(said, content=maps, style=said.style[:, :, :4, :5])

    known = traverse.codes(Coarse(), hearts)

    wide = F.max_pool2d(Draws().encode(hearts.image).content, 2).sum((2, 3)) * 4
    np.testing.assert_array_equal(known.channel, wide.numpy())


def table_of(dice, names):
    """Codes of one image in which structures and channels of 50 pixels overlap so far."""
    dice = np.array(dice)
    return traverse.Codes(
        z=np.zeros((1, 1)),
        both=50 * dice[None],
        structure=np.full((1, len(dice)), 50.0),
        channel=np.full((1, dice.shape[1]), 50.0),
        names=names,
    )


@pytest.mark.parametrize(
    ("dice", "names", "expected"),
    [
        ([[0.9, 0.1], [0.2, 0.8]], ("a", "b"), (("a", 0), ("b", 1))),
        # one channel is the best for both: the other takes what is left
        ([[0.5, 0.4, 0.0], [0.6, 0.1, 0.0]], ("a", "b"), (("a", 1), ("b", 0))),
        (
            [[0.9, 0.0, 0.0], [0.0, 0.9, 0.0], [0.0, 0.0, 0.9]],
            ("left_ventricle", "right_ventricle", "myocardium"),
            (("myocardium", 2), ("left_ventricle", 0)),
        ),
        ([[0.9, 0.1]], ("a",), None),
        ([[0.9], [0.1]], ("a", "b"), None),
    ],
)
def test_two_structures_have_a_channel_each(dice, names, expected):
    assert traverse.pair(table_of(dice, names)) == expected


def test_channels_are_moved_and_exchanged_pixel_by_pixel():
    draw = torch.Generator().manual_seed(0)
    content = (torch.rand(2, 4, 3, 5, generator=draw) > 0.5).float()
    before = content.clone()

    moved = traverse.moved(content, 1, 3)
    exchanged = traverse.exchanged(content, 1, 3)

    for b, y, x in np.ndindex(2, 3, 5):
        s = before[b, :, y, x].tolist()
        assert moved[b, :, y, x].tolist() == [s[0], 0, s[2], s[1] + s[3]]
        assert exchanged[b, :, y, x].tolist() == [s[0], s[3], s[2], s[1]]
    assert torch.equal(content, before)


def test_the_figure_of_arithmetic_shows_what_the_decoder_makes_of_it(hearts, report):
    figure = report.figures["arithmetic"]
    titles = [axes.get_title() for axes in figure.axes[:5]]
    rows = np.array(figure.axes).reshape(3, 5)
    pictures = [np.asarray(axes.images[0].get_array()) for axes in rows[0]]

    assert titles == [
        "image",
        "reconstruction",
        "myocardium (s1)\nto left ventricle (s2)",
        "myocardium and\nleft ventricle exchanged",
        "channels shuffled",
    ]
    mask = hearts.mask[0].numpy()
    z0, z1 = Draws().encode(hearts.image[:1]).pooled[0, :2].tolist()
    wall = (z0 + 3) / 6
    blood = wall * (1 - (z1 + 3) / 12)
    np.testing.assert_allclose(pictures[0], mask / 10)
    np.testing.assert_allclose(pictures[1], np.array([0, wall, blood])[mask], rtol=1e-5)
    np.testing.assert_allclose(pictures[2], np.array([0, blood, blood])[mask], rtol=1e-5)
    np.testing.assert_allclose(pictures[3], np.array([0, blood, wall])[mask], rtol=1e-5)
    content, style = latent(hearts)
    order = torch.randperm(3, generator=torch.Generator().manual_seed(0))
    shuffled = Draws().decode(content[:, order], style)[0, 0].numpy()
    np.testing.assert_allclose(pictures[4], shuffled, rtol=1e-5)


def test_the_traversal_has_a_row_per_dimension_and_symmetric_limits(report):
    grid = np.array(report.figures["traversal"].axes[:27]).reshape(3, 9)

    heads = [axes.get_title() for axes in grid[0]]
    assert heads == ["-3", "-2", "-1", "0", "1", "2", "3", "correlation", "difference"]
    assert [axes.get_ylabel() for axes in grid[:, 0]] == ["z0", "z1", "z2"]
    assert all(axes.images[0].get_clim() == (-1, 1) for axes in grid[:, 7])
    limits = {axes.images[0].get_clim() for axes in grid[:, 8]}
    ((low, high),) = limits
    differences = [np.asarray(axes.images[0].get_array()) for axes in grid[:, 8]]
    assert -low == high == pytest.approx(np.abs(differences).max())


def test_of_many_dimensions_those_that_change_most_are_drawn(hearts):
    class Many(Draws):
        def encode(self, image):
            said = super().encode(image)
            return replace(said, style=torch.zeros(len(image), 20, *image.shape[2:]))

        def decode(self, content, style):
            weights = torch.arange(20.0)[:, None, None] / 1_000
            return 0.5 * content.sum(1, keepdim=True) + (style * weights).sum(1, keepdim=True)

    report = traverse.run(Many(), hearts, hearts, 0, images=2)

    labels = [axes.get_ylabel() for axes in report.figures["traversal"].axes[: 16 * 9 : 9]]
    assert labels == [f"z{k}" for k in range(4, 20)]
    assert report.metrics["change/z19"].value == pytest.approx(6 * 0.019, abs=1e-6)


def test_without_masks_channels_have_no_names(hearts):
    report = traverse.run(Draws(), hearts, replace(hearts, mask=None), 0)

    assert set(report.figures) == {"traversal", "channels"}
    assert [axes.get_title() for axes in report.figures["channels"].axes[:4]] == [
        "image", "s0", "s1", "s2",
    ]  # fmt: skip
    assert not any(path.startswith("channel_dice") for path in report.metrics)


def test_a_model_that_draws_nothing_cannot_be_varied(toys, hearts):
    with pytest.raises(BadInput, match="draws no image"):
        traverse.run(toys.says(content=lambda image: image), hearts, hearts, 0)


def test_a_model_without_style_cannot_be_varied(hearts):
    class Styleless(Draws):
        def encode(self, image):
            return replace(super().encode(image), style=None)

    with pytest.raises(BadInput, match="no style"):
        traverse.run(Styleless(), hearts, hearts, 0)
