import torch

from septum.nn import tone

GREY = torch.linspace(0, 1, 11).reshape(1, 1, 1, 11).expand(400, 1, 1, 11).contiguous()


def test_a_tone_is_rising_and_keeps_half_the_range():
    drawn = tone.toned(GREY, tone.sample(400, 1.0, GREY.device))
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    assert drawn.diff(dim=-1).min() >= 0
    span = drawn[..., -1] - drawn[..., 0]
    assert 0.5 <= span.min() < 0.55
    assert 0.95 < span.max() <= 1


def test_a_share_of_the_images_is_toned():
    torch.manual_seed(0)
    same = (tone.varied(GREY, 0.3) == GREY).flatten(1).all(1).float().mean()
    assert abs(same - 0.7) < 0.08


def test_without_a_share_nothing_is_drawn():
    before = torch.get_rng_state()
    assert tone.varied(GREY, 0.0) is GREY
    assert torch.equal(before, torch.get_rng_state())
