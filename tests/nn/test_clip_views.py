"""Views of clips: where they are cut, how they are moved, and in which order."""

import pytest
import torch

from septum.nn import clip_views
from septum.nn.clip_views import Ranges, Views

CPU = torch.device("cpu")


def clips(b=3, t=4, h=9, w=7):
    return torch.rand(b, 1, t, h, w, generator=torch.Generator().manual_seed(0)) + 0.1


def moved(image, *, linear=((1, 0), (0, 1)), shift=(0, 0)):
    b = len(image)
    views = Views(
        pad_px=0,
        corner=torch.zeros(b, 2, dtype=torch.int64),
        linear=torch.tensor(linear, dtype=torch.float32).expand(b, 2, 2),
        shift=torch.tensor(shift, dtype=torch.float32).expand(b, 2),
    )
    return clip_views.apply(image, views)


def test_a_view_is_a_window_of_the_clip_with_a_black_margin():
    image = clips()
    views = clip_views.sample(3, Ranges(pad_px=2), CPU)
    found = clip_views.apply(image, views)
    padded = torch.zeros(3, 1, 4, 13, 11)
    padded[..., 2:-2, 2:-2] = image
    for view, clip, (y, x) in zip(found, padded, views.corner.tolist(), strict=True):
        assert torch.equal(view, clip[..., y : y + 9, x : x + 7])


def test_every_offset_of_the_margin_is_drawn_about_as_often():
    torch.manual_seed(0)
    corner = clip_views.sample(13_000, Ranges(), CPU).corner
    counts = [torch.bincount(corner[:, axis], minlength=13) for axis in (0, 1)]
    for count in counts:
        assert len(count) == 13
        assert ((count > 850) & (count < 1150)).all()
    assert abs(torch.corrcoef(corner.T.float())[0, 1]) < 0.03


def test_all_frames_of_a_clip_have_one_view_and_clips_their_own():
    still = clips(b=4, t=1).expand(4, 1, 5, 9, 7)
    torch.manual_seed(0)
    views = clip_views.sample(4, Ranges(pad_px=3, rotation_deg=20.0, translation=0.1), CPU)
    found = clip_views.apply(still, views)
    for frame in range(1, 5):
        torch.testing.assert_close(found[:, :, frame], found[:, :, 0])
    assert len({tuple(corner) for corner in views.corner.tolist()}) > 1


def test_without_ranges_nothing_changes():
    image = clips()
    views = clip_views.sample(3, clip_views.STILL, CPU)
    assert torch.equal(clip_views.apply(image, views), image)


def test_the_same_seed_gives_the_same_views():
    def view():
        torch.manual_seed(5)
        return clip_views.apply(clips(), clip_views.sample(3, clip_views.CAMUS, CPU))

    assert torch.equal(view(), view())


def test_draws_stay_within_their_ranges():
    torch.manual_seed(0)
    views = clip_views.sample(5000, clip_views.CAMUS, CPU)
    scale = 1 / torch.linalg.det(views.linear).sqrt()
    angle = torch.rad2deg(torch.atan2(views.linear[:, 0, 1], views.linear[:, 0, 0]))
    for found, low, high in ((scale, 0.8, 1.1), (angle, -20, 20), (views.shift, -0.2, 0.2)):
        span = high - low
        assert low - 1e-4 <= found.min() < low + 0.02 * span
        assert high - 0.02 * span < found.max() <= high + 1e-4


def test_a_shift_moves_what_is_seen_and_lets_black_in():
    image = clips(h=10, w=20)
    found = moved(image, shift=(2 * 3 / 20, 2 * 2 / 10))  # three pixels right, two down
    torch.testing.assert_close(found[..., 2:, 3:], image[..., :-2, :-3], atol=1e-5, rtol=0)
    assert found[..., :2, :].abs().max() < 1e-5
    assert found[..., :, :3].abs().max() < 1e-5


def test_a_quarter_turn_is_a_quarter_turn():
    image = clips(h=8, w=8)
    found = moved(image, linear=((0, 1), (-1, 0)))
    torch.testing.assert_close(found, image.rot90(-1, (3, 4)), atol=1e-5, rtol=0)


def test_pixels_stay_square_in_pictures_that_are_not():
    image = torch.zeros(1, 1, 1, 16, 32)
    image[..., 6:10, 4:28] = 1  # a bar of 4 x 24, turned upright
    found = moved(image, linear=((0, 1), (-1, 0)))
    assert torch.equal(found[0, 0, 0, :, 14:18].round(), torch.ones(16, 4))
    assert found.sum().item() == pytest.approx(64, rel=1e-4)


def test_a_magnified_clip_is_larger():
    y, x = torch.meshgrid(torch.arange(64) - 31.5, torch.arange(64) - 31.5, indexing="ij")
    disc = (x**2 + y**2 < 15**2).float()[None, None, None]
    torch.manual_seed(0)
    views = clip_views.sample(1, Ranges(pad_px=0, scale=(1.1, 1.1)), CPU)
    found = clip_views.apply(disc, views)
    assert (found.sum() / disc.sum()).item() == pytest.approx(1.1**2, rel=0.01)


def test_norming_comes_after_the_margin_so_that_the_margin_is_black():
    black = clip_views.normalised(torch.zeros(1, 1, 1, 1, 1)).flatten()
    torch.testing.assert_close(
        black, torch.tensor([-0.65148, -0.65402, -0.65685]), atol=1e-5, rtol=0
    )
    white = clip_views.normalised(torch.ones(1, 1, 1, 1, 1)).flatten()
    torch.testing.assert_close(white - black, 1 / torch.tensor(clip_views.STD))
