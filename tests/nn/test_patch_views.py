"""Views of images: where they are cut, in which tone, and how chance is dealt."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.ndimage import gaussian_filter
from torch import distributed as dist
from torch.nn import functional as F

from septum.nn import patch_views
from septum.nn.patch_views import STILL, Ranges, Views

CPU = torch.device("cpu")


def images(b=3, h=48, w=64):
    return torch.rand(b, 1, h, w, generator=torch.Generator().manual_seed(0))


def still(b, **changes):
    one = torch.ones(b)
    same = {
        "corner": torch.zeros(b, 2), "size": torch.ones(b, 2), "flipped": one < 0,
        "brightness": one, "contrast": one, "gamma": one, "blur_px": 0 * one,
    }  # fmt: skip
    return Views(**(same | changes))


def window(top, left, height, width, *, of=(48, 64)):
    corner, size = torch.tensor([[left, top]]), torch.tensor([[width, height]])
    sides = torch.tensor([of[1], of[0]])
    return {"corner": corner / sides, "size": size / sides}


def off_uniform(found, low, high):
    """Distance of Kolmogorov and Smirnov to the uniform distribution."""
    return stats.kstest(found.double().numpy(), stats.uniform(low, high - low).cdf).statistic


def test_nothing_drawn_nothing_changed():
    image = images()
    torch.testing.assert_close(patch_views.apply(image, still(3)), image, atol=1e-5, rtol=0)
    torch.testing.assert_close(patch_views.varied(image, STILL), image, atol=1e-5, rtol=0)


@pytest.mark.parametrize("box", [(8, 6, 24, 32), (3, 10, 36, 40), (20, 30, 28, 34)])
@pytest.mark.parametrize("flipped", [False, True])
def test_a_view_is_a_slice_enlarged(box, flipped):
    top, left, height, width = box
    image = images(1)
    views = still(1, **window(*box), flipped=torch.tensor([flipped]))
    found = patch_views.apply(image, views)
    part = image[..., top : top + height, left : left + width]
    expected = F.interpolate(part, (48, 64), mode="bicubic", align_corners=False).clamp(0, 1)
    # a slice repeats its edge, where a view knows what lies beyond: two pixels of the image
    inner = np.s_[..., 5:-5, 6:-6]
    expected = expected.flip(3) if flipped else expected
    torch.testing.assert_close(found[inner], expected[inner], atol=1e-5, rtol=0)


def test_at_the_edge_of_the_image_the_edge_is_repeated():
    image = images(1)
    found = patch_views.apply(image, still(1, **window(0, 0, 24, 32)))
    expected = F.interpolate(image[..., :24, :32], (48, 64), mode="bicubic").clamp(0, 1)
    corner = np.s_[..., :-5, :-5]
    torch.testing.assert_close(found[corner], expected[corner], atol=1e-5, rtol=0)


def test_every_image_has_its_own_view():
    image = images(2)
    boxes = [window(8, 6, 24, 32), window(3, 10, 36, 40)]
    both = {key: torch.cat([box[key] for box in boxes]) for key in ("corner", "size")}
    found = patch_views.apply(image, still(2, **both))
    for i, box in enumerate(boxes):
        alone = patch_views.apply(image[i : i + 1], still(1, **box))
        torch.testing.assert_close(found[i : i + 1], alone)


def test_tones_by_hand():
    image = torch.tensor([0.2, 0.6]).repeat_interleave(8).expand(4, 1, 16, 16).contiguous()
    one = torch.ones(4)
    views = still(
        4,
        contrast=torch.tensor([0.8, 1.0, 1.0, 1.2]),
        brightness=torch.tensor([1.0, 1.2, 1.0, 0.8]),
        gamma=torch.where(torch.arange(4) > 1, 2 * one, one),
    )
    found = patch_views.apply(image, views)[:, 0, 8, [2, 13]]
    # about the mean .4: .24 and .56; times 1.2; squared; (.16, .64) times .8, squared
    expected = [[0.24, 0.56], [0.24, 0.72], [0.04, 0.36], [0.128**2, 0.512**2]]
    torch.testing.assert_close(found, torch.tensor(expected), atol=1e-5, rtol=0)


def test_a_blur_is_that_of_scipy_after_the_tone():
    image = images(2)
    views = still(2, blur_px=torch.tensor([0.0, 1.0]), gamma=torch.tensor([2.0, 2.0]))
    found = patch_views.apply(image, views)[:, 0].numpy()
    toned = image[:, 0].numpy() ** 2
    np.testing.assert_allclose(found[0], toned[0], atol=1e-5)
    blurred = gaussian_filter(toned[1], 1.0, mode="mirror", radius=3)
    np.testing.assert_allclose(found[1], blurred, atol=1e-5)


def test_views_stay_between_black_and_white():
    torch.manual_seed(0)
    image = (images(64) > 0.5).float()  # bicubic samples swing over such edges
    found = patch_views.varied(image, Ranges(brightness=0.5, contrast=0.5))
    assert found.shape == image.shape
    assert found.isfinite().all()
    assert found.min() == 0
    assert found.max() == 1


def test_draws_fill_their_ranges_and_stay_inside_the_image():
    torch.manual_seed(0)
    views = patch_views.sample(8000, Ranges(), CPU)
    assert (views.corner >= 0).all()
    assert (views.corner + views.size <= 1 + 1e-6).all()
    area, aspect = views.size.prod(1), views.size[:, 0] / views.size[:, 1]
    for found, low, high in (
        (area, 0.4, 1.0),
        (views.brightness, 0.8, 1.2),
        (views.contrast, 0.8, 1.2),
        (views.gamma.log(), np.log(0.8), np.log(1.25)),
    ):
        assert off_uniform(found, low, high) < 0.025
    assert 0.75 - 1e-4 <= aspect.min() < 0.76
    assert 1.31 < aspect.max() <= 4 / 3 + 1e-4
    assert abs(aspect.log().mean()) < 0.01  # as often wider as higher
    blurred = views.blur_px[views.blur_px > 0]
    assert abs(len(blurred) / 8000 - 0.1) < 0.015
    assert off_uniform(blurred, 0, 1) < 0.08
    assert abs(views.flipped.float().mean() - 0.5) < 0.03


def test_corners_are_uniform_over_what_fits():
    torch.manual_seed(1)
    views = patch_views.sample(8000, Ranges(scale=(0.4, 0.6)), CPU)
    place = views.corner / (1 - views.size)
    for axis in (0, 1):
        assert off_uniform(place[:, axis], 0, 1) < 0.025
    assert abs(torch.corrcoef(place.T)[0, 1]) < 0.03


def test_the_whole_image_has_the_aspect_of_the_image():
    views = patch_views.sample(100, Ranges(scale=(1.0, 1.0)), CPU)
    torch.testing.assert_close(views.size, torch.ones(100, 2))
    torch.testing.assert_close(views.corner, torch.zeros(100, 2))


@pytest.mark.parametrize(("flip", "expected"), [(0.0, 0.0), (1.0, 1.0)])
def test_flips_can_be_switched_off_and_on(flip, expected):
    assert patch_views.sample(500, Ranges(flip=flip), CPU).flipped.float().mean() == expected
    image = images()
    found = patch_views.varied(image, replace(STILL, flip=flip))
    torch.testing.assert_close(found, image.flip(3) if flip else image, atol=1e-5, rtol=0)


def test_the_same_seed_gives_the_same_views_and_the_next_draw_others():
    torch.manual_seed(5)
    first, second = (patch_views.varied(images(), Ranges()) for _ in range(2))
    torch.manual_seed(5)
    assert torch.equal(patch_views.varied(images(), Ranges()), first)
    assert not torch.equal(first, second)


def test_views_are_those_of_the_global_batch(monkeypatch):
    image = images(6)
    ranges = Ranges(blur_share=0.0)  # whose convolution is rounded by the size of the batch
    torch.manual_seed(3)
    whole = patch_views.varied(image, ranges)
    for rank in (0, 1):
        monkeypatch.setattr(dist, "is_initialized", lambda: True)
        monkeypatch.setattr(dist, "get_world_size", lambda: 2)
        monkeypatch.setattr(dist, "get_rank", lambda rank=rank: rank)
        torch.manual_seed(3)
        rows = slice(3 * rank, 3 * rank + 3)
        torch.testing.assert_close(patch_views.varied(image[rows], ranges), whole[rows])


def test_a_view_keeps_more_of_the_grain_than_a_bilinear_one():
    torch.manual_seed(0)
    image = 0.5 + 0.1 * torch.randn(1, 1, 64, 64)
    found = patch_views.apply(image, still(1, **window(8, 8, 48, 48, of=(64, 64))))
    bilinear = F.interpolate(image[..., 8:56, 8:56], (64, 64), mode="bilinear")
    assert found.std() > 1.1 * bilinear.std()
