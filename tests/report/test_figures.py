import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb

from septum import palette
from septum.contract import Batch, Features
from septum.report import figures

CAPTIONS = ["2CH · ED", "4CH · ED"]


def pixels(axes):
    return [np.asarray(image.get_array()) for image in axes.get_images()]


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_a_concept_map_has_frame_colours_and_every_index(model, samples):
    batch = samples.batch([0, 1])

    figure = figures.concept_maps(model, batch, CAPTIONS)

    first, _, below, _ = figure.axes
    concepts = model.encode(batch.image).content.argmax(1).numpy()
    assert first.get_title() == "2CH · ED"
    np.testing.assert_array_equal(pixels(first)[0][..., 0], (255 * batch.image[0, 0]).round())
    colours = pixels(below)[1]
    expected = palette.cells(concepts[0], model.encode(batch.image).content.amax(1)[0].numpy())
    np.testing.assert_allclose(colours[4::8, 4::8], expected, atol=1e-6)
    shown = sorted(int(text) for text in texts(figure))
    assert shown == sorted(int(c) for c in concepts.ravel() if c)


def test_the_keys_add_up_to_all_marked_cells(model, samples):
    figure = figures.concept_maps(model, samples.batch([0, 1]), CAPTIONS)

    keys = dict(text.get_text().split(": ") for text in figure.texts)

    assert list(keys) == ["1", "2", "3", "4", "5"]
    assert sum(int(share.rstrip("%")) for share in keys.values()) == pytest.approx(100, abs=3)


@pytest.mark.parametrize("draw", [figures.concept_maps, figures.reconstruction])
def test_frames_keep_their_aspect_ratio(model, samples, draw):
    figure = draw(model, samples.batch([0, 1]), CAPTIONS)

    w_in, h_in = figure.get_size_inches()
    for axes in figure.axes:
        box = axes.get_position()
        assert box.height * h_in / (box.width * w_in) == pytest.approx(32 / 40)
        assert axes.yaxis_inverted()


def test_digits_are_dark_on_bright_cells_and_bright_on_dark_ones(model):
    image = torch.full((1, 1, 16, 16), 0.2)
    image[..., 8:] = 0.95

    figure = figures.concept_maps(model, Batch(image=image), ["x"])

    ink = {text.get_text(): text.get_color() for axes in figure.axes for text in axes.texts}
    assert ink == {"1": "#ffffff", "5": "#111111"}


def test_a_swap_is_labelled_with_the_concepts_and_outlines_their_cells(model, samples):
    batch = samples.batch(range(8))

    figure = figures.concept_swap(model, batch, "2CH · ED")

    assert figure is not None
    titles = {axes.get_title(): axes for axes in figure.axes}
    (name,) = [title for title in titles if title.startswith("frequent concepts")]
    a, b = int(name.split()[2]), int(name.split()[4])
    concepts = model.encode(batch.image).content.argmax(1)[0]
    assert len(titles[name].patches) == int(((concepts == a) | (concepts == b)).sum())


def test_a_frame_with_few_concepts_has_no_swap(model):
    assert figures.concept_swap(model, Batch(image=torch.zeros(1, 1, 16, 16)), "x") is None


def test_channels_of_the_anatomy_are_tinted_over_the_frame_with_their_share(maps):
    figure = figures.anatomy(maps, maps.batch, CAPTIONS)

    assert figure is not None
    bright = (maps.batch.image[:, 0] > 0.5).numpy()
    heads = [f"s0: {1 - bright.mean():.0%}", f"s1: {bright.mean():.0%}"]
    assert [a.get_title() for a in figure.axes] == ["input", "all channels", *heads, *[""] * 4]
    _, both, dark, _ = (pixels(axes) for axes in figure.axes[:4])
    np.testing.assert_allclose(dark[1][..., 3], np.where(bright[0], 0, palette.TINT))
    np.testing.assert_allclose(both[1][..., 3], palette.TINT)
    np.testing.assert_allclose(both[1][bright[0], :3][0], to_rgb(palette.colour(2)))


def test_of_many_channels_those_most_in_use_are_drawn(maps):
    class Many(type(maps)):
        def encode(self, image):
            known = super().encode(image)
            unused = torch.zeros(len(image), 9, *image.shape[2:])
            content = torch.cat([unused, known.content], dim=1)
            return Features(content=content, style=known.style, pooled=known.pooled)

    figure = figures.anatomy(Many(), maps.batch, CAPTIONS)

    assert figure is not None
    drawn = [axes.get_title().split(":")[0] for axes in figure.axes[2:10]]
    assert drawn == [*(f"s{k}" for k in range(6)), "s9", "s10"]


def test_masks_are_drawn_below_the_true_ones_of_the_same_frame(maps):
    figure = figures.masks(maps, maps.batch, CAPTIONS, ["left_ventricle"])

    true, drawn = (pixels(figure.axes[place])[1][..., 3] > 0 for place in (3, 5))
    np.testing.assert_array_equal(true, maps.batch.mask[1] == 1)
    np.testing.assert_array_equal(drawn, maps.batch.image[1, 0] > 0.5)
    assert texts(figure) == ["true masks", "the model's"]
    assert [text.get_text() for text in figure.texts] == ["left ventricle"]


def test_without_true_masks_those_of_the_model_stand_alone(maps):
    bare = Batch(image=maps.batch.image)

    assert texts(figures.masks(maps, bare, CAPTIONS, ["x"])) == ["the model's"]


def test_a_row_per_frame_and_a_title_over_each_column_once(model, samples):
    figure = figures.style_levels(model, samples.batch([0, 1]), CAPTIONS)

    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["input", "β = 0", "β = 0.2", "β = 0.4", "β = 0.6", *[""] * 5]
    assert texts(figure) == CAPTIONS


def test_draws_have_the_unaltered_drawing_first(model, samples):
    figure = figures.style_draws(model, samples.batch([0]), ["x"])

    full = figures.reconstruction(model, samples.batch([0]), ["x"])
    np.testing.assert_allclose(pixels(figure.axes[0])[0], pixels(full.axes[1])[0], atol=1e-6)
