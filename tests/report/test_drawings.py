from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from septum.contract import Batch, Features
from septum.report import drawings


def cells(image):
    return F.avg_pool2d(image, 8)[:, 0]


def swapped(model, batch):
    return drawings.swap(model, batch, drawings.see(model, batch))


def test_the_likeliest_concept_of_a_cell_is_that_of_its_grey_level(model, samples):
    batch = samples.batch(range(4))

    seen = drawings.see(model, batch)

    np.testing.assert_array_equal(seen.concepts, (cells(batch.image) * 5).round())
    np.testing.assert_array_equal(seen.frames, batch.image[:, 0])
    assert ((seen.confidence > 1 / 6) & (seen.confidence <= 1)).all()


def test_content_and_style_give_back_what_the_model_keeps(model, samples, levels):
    batch = samples.batch(range(3))

    drawn = drawings.rebuild(model, batch)

    blurred = cells(batch.image).repeat_interleave(8, 1).repeat_interleave(8, 2)
    rounded = levels[(cells(batch.image) * 5).round().long()]
    assert list(drawn) == ["input", "content and style", "input, blurred", "concepts alone"]
    np.testing.assert_allclose(drawn["content and style"], blurred, atol=1e-6)
    np.testing.assert_allclose(drawn["input, blurred"], blurred, atol=1e-6)
    np.testing.assert_allclose(drawn["concepts alone"][:, ::8, ::8], rounded, atol=1e-6)


def test_a_model_without_concepts_is_asked_only_for_what_it_draws(draws, samples):
    drawn = drawings.rebuild(draws, samples.batch([0]))

    assert list(drawn) == ["input", "content and style", "content alone"]


def test_noise_on_a_style_of_one_vector_is_one_vector():
    style = torch.tensor([1.0, -1.0])[:, None, None, None].expand(2, 1, 4, 5)

    class Vector:
        def phases(self):
            return []

        def after_step(self, progress):
            del progress

        def encode(self, image):
            del image
            return Features(content=0 * style, style=style, pooled=style[:, :, 0, 0])

        def decode(self, content, style):
            return content + style

    drawn = drawings.style_levels(Vector(), Batch(image=torch.zeros(2, 1, 4, 5)), levels=(0.75,))

    noise = torch.randn(2, 1, 1, 1, generator=torch.Generator().manual_seed(0))
    wanted = (0.8 * style + 0.6 * noise).clamp(0, 1)[:, 0]
    np.testing.assert_allclose(drawn["β = 0.75"], wanted, atol=1e-6)


def test_a_pixel_is_in_the_channel_that_has_most_of_it(maps):
    found = drawings.channels(maps, maps.batch)

    dark, bright = maps.batch.image[:, 0].numpy() < 0.5, maps.batch.image[:, 0].numpy() > 0.5
    np.testing.assert_array_equal(found, np.stack([dark, bright], axis=1))


def test_content_on_a_coarse_grid_has_no_channels_to_draw(draws, samples):
    assert drawings.channels(draws, samples.batch([0])) is None


def test_masks_drawn_and_true_leave_the_background_out(maps):
    found = drawings.outline(maps, maps.batch)

    np.testing.assert_array_equal(found.drawn[:, 0], maps.batch.image[:, 0] > 0.5)
    np.testing.assert_array_equal(found.truth, (maps.batch.mask == 1)[:, None])


def test_masks_of_frames_that_have_none_are_unknown(maps):
    nowhere = torch.full_like(maps.batch.mask, -1)

    assert drawings.outline(maps, replace(maps.batch, mask=nowhere)).truth is None
    assert drawings.outline(maps, replace(maps.batch, mask=None)).truth is None


def test_swapping_draws_each_concept_with_the_level_of_the_other(model, levels):
    concepts = torch.tensor([[1, 1, 1, 2, 2], [1, 1, 2, 2, 3], [0, 4, 0, 5, 0], [1, 2, 3, 2, 1]])
    image = levels[concepts][None, None].repeat_interleave(8, 2).repeat_interleave(8, 3)

    swap = swapped(model, Batch(image=image))

    assert swap is not None
    assert swap.pairs["frequent"] == (1, 2)
    assert set(swap.pairs["isolated"]) <= {3, 4, 5}
    after = torch.tensor([0, 2, 1, 3, 4, 5])[concepts]
    np.testing.assert_allclose(swap.found[::8, ::8], levels[concepts], atol=1e-6)
    np.testing.assert_allclose(swap.drawn["frequent"][::8, ::8], levels[after], atol=1e-6)
    np.testing.assert_allclose(swap.target, image[0, 0], atol=1e-6)


def test_three_concepts_are_too_few_to_swap(model, levels):
    image = levels[torch.tensor([[1, 2], [3, 0]])][None, None].repeat_interleave(8, 2)

    assert swapped(model, Batch(image=image.repeat_interleave(8, 3))) is None


def test_noise_on_the_style_follows_equation_7(model, samples):
    batch = samples.batch([0, 1])

    drawn = drawings.style_levels(model, batch, levels=(0.75,), seed=3)

    style = model.encode(batch.image).style
    noise = torch.randn(style.shape, generator=torch.Generator().manual_seed(3))
    mixed = (0.8 * style + 0.6 * noise)[:, 0].numpy()
    alone = drawings.rebuild(model, batch)["concepts alone"][:, ::8, ::8]
    assert list(drawn) == ["input", "β = 0", "β = 0.75"]
    np.testing.assert_allclose(
        drawn["β = 0.75"][:, ::8, ::8], (alone + mixed / 2).clip(0, 1), atol=1e-5
    )
    np.testing.assert_allclose(
        drawn["β = 0"], drawings.rebuild(model, batch)["content and style"], atol=1e-6
    )


@pytest.mark.parametrize("beta", [0.0, 0.3, 2.0])
def test_noisy_style_keeps_unit_variance(beta):
    generator = torch.Generator().manual_seed(0)
    style, noise = torch.randn(2, 4, 8, 64, 64, generator=generator)

    assert drawings.noisy(style, noise, beta).var().item() == pytest.approx(1, abs=0.02)


def test_draws_differ_and_are_the_same_again(model, samples):
    first, again = (drawings.style_draws(model, samples.batch([0])) for _ in range(2))

    assert list(first) == ["β = 0", "β = 0.3, draw 1", "β = 0.3, draw 2", "β = 0.3, draw 3"]
    for title in first:
        np.testing.assert_array_equal(first[title], again[title])
    assert len({frames.tobytes() for frames in first.values()}) == 4


def test_a_network_is_asked_in_evaluation_mode_and_left_as_it_was(model, samples):
    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1))
            self.modes = []

        def phases(self):
            return []

        def after_step(self, progress):
            del progress

        def encode(self, image):
            self.modes.append((self.training, torch.is_grad_enabled()))
            return model.encode(image)

        def discretise(self, content):
            return content

        restyle = plain = discretise

    network = Network().train()

    drawings.see(network, samples.batch([0]))

    assert network.modes == [(False, False)]
    assert network.training
