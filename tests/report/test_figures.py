import numpy as np
import pytest
import torch

from septum.contract import Batch
from septum.report import figures, palette

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


def test_a_row_per_frame_and_a_title_over_each_column_once(model, samples):
    figure = figures.style_levels(model, samples.batch([0, 1]), CAPTIONS)

    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["input", "β = 0", "β = 0.2", "β = 0.4", "β = 0.6", *[""] * 5]
    assert texts(figure) == CAPTIONS


def test_draws_have_the_unaltered_drawing_first(model, samples):
    figure = figures.style_draws(model, samples.batch([0]), ["x"])

    full = figures.reconstruction(model, samples.batch([0]), ["x"])
    np.testing.assert_allclose(pixels(figure.axes[0])[0], pixels(full.axes[1])[0], atol=1e-6)
